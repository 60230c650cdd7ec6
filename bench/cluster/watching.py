"""Objects of the cluster as they change, each with the time at which this machine hears of it."""

import json
import subprocess
import threading
import time
from typing import Any, Self

from msgspec import Struct

from tests.cluster import kube

_CONNECT_SECONDS = 0.5
"""kubectl takes a part of it to connect; what has happened since is sent then, and would be heard late."""


class Change(Struct, frozen=True):
    """What was heard: at which Unix time, ADDED, MODIFIED or DELETED, and the object."""

    at: float
    type: str
    object: dict[str, Any]


class Watch:
    """All changes of a kind (`pods`, `events`) in the tasks' namespace while it is entered."""

    def __init__(self, kind: str) -> None:
        self._path = f"/api/v1/namespaces/{kube.TASKS}/{kind}"
        self._changes: list[Change] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        version = json.loads(kube.observe("get", "--raw", self._path))["metadata"]["resourceVersion"]
        path = f"{self._path}?watch=true&resourceVersion={version}"
        self._process = subprocess.Popen(["kubectl", "get", "--raw", path], stdout=subprocess.PIPE)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        time.sleep(_CONNECT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()

    @property
    def changes(self) -> list[Change]:
        """What was heard until now."""
        with self._lock:
            return list(self._changes)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                change = json.loads(line)
                with self._lock:
                    self._changes.append(Change(time.time(), change["type"], change["object"]))


def deleted(pods: Watch, task_id: str) -> list[Change]:
    """All changes of a task's pod, once it is gone."""

    def look() -> list[Change] | None:
        found = [one for one in pods.changes if one.object["metadata"]["annotations"].get("TaskID") == task_id]
        return found if found and found[-1].type == "DELETED" else None

    return kube.wait_for(f"the pod of task {task_id} is gone", look, 60)


def has_ended(pod: dict[str, Any]) -> bool:
    """Whether the kubelet reports all containers ended."""
    states = [container["state"] for container in pod["status"].get("containerStatuses", [])]
    return bool(states) and all("terminated" in state for state in states)
