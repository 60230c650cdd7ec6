"""The place that task pods are at: said by each task's row, so that nobody who looks elsewhere takes its pod for lost.

Read from what is at hand, without a request: it is the same in all functions of a cluster, and after each deployment.
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
"""What files that are not there, or hold anything at all, raise; RuntimeError: a home folder that nobody has."""


def of(settings: Settings, authority: Path = _AUTHORITY) -> str:
    """SYNCCTL_PLACE; without it the namespace, and a hash that tells the cluster from others with such a namespace.

    Never raises: credentials that cannot be read are told by whoever connects with them. `authority`: where a pod's
    service account finds the cluster's certificates.
    """
    if settings.place:
        return settings.place
    try:
        local = settings.kubernetes_client_config == "local"
        mark = authority.read_bytes() if local else _mark(settings)
    except _UNUSABLE:
        return settings.kubernetes_namespace
    # The same certificates, whoever has wrapped their lines.
    digest = hashlib.sha256(b"".join(mark.split())).hexdigest()[:12]
    return f"{settings.kubernetes_namespace}@{digest}"


def _mark(settings: Settings) -> bytes:
    """Of the kubeconfig's cluster: its authority, as its pods see it too, or its address where none is named."""
    given, folder = settings.kubernetes_client_config, Path()
    if "\n" not in given:
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
    """Looks at no others than the one that is meant: what is odd in them keeps nobody from connecting."""
    found: dict[str, Any] = next(entry[kind] for entry in entries if entry.get("name") == name)
    return found
