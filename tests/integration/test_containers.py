"""Real containers by podman or docker, where one of them works: a connector's image in a pod of processes."""

import io
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from embedded.containers import runtime
from embedded.pods.cluster import LocalCluster
from embedded.pods.images import Images
from tests.support import local_pods as small

IMAGE = "localhost/sync-functions-test:1"
_PROGRAMS = ("sh", "cat", "sleep", "id", "head", "tail")


def _program() -> str:
    """The first that runs containers here; "" without one."""
    for name in ("podman", "docker"):
        found = shutil.which(name)
        if found and subprocess.run([found, "info"], capture_output=True, check=False).returncode == 0:
            return found
    return ""


PROGRAM = _program()
pytestmark = [
    pytest.mark.skipif(not PROGRAM, reason="neither podman nor docker works here"),
    pytest.mark.xdist_group("containers"),
]


@pytest.fixture(scope="module", autouse=True)
def image() -> None:
    """An image of a few programs of this machine, as no registry may be at hand."""
    files = {f"bin/{name}": Path(str(shutil.which(name))).resolve() for name in _PROGRAMS}
    for program in list(files.values()):
        libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        files |= {word[1:]: Path(word).resolve() for word in libraries.split() if word.startswith("/")}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, path in files.items():
            tar.add(path, name)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    change = ("--change", "ENV AIRBYTE_ENTRYPOINT=/bin/mine", "--change", "ENV PATH=/bin")
    subprocess.run([PROGRAM, "import", *change, "-", IMAGE], input=archive.getvalue(), capture_output=True, check=True)


@contextmanager
def cluster(folder: Path) -> Iterator[LocalCluster]:
    environment = dict(os.environ)  # noqa: TID251 - the program's own settings
    images = Images(cache=str(folder / "cache"), local_images={"own/mapped": "echo mapped"}, runtime=PROGRAM)
    running = LocalCluster(folder / "state", images, small.SIDECAR_IMAGE, environment, install_pause_seconds=0.2)
    try:
        yield running
    finally:
        running.close(grace_seconds=0.2)
    assert not _containers()


def _containers() -> list[str]:
    command = [PROGRAM, "ps", "--all", "--quiet", "--filter", f"label={runtime.LABEL}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def _run(folder: Path, source: str, **options: Any) -> tuple[dict[str, Any], str]:
    with cluster(folder) as running:
        running.create_pod(small.pod(source=source, image=IMAGE, **options))
        found = small.ended(running)
        return found, small.log(running)


def test_the_image_runs_with_the_pods_volumes(tmp_path: Path) -> None:
    """At the paths of the manifest, as the account that owns them; with the image's own variables."""
    init = 'echo {} > "$MOUNT_CONFIG/config.json"'
    script = 'cat /config/config.json; echo "$AIRBYTE_ENTRYPOINT $GIVEN"; id -u; echo made > /pipes/made'
    env = [{"name": "GIVEN", "value": "by $(NOBODY) pod"}, {"name": "HOME", "value": "/tmp"}]
    sidecar = 'while [ ! -e "$MOUNT_PIPES/made" ]; do sleep 0.05; done'
    found, log = _run(tmp_path, script, init=init, sidecar=sidecar, env=env)
    assert log.splitlines() == ["{}", "/bin/mine by $(NOBODY) pod", str(os.getuid())]
    assert found["phase"] == "Succeeded"


def test_its_exit_code_is_the_containers(tmp_path: Path) -> None:
    """Whatever the program's own would be."""
    found, _ = _run(tmp_path, "exit 7")
    assert small.state(found, "source")["terminated"]["exitCode"] == 7


def test_it_is_asked_to_end_and_then_killed(tmp_path: Path) -> None:
    """SIGTERM reaches process 1 of the container; nothing is left of it, however the pod ends."""
    with cluster(tmp_path) as running:
        trap = "trap 'echo asked' TERM; echo up; while :; do sleep 0.1; done"
        created = running.create_pod(small.pod(source=trap, image=IMAGE))
        small.eventually(lambda: "up" in small.log(running))
        running.delete_pod(created.name, created.uid, grace_seconds=1)
        small.eventually(lambda: "asked" in small.log(running) or running.get_pod("p") is None)
        small.eventually(lambda: running.get_pod("p") is None)
        assert not _containers()


@pytest.mark.fault(393)
def test_a_crash_leaves_no_container(tmp_path: Path) -> None:
    """The runner of a pod is killed: the cluster removes its container."""
    with cluster(tmp_path) as running:
        created = running.create_pod(small.pod(source="echo up; sleep 1000", image=IMAGE))
        small.eventually(lambda: "up" in small.log(running))
        os.kill(running._runners._processes[created.name].pid, signal.SIGKILL)
        assert small.ended(running)["reason"] == "NodeLost"
        small.eventually(lambda: not _containers())


def test_its_memory_is_limited(tmp_path: Path) -> None:
    """By the runtime; not each one then tells that it was the memory."""
    found, _ = _run(tmp_path, "head -c 400000000 /dev/zero | tail -c 400000000 > /dev/null", memory="64Mi")
    ended = small.state(found, "source")["terminated"]
    assert ended["exitCode"] == 128 + signal.SIGKILL
    assert ended["reason"] in {"OOMKilled", "Error"}


@pytest.mark.fault(394)
def test_an_image_that_nobody_has_is_not_pulled(tmp_path: Path) -> None:
    """The program's words name the image; a mapped one runs its command as ever."""
    with cluster(tmp_path) as running:
        running.create_pod(small.pod(image="localhost/sync-functions-no-such:1"))

        def refused() -> bool:
            waiting = small.state(small.status(running), "source").get("waiting") or {}
            return "cannot pull localhost/sync-functions-no-such:1: " in waiting.get("message", "")

        small.eventually(refused)
        running.create_pod(small.pod("mapped", image="own/mapped:1", source='eval "$AIRBYTE_ENTRYPOINT"'))
        small.ended(running, "mapped")
        assert small.log(running, name="mapped") == "mapped\n"
