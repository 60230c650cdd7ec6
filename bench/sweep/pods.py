"""Task pods as a cluster shows them: our own manifests, with a status as a kubelet writes it."""

from collections.abc import Iterator
from typing import Any

from bench.api_server import NAMESPACE
from common.pods import manifest
from common.pods.manifest import Payload
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Task

_SIDECAR = "sync-functions/sidecar:bench"
_SETTINGS = Settings.load(
    {
        "SYNCCTL_SIDECAR_IMAGE": _SIDECAR,
        "SYNCCTL_KUBERNETES_NAMESPACE": NAMESPACE,
        "SYNCCTL_DATABASE_URL": "postgresql://db/app",
    }
)
_PAYLOAD = Payload(b'{"api_key":"k"}', b'{"streams":[]}', b"{}")
_SINCE = "2026-01-01T00:00:00Z"
_RUNNING = {"running": {"startedAt": _SINCE}}
_KILLED = {"terminated": {"exitCode": 137, "reason": "Error", "startedAt": _SINCE, "finishedAt": _SINCE}}


def keys(first: int, count: int) -> Iterator[Task]:
    """Reads of one sync each."""
    for number in range(first, first + count):
        yield Task(
            Command.READ, f"task-{number:05}", "airbyte/source-faker", "7.2.1", f"sync-{number:05}", started_by="bench"
        )


def running(key: Task) -> dict[str, Any]:
    """On a node, both containers at work."""
    conditions = [_condition(kind) for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")]
    status = {"phase": "Running", "conditions": conditions, "hostIP": "10.0.0.1", "podIP": "10.1.0.1"}
    return _pod(key, status | {"startTime": _SINCE} | _containers(_RUNNING, _RUNNING))


def evicted(key: Task) -> dict[str, Any]:
    """Ended by its node; nobody has written a row."""
    message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi."
    status = {"phase": "Failed", "reason": "Evicted", "message": message, "startTime": _SINCE}
    return _pod(key, status | _containers(_KILLED, _KILLED))


def _pod(key: Task, status: dict[str, Any]) -> dict[str, Any]:
    pod = manifest.pod(key, _PAYLOAD, _SETTINGS)
    return pod | {"spec": pod["spec"] | {"nodeName": "node-1"}, "status": status}


def _condition(kind: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": _SINCE}


def _containers(source: dict[str, Any], sidecar: dict[str, Any]) -> dict[str, Any]:
    def container(name: str, state: dict[str, Any]) -> dict[str, Any]:
        image = {"image": _SIDECAR, "imageID": "sha256:" + "a" * 64}
        known = {"containerID": "containerd://" + "b" * 64, "ready": True, "started": True, "restartCount": 0}
        return {"name": name, "state": state, "lastState": {}} | image | known

    return {
        "containerStatuses": [container("sidecar", sidecar), container("source", source)],
    }
