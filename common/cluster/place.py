"""The place that task pods are at: said by each task's row, so that nobody who looks elsewhere takes its pod for lost.

Read from what is at hand, without a request: it is the same in all functions of a cluster, and after each deployment.
"""

import hashlib
from pathlib import Path

import msgspec
from msgspec import Struct

from common.settings import Settings

_AUTHORITY = Path("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
"""Every cluster has an authority of its own (as a rule), whatever its namespaces and addresses are called."""


class _Cluster(Struct, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: bytes = b""  # base64 in the file


class _NamedCluster(Struct):
    name: str
    cluster: _Cluster


class _Context(Struct):
    cluster: str


class _NamedContext(Struct):
    name: str
    context: _Context


class _Kubeconfig(Struct, rename="kebab"):
    clusters: list[_NamedCluster]
    contexts: list[_NamedContext]
    current_context: str = ""


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
    except (OSError, LookupError, ValueError, msgspec.MsgspecError):
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
    document = msgspec.yaml.decode(given, type=_Kubeconfig)
    contexts = {context.name: context.context.cluster for context in document.contexts}
    clusters = {cluster.name: cluster.cluster for cluster in document.clusters}
    found = clusters[contexts[settings.kubernetes_context or document.current_context]]
    if found.certificate_authority:
        return (folder / found.certificate_authority).read_bytes()
    return found.certificate_authority_data or found.server.encode()
