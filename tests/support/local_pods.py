"""Small pods for the tests of embedded.pods, and ways to look at what they leave."""

import base64
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from common.cluster.objects import Pod
from embedded.pods.cluster import LocalCluster
from embedded.pods.images import Images
from embedded.pods.launch import MARKER

T = TypeVar("T")

SIDECAR_IMAGE = "test/sidecar:1"
SOURCE_IMAGE = "test/source:1"
LABELS = {"jitsu.com/creator": "bulker-sync-controller"}
PIPES = "mkfifo $MOUNT_PIPES/stdout $MOUNT_PIPES/stderr"


def eventually(look: Callable[[], T], seconds: float = 30.0) -> T:
    """What `look` gives as soon as it is something; fails if it never is."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds} s: {look}"
        time.sleep(0.02)
    return found


def environment(**more: str) -> dict[str, str]:
    """What an owner would pass on."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "SECRET_OF_THE_OWNER": "x", **more}


@contextmanager
def opened(folder: Path, *, images: Images | None = None, **options: Any) -> Iterator[LocalCluster]:
    """A cluster that leaves no process of its pods behind."""
    known = images or Images(cache=str(folder / "cache"), local_images={"test/source": "true"})
    cluster = LocalCluster(folder / "state", known, SIDECAR_IMAGE, environment(), **options)
    try:
        yield cluster
        uids = {pod.uid for pod in cluster.list_pods()}
    finally:
        cluster.close(grace_seconds=0.2)
    assert not marked(uids)


def pod(
    name: str = "p",
    *,
    init: str = "true",
    source: str = "true",
    sidecar: str = "true",
    memory: str = "1Gi",
    env: list[dict[str, Any]] | None = None,
    secret: str = "",
    image: str = SOURCE_IMAGE,
    **spec: Any,
) -> dict[str, Any]:
    """A pod of three shell scripts; `env` is the source's, `secret` is mounted into init."""
    mounts = [{"name": "pipes", "mountPath": "/pipes"}, {"name": "config", "mountPath": "/config"}]
    volumes: list[dict[str, Any]] = [{"name": "pipes", "emptyDir": {}}, {"name": "config", "emptyDir": {}}]
    init_mounts = list(mounts)
    if secret:
        items = [{"key": "config", "path": "config.json"}]
        volumes.append({"name": "configmap", "secret": {"secretName": secret, "items": items}})
        init_mounts.append({"name": "configmap", "mountPath": "/configmap"})
    limits = {"resources": {"limits": {"cpu": "1", "memory": memory}}}

    def container(kind: str, image: str, script: str, mounts: list[dict[str, Any]]) -> dict[str, Any]:
        own = {"name": kind, "image": image, "command": ["sh", "-c", script], "volumeMounts": mounts}
        return own | limits | ({"env": env} if env and kind == "source" else {})

    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(LABELS), "annotations": {"TaskID": "t"}},
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [container("init", SIDECAR_IMAGE, init, init_mounts)],
            "containers": [
                container("source", image, source, mounts),
                container("sidecar", SIDECAR_IMAGE, sidecar, mounts),
            ],
            "volumes": volumes,
            **spec,
        },
    }


def secret(name: str, owner: Pod | None = None, **values: str) -> dict[str, Any]:
    """A Secret, owned by a created pod."""
    owners = [] if owner is None else [{"kind": "Pod", "name": owner.name, "uid": owner.uid}]
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"name": name, "labels": dict(LABELS), "ownerReferences": owners}, "data": data}


def status(cluster: LocalCluster, name: str = "p") -> dict[str, Any]:
    """The pod's status as its runner wrote it; the pod has to exist."""
    assert cluster.get_pod(name) is not None
    found: dict[str, Any] = json.loads((cluster._pods / name / "status.json").read_bytes())
    return {"phase": "Pending"} | found  # the default is left out


def phase(cluster: LocalCluster, name: str = "p") -> str:
    """The pod's phase."""
    return str(status(cluster, name)["phase"])


def ended(cluster: LocalCluster, name: str = "p") -> dict[str, Any]:
    """The status once the pod has ended."""
    eventually(lambda: phase(cluster, name) in {"Succeeded", "Failed"})
    return status(cluster, name)


def state(status: Mapping[str, Any], container: str) -> dict[str, Any]:
    """A container's state."""
    every = [*status["initContainerStatuses"], *status["containerStatuses"]]
    return next(dict(c["state"]) for c in every if c["name"] == container)


def log(cluster: LocalCluster, container: str = "source", lines: int = 1000, name: str = "p") -> str:
    """What a container printed."""
    return cluster.read_log(name, container, lines).decode()


def token() -> str:
    """A number of seconds to sleep that no other process on this machine has on its command line."""
    return f"1000.{uuid.uuid4().int % 10**15:015d}"


def running(token: str) -> set[int]:
    """The processes with `token` among their arguments; shells that merely hold it in a script do not count."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if token in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
    return found


def marked(uids: set[str], named: str = "") -> set[int]:
    """The processes of pods, or those of them whose program's name has a word in it."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            ours = process.environ().get(MARKER) in uids and named in process.name()
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
    return found


def own(folder: str, source: str) -> None:
    """Owns a cluster with one pod until it is killed; the main program of a process that tests kill."""
    with opened(Path(folder)) as cluster:
        cluster.create_pod(pod(source=source, sidecar="sleep 1000"))
        eventually(lambda: phase(cluster) == "Running")
        sys.stdout.write("running\n")
        sys.stdout.flush()
        sys.stdin.read()
