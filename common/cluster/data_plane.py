"""The data plane that task pods run in. Each task's row names it, so that no other deployment takes its pod for lost.

Read from local files, without a request: it is the same in all functions of a cluster, and after each deployment.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

import msgspec

from common.settings import Settings

_AUTHORITY = Path("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
"""Every cluster has an authority of its own (as a rule), whatever its namespaces and addresses are called."""
_UNUSABLE = (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, StopIteration,
             msgspec.MsgspecError)  # fmt: skip
"""Raised for a missing or malformed kubeconfig or authority; RuntimeError for an account without a home folder."""


def of(settings: Settings, authority: Path = _AUTHORITY) -> str:
    """Return SYNCCTL_DATA_PLANE; without it the namespace, and a hash that tells the cluster from others.

    Never raise: unreadable credentials are reported by the connection that needs them. `authority`: where a pod's
    service account finds the cluster's certificates.
    """
    if settings.data_plane:
        return settings.data_plane
    try:
        local = settings.kubernetes_client_config == "local"
        mark = authority.read_bytes() if local else _mark(settings)
    except _UNUSABLE:
        return settings.kubernetes_namespace
    # Certificates are the same however their lines are wrapped.
    digest = hashlib.sha256(b"".join(mark.split())).hexdigest()[:12]
    return f"{settings.kubernetes_namespace}@{digest}"


def is_text(given: str) -> bool:
    """Return whether SYNCCTL_KUBERNETES_CLIENT_CONFIG is a kubeconfig itself, and no path."""
    return "\n" in given or given.startswith("{")


def _mark(settings: Settings) -> bytes:
    """Return the authority of the kubeconfig's cluster, as its pods see it too, or else its address."""
    given, folder = settings.kubernetes_client_config, Path()
    if not is_text(given):
        path = Path(given).expanduser()
        given, folder = path.read_text(encoding="utf-8"), path.parent
    document = msgspec.yaml.decode(given)
    wanted = settings.kubernetes_context or document.get("current-context")
    cluster = _named(document["clusters"], "cluster", _named(document["contexts"], "context", wanted)["cluster"])
    if file := cluster.get("certificate-authority"):
        return (folder / str(file)).read_bytes()
    data = cluster.get("certificate-authority-data")
    return base64.b64decode(data) if data else str(cluster["server"]).encode()


def _named(entries: list[dict[str, Any]], kind: str, name: object) -> dict[str, Any]:
    """Return the named entry without looking at others: they may be odd, and nobody connects by them."""
    found: dict[str, Any] = next(entry[kind] for entry in entries if entry.get("name") == name)
    return found
