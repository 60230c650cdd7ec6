"""A deployment as its objects describe it, read once."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from common.errors import SyncError
from common.setting_sources import CONFIG_PATH
from syncctl.kn import locate
from syncctl.kn.kube import Denied, Kubernetes

STARTERS = ("spec", "check", "discover", "read", "syncs")
"""Functions that start tasks."""
FUNCTIONS = ("spec", "check", "discover", "read", "tasks", "cancel", "syncs", "metrics", "console", "sweeper")
CONSOLE = "console"
"""The one that connects to nothing."""
CORE = "/api/v1/namespaces/{}/{}"
_SERVICES = "/apis/serving.knative.dev/v1/namespaces/{}/services"
_TASKS_NAMESPACE = "SYNCCTL_KUBERNETES_NAMESPACE"

Object = dict[str, Any]


class Installation(Struct, frozen=True):
    """Where it is, its Knative Services, its settings, and the Secrets that these name; None for one that is missing.

    `hidden`: Secrets that the user may not read.
    """

    namespace: str
    tasks: str
    services: dict[str, Object]
    settings: dict[str, str]
    maps: dict[str, bool]
    """Whether each ConfigMap that the functions need is there."""
    secrets: dict[str, dict[str, str] | None]
    hidden: frozenset[str] = frozenset()

    def values(self) -> dict[str, str]:
        """Return all that a function which starts tasks is given."""
        given = dict(self.settings)
        for values in self.secrets.values():
            given |= values or {}
        return given


def read(cluster: Kubernetes, namespace: str) -> Installation:
    """Return the deployment of a namespace, or the only one. Raise SyncError without one."""
    found = locate.find(cluster, namespace)
    where = found.namespace
    listed = cluster.list(_SERVICES.format(quote(where)), locate.LABELS, f"listing Knative's Services in {where}") or []
    services = {one["metadata"]["name"]: one for one in listed}
    services = {name: services[name] for name in FUNCTIONS if name in services}
    maps, settings = _settings(cluster, where, services)
    secrets, hidden = _secrets(cluster, where, services)
    return Installation(
        where, settings.get(_TASKS_NAMESPACE, ""), services, settings, maps, secrets, frozenset(hidden)
    )  # fmt: skip


def container(service: Object) -> Object:
    """Return the only container of a function."""
    found: Object = service["spec"]["template"]["spec"]["containers"][0]
    return found


def secret_names(service: Object) -> Iterator[str]:
    """Yield the Secrets without which a function does not start."""
    for source in container(service).get("envFrom") or ():
        if (reference := source.get("secretRef")) and not reference.get("optional"):
            yield reference["name"]
    for variable in container(service).get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference and not reference.get("optional"):
            yield reference["name"]


def _settings(cluster: Kubernetes, where: str, services: dict[str, Object]) -> tuple[dict[str, bool], dict[str, str]]:
    names = {
        source["configMapRef"]["name"]: None
        for service in services.values()
        for source in container(service).get("envFrom") or ()
        if "configMapRef" in source
    }
    maps: dict[str, bool] = {}
    settings: dict[str, str] = {}
    for name in names:
        found = cluster.get(CORE.format(quote(where), f"configmaps/{quote(name)}"), f"reading the ConfigMap {name}")
        maps[name] = found is not None
        settings |= (found or {}).get("data") or {}
    for service in services.values():
        plain = {one["name"]: one["value"] for one in container(service).get("env") or () if "value" in one}
        settings |= {name: value for name, value in plain.items() if name == CONFIG_PATH}
    return maps, settings


def _secrets(
    cluster: Kubernetes, where: str, services: dict[str, Object]
) -> tuple[dict[str, dict[str, str] | None], list[str]]:
    secrets: dict[str, dict[str, str] | None] = {}
    hidden: list[str] = []
    for name in dict.fromkeys(name for service in services.values() for name in secret_names(service)):
        path = CORE.format(quote(where), f"secrets/{quote(name)}")
        try:
            found = cluster.get(path, f"reading the Secret {name}")
        except Denied:
            hidden.append(name)
            continue
        data = (found or {}).get("data") or {}
        plain = {key: base64.b64decode(value).decode(errors="replace").strip() for key, value in data.items()}
        secrets[name] = None if found is None else plain
    return secrets, hidden


def need_tasks(installation: Installation) -> str:
    """Return the task pods' namespace; raise SyncError if no setting names it."""
    if not installation.tasks:
        raise SyncError(f"The setting {_TASKS_NAMESPACE} is missing: the task pods' namespace is unknown.")
    return installation.tasks
