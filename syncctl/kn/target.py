"""The deployment that a verb of the plugin speaks to: found in the cluster, or named by --url."""

from msgspec import Struct

from syncctl.kn import locate
from syncctl.kn.kube import Denied, Kubernetes
from syncctl.kn.locate import Functions


class Target(Struct, frozen=True):
    """A deployment's address and token, and where its functions are; no namespace if --url named it."""

    url: str
    token: str
    namespace: str = ""
    version: str = ""


def target(kubeconfig: str, context: str, namespace: str, url: str, token: str) -> Target:
    """Return the one deployment. Raise SyncError if there is none, or more than one to choose from."""
    if url:
        return Target(url, token)
    cluster = Kubernetes(kubeconfig, context)
    return _target(cluster, locate.find(cluster, namespace), token)


def targets(kubeconfig: str, context: str, token: str) -> list[Target]:
    """Return the deployments of all namespaces."""
    cluster = Kubernetes(kubeconfig, context)
    return [_target(cluster, one, token) for one in locate.find_all(cluster)]


def _target(cluster: Kubernetes, functions: Functions, token: str) -> Target:
    url = locate.url(cluster, functions)
    try:
        found = locate.token(cluster, functions)
    except Denied:
        if not token:
            raise
        found = token
    return Target(url, found, functions.namespace, functions.version)
