"""The seam between us and whatever runs pods: seven verbs over wire-shaped dicts.

`common.cluster` implements them over the Kubernetes API; `embedded` implements the same seven over local
processes. Code above the seam cannot tell which it has.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from common.settings import Settings

Object = Mapping[str, Any]
"""A Kubernetes object as the API sends and takes it (camelCase keys)."""


class Cluster(Protocol):
    """Runs pods. Every verb raises ClusterUnavailable or TimedOut when it cannot know."""

    def create_pod(self, pod: Object) -> dict[str, Any]:
        """Creates a pod and returns it with its uid.

        Raises Conflict if one of that name exists (or is still terminating), Refused where admission says
        no for good, QuotaExceeded where a quota says not now.
        """
        ...

    def create_secret(self, secret: Object) -> None:
        """Creates a Secret; raises Conflict if one of that name exists."""
        ...

    def read_secret(self, name: str) -> dict[str, bytes] | None:
        """A Secret's values, or None; for the one who starts a task again, and nobody else."""
        ...

    def get_pod(self, name: str) -> dict[str, Any] | None:
        """The pod as it is now, or None."""
        ...

    def list_pods(self) -> Iterator[dict[str, Any]]:
        """All pods that carry our label. Raises rather than end early: a partial list proves nothing."""
        ...

    def delete_pod(self, name: str, uid: str, grace_seconds: int) -> None:
        """Asks for the pod's end and returns at once; another uid under that name, or none, is success."""
        ...

    def read_log(self, name: str, container: str, tail_lines: int) -> bytes:
        """The last lines a container printed, as bytes (they need not be UTF-8); b"" if there are none."""
        ...


_given: Cluster | None = None


def use(cluster: Cluster | None) -> None:
    """Makes `connect` return this cluster: how the embedded edition brings its own."""
    global _given  # noqa: PLW0603 - one cluster per process, set once at start-up
    _given = cluster


def connect(settings: "Settings") -> Cluster:
    """The cluster that task pods run in; raises ClusterUnavailable where none can be reached."""
    if _given is not None:
        return _given
    from common.cluster import kubernetes

    return kubernetes.connect(settings)
