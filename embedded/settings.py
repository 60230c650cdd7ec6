"""The environment of the one-machine edition, and the functions' settings in it."""

import os
from collections.abc import Mapping
from pathlib import Path

from common.settings import Settings
from embedded.connectors import published

_NOT_FOR_FUNCTIONS = frozenset({"SYNCCTL_HOME", "SYNCCTL_CONNECTORS", published.SETTING, "SYNCCTL_TOKEN"})


def environment() -> dict[str, str]:
    """Return this process's environment, to start others."""
    return dict(os.environ)  # noqa: TID251 - the one place of the embedded edition


def connectors_folder() -> Path:
    """Return SYNCCTL_CONNECTORS, else a folder in the user's cache folder (XDG). All in it can be installed again."""
    given = environment()
    cache = Path(given.get("XDG_CACHE_HOME") or Path(given.get("HOME") or "~") / ".cache")
    folder = Path(given.get("SYNCCTL_CONNECTORS") or cache / "sync-functions" / "connectors")
    return folder.expanduser().absolute()


def connector_packages() -> tuple[str, ...]:
    """Return the names in SYNCCTL_CONNECTOR_PACKAGES; raise SettingsError if it is unusable."""
    return published.parse(environment().get(published.SETTING, ""))


def own_database_url() -> str:
    """Return SYNCCTL_DATABASE_URL, the user's own Postgres, else ""; raise SettingsError if a setting is unusable."""
    given = settings({}, defaults={}).database_url
    return given.get_secret_value() if given else ""


def database_schema() -> str:
    """Return the schema of our own tables; raise SettingsError if a setting is unusable."""
    return settings({}, defaults={}).database_schema


def settings(
    overrides: Mapping[str, str], environ: Mapping[str, str] | None = None, *, defaults: Mapping[str, str]
) -> Settings:
    """Return the functions' settings: `defaults`, the user's SYNCCTL_* variables over them, `overrides` over both."""
    given = {
        name: value
        for name, value in (environment() if environ is None else environ).items()
        if name.startswith("SYNCCTL_") and name not in _NOT_FOR_FUNCTIONS
    }
    return Settings.load(dict(defaults) | given | dict(overrides))
