"""The seam to whatever runs pods and keeps declared syncs: twelve verbs.

Seven are about pods: they take manifests as wire-shaped dicts and return Pods. Five are about documents of declared
syncs, wire-shaped dicts both ways. `common.cluster.kubernetes` implements them over the Kubernetes API, `embedded.pods`
over local processes and files. Code above the seam cannot tell which it has.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from common.cluster.objects import Pod

if TYPE_CHECKING:
    from common.settings import Settings

Manifest = Mapping[str, Any]
"""A Kubernetes object as the API takes it (camelCase keys)."""
Document = dict[str, Any]
"""A declared sync as the API shows it: metadata (name, resourceVersion, generation, creationTimestamp), spec, status.

One that cannot be used at its home (a file with a mistake) has no spec; its status has the state INVALID and a message
with the place of the mistake, and is not to be written.
"""


class Cluster(Protocol):
    """Runs pods. Every verb raises ClusterUnavailable or TimedOut if the outcome is unknown."""

    def create_pod(self, pod: Manifest) -> Pod:
        """Create a pod and return it with its uid.

        Raise Conflict if one of that name exists (or is still terminating), Refused if admission rejects it for
        good, QuotaExceeded if a quota rejects it for now.
        """
        ...

    def create_secret(self, secret: Manifest) -> None:
        """Create a Secret. Raise Conflict if one of that name exists."""
        ...

    def read_secret(self, name: str) -> dict[str, bytes] | None:
        """Return the values of a Secret, if it exists. Only retries and the webhooks of declared syncs need it."""
        ...

    def get_pod(self, name: str) -> Pod | None:
        """Return the pod as it is now, if it exists."""
        ...

    def list_pods(self) -> Iterator[Pod]:
        """Return all pods with our label. Raise rather than end early: a partial list proves nothing."""
        ...

    def delete_pod(self, name: str, uid: str, grace_seconds: int) -> None:
        """Ask for a pod's deletion and return at once. Another uid under that name, or none, is success."""
        ...

    def read_log(self, name: str, container: str, tail_lines: int) -> bytes:
        """Return the last lines that a container printed, in whatever encoding; b"" if there are none."""
        ...

    def list_syncs(self) -> list[Document]:
        """Return all declared syncs by name. Raise rather than return a part, SyncsNotInstalled where none can be."""
        ...

    def get_sync(self, name: str) -> Document | None:
        """Return a declared sync as it is now, if it exists."""
        ...

    def put_sync(self, document: Manifest, resource_version: str) -> Document:
        """Create or replace a declared sync, all but its status, and return it as it is then.

        With a resource version, raise Conflict unless the sync exists and is of that version; "" is unconditional.
        """
        ...

    def delete_sync(self, name: str, resource_version: str = "") -> bool:
        """Delete a declared sync; return whether there was one. Raise Conflict if it is of another version."""
        ...

    def set_sync_status(self, name: str, status: Manifest) -> None:
        """Replace the status of a declared sync, and nothing else of it. Nothing happens if the sync is gone."""
        ...


_given: Cluster | None = None


def use(cluster: Cluster | None) -> None:
    """Make `connect` return this cluster, as the embedded edition does."""
    global _given  # noqa: PLW0603 - one cluster per process, set once at start-up
    _given = cluster


def connect(settings: "Settings") -> Cluster:
    """Return the cluster that task pods run in. Raise ClusterUnavailable if it cannot be reached."""
    if _given is not None:
        return _given
    from common.cluster import kubernetes

    return kubernetes.connect(settings)
