"""The folders of the one-machine edition, and the environment that its processes inherit."""

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from common.settings import Settings

NAME = "sync-functions"


class Folders(Struct, frozen=True):
    """`home` holds the data; `connectors` can be installed again."""

    home: Path
    connectors: Path


def environment() -> dict[str, str]:
    """Return this process's environment, to start others."""
    return dict(os.environ)  # noqa: TID251 - the one place of the embedded edition


def folders(home: Path | None = None, environ: Mapping[str, str] | None = None) -> Folders:
    """Return SYNCCTL_HOME and SYNCCTL_CONNECTORS, else folders in the user's data and cache folders (XDG)."""
    given = environment() if environ is None else environ
    user = Path(given.get("HOME") or "~").expanduser()
    data = Path(given.get("XDG_DATA_HOME") or user / ".local/share")
    cache = Path(given.get("XDG_CACHE_HOME") or user / ".cache")
    chosen = home or Path(given.get("SYNCCTL_HOME") or data / NAME)
    connectors = Path(given.get("SYNCCTL_CONNECTORS") or cache / NAME / "connectors")
    return Folders(chosen.expanduser().absolute(), connectors.expanduser().absolute())


def own_database_url(environ: Mapping[str, str] | None = None) -> str:
    """Return SYNCCTL_DATABASE_URL, the user's own Postgres; else ""."""
    return (environment() if environ is None else environ).get("SYNCCTL_DATABASE_URL", "").strip()


def settings(
    overrides: Mapping[str, str], environ: Mapping[str, str] | None = None, *, defaults: Mapping[str, str]
) -> Settings:
    """Return the functions' settings: `defaults`, the user's SYNCCTL_* variables over them, `overrides` over both."""
    given = {
        name: value
        for name, value in (environment() if environ is None else environ).items()
        if name.startswith("SYNCCTL_") and name not in {"SYNCCTL_HOME", "SYNCCTL_CONNECTORS", "SYNCCTL_TOKEN"}
    }
    return Settings.load(dict(defaults) | given | dict(overrides))
