"""The environment of the one-machine edition, and the functions' settings in it."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from common import setting_sources
from common.setting_sources import CONFIG_FILE
from common.settings import Settings, variable
from embedded.connectors import published

_NOT_FOR_FUNCTIONS = frozenset(
    {"SYNCCTL_HOME", "SYNCCTL_CONNECTORS", "SYNCCTL_RUNTIME", published.SETTING, "SYNCCTL_TOKEN"}
)
_VARIABLES_ONLY = _NOT_FOR_FUNCTIONS | {"SYNCCTL_URL", "SYNCCTL_HTTP_PORT"}
"""What is needed before the file is read, or by the command line, which does not read it."""
_OF_SINK_BINDINGS = frozenset({"K_SINK", "K_CE_OVERRIDES", "K_CA_CERTS"})
_OF_CLUSTERS = frozenset(
    map(
        variable,
        (
            "events_without_token",
            "kubernetes_client_config",
            "kubernetes_context",
            "kubernetes_namespace",
            "kubernetes_node_selector",
            "pods_service_account",
            "source_disk_limit",
            "sidecar_disk_limit",
            "source_run_as_root",
            "container_status_check_seconds",
            "sweep_seconds",
            "sweeper_url",
            "sweep_token",
            "node_timeout_seconds",
        ),
    )
)


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
    """Return the functions' settings: `defaults`, the user's file and variables over them, `overrides` over all."""
    environ = _of_functions(environment() if environ is None else environ)
    given, _ = setting_sources.read(environ, _known())
    missing = {name: value for name, value in defaults.items() if name not in given}
    return Settings.load(missing | environ | dict(overrides))


def without_effect(overrides: Collection[str], environ: Mapping[str, str] | None = None) -> list[str]:
    """Return a sentence for each setting that the user has given and the edition does not use."""
    environ = environment() if environ is None else environ
    given, _ = setting_sources.read(_of_functions(environ), _known())
    sentences = []
    for name in sorted(given):
        if name in overrides:
            sentences.append(f"{name} has no effect here: the embedded edition brings its own.")
        elif name == variable("pod_templates"):
            sentences.append(f"{name} has no effect here but for variables and limits of memory.")
        elif name in _OF_CLUSTERS:
            sentences.append(f"{name} has no effect here: it is for Kubernetes.")
        elif name in _VARIABLES_ONLY and not environ.get(name):
            sentences.append(f"{name} has no effect in {CONFIG_FILE}: set it as a variable of the environment.")
    return sentences


def _of_functions(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if name in _OF_SINK_BINDINGS or (name.startswith("SYNCCTL_") and name not in _NOT_FOR_FUNCTIONS)
    }


def _known() -> list[str]:
    return [variable(field) for field in Settings.model_fields]
