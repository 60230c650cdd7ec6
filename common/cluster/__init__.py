"""The seam between us and whatever runs pods: six verbs over wire-shaped dicts.

`common.cluster` implements them over the Kubernetes API; `embedded` implements the same six over local
processes. Code above the seam cannot tell which it has.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

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
