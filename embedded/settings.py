"""Where the one-machine edition keeps its things, and the environment that its processes inherit."""

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from common.errors import SettingsError
from common.settings import Settings

NAME = "sync-functions"


class Places(Struct, frozen=True):
    """Folders. `home` holds the data (removing it forgets everything), `connectors` what can be installed again."""

    home: Path
    connectors: Path


def environment() -> dict[str, str]:
    """This process's environment, for those who start others."""
    return dict(os.environ)  # noqa: TID251 - the one place of the embedded edition


def places(home: Path | None = None, environ: Mapping[str, str] | None = None) -> Places:
    """SYNCCTL_HOME and SYNCCTL_CONNECTORS, else the user's data and cache folders (XDG)."""
    given = environment() if environ is None else environ
    user = Path(given.get("HOME") or "~").expanduser()
    data = Path(given.get("XDG_DATA_HOME") or user / ".local/share")
    cache = Path(given.get("XDG_CACHE_HOME") or user / ".cache")
    chosen = home or Path(given.get("SYNCCTL_HOME") or data / NAME)
    connectors = Path(given.get("SYNCCTL_CONNECTORS") or cache / NAME / "connectors")
    return Places(chosen.expanduser().absolute(), connectors.expanduser().absolute())


def own_database_url(environ: Mapping[str, str] | None = None) -> str:
    """SYNCCTL_DATABASE_URL, where the user brings a Postgres of their own; else ""."""
    return (environment() if environ is None else environ).get("SYNCCTL_DATABASE_URL", "").strip()


def settings(
    overrides: Mapping[str, str], environ: Mapping[str, str] | None = None, *, defaults: Mapping[str, str]
) -> Settings:
    """The functions' settings: our `defaults`, the user's SYNCCTL_* variables, and what this edition decides itself."""
    given = {
        name: value
        for name, value in (environment() if environ is None else environ).items()
        if name.startswith("SYNCCTL_") and name not in {"SYNCCTL_HOME", "SYNCCTL_CONNECTORS", "SYNCCTL_TOKEN"}
    }
    return Settings.load(dict(defaults) | given | dict(overrides))


def parse_images(pairs: Mapping[str, str]) -> dict[str, str]:
    """Image to local command, checked; raises SettingsError that names the entry."""
    for image, command in pairs.items():
        if not image.strip() or not command.strip():
            raise SettingsError(
                f"--image {image}={command}: expected IMAGE=COMMAND, such as acme/source-x=./source_x.py"
            )
    return {image.strip(): command.strip() for image, command in pairs.items()}
