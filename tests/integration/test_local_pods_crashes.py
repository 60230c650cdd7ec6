"""After any crash nothing of a local pod goes on, and the pod says what happened."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from common.errors import SettingsError
from embedded.pods.cluster import LocalCluster
from embedded.pods.images import Images
from tests.support import local_pods as small


@contextmanager
def owner(folder: Path, source: str) -> Iterator[subprocess.Popen[str]]:
    """A process that owns a cluster with one running pod."""
    program = "import sys; from tests.support.local_pods import own; own(sys.argv[1], sys.argv[2])"
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder), source],
        cwd=root,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            yield process
        finally:
            process.kill()


def recorded(folder: Path) -> list[int]:
    """The pids of runner, supervisors and main processes."""
    content: list[dict[str, Any]] = json.loads((folder / "state/pods/p/processes.json").read_bytes())
    return [identity["pid"] for identity in content]


def pod_on_disk(folder: Path) -> dict[str, Any]:
    """The pod as its files have it."""
    pod: dict[str, Any] = json.loads((folder / "state/pods/p/pod.json").read_bytes())
    return pod


def test_owner_killed(tmp_path: Path) -> None:
    """When the owner is killed its pods' processes end too; the next owner finds a failed pod."""
    token = small.token()
    with owner(tmp_path, f"trap '' TERM; env -i setsid sleep {token} & sleep 1000") as process:
        small.eventually(lambda: small.running(token))
        uid = pod_on_disk(tmp_path)["metadata"]["uid"]
        assert small.marked({uid})
        process.kill()
        process.wait()
        small.eventually(lambda: not small.running(token) and not small.marked({uid}))
    with small.opened(tmp_path) as cluster:
        status = small.status(cluster)
        assert (status["phase"], status["reason"]) == ("Failed", "NodeLost")
        assert "crash or restart" in status["message"]
        assert "containerStatuses" not in status
        cluster.delete_pod("p", uid, 30)
        assert cluster.get_pod("p") is None


@pytest.mark.fault(84)
def test_owner_and_all_our_processes_killed(tmp_path: Path) -> None:
    """Even with every process of ours killed at once, the next owner ends what they looked after."""
    token = small.token()
    with owner(tmp_path, f"setsid sleep {token} & sleep 1000") as process:
        small.eventually(lambda: small.running(token))
        ours = [pid for pid in recorded(tmp_path) if "python" in psutil.Process(pid).name()]
        assert len(ours) == 3
        for pid in [process.pid, *ours]:
            os.kill(pid, signal.SIGSTOP)  # so that none can react to the others' end
        for pid in [process.pid, *ours]:
            os.kill(pid, signal.SIGKILL)
        process.wait()
        assert small.running(token)
    with small.opened(tmp_path) as cluster:
        assert not small.running(token)
        assert not small.marked({pod_on_disk(tmp_path)["metadata"]["uid"]})
        assert small.status(cluster)["reason"] == "NodeLost"


@pytest.mark.fault(27, 86)
def test_runner_killed(tmp_path: Path) -> None:
    """A killed runner counts as a lost node: containers end, also strays without our variables."""
    token = small.token()
    with small.opened(tmp_path) as cluster:
        cluster.create_pod(small.pod(source=f"env -i setsid sleep {token} & sleep 1000", sidecar="sleep 1000"))
        small.eventually(lambda: small.running(token) and small.phase(cluster) == "Running")
        os.kill(recorded(tmp_path)[0], signal.SIGKILL)
        status = small.ended(cluster)
        assert (status["phase"], status["reason"]) == ("Failed", "NodeLost")
        assert "containerStatuses" not in status
        assert not small.running(token)
        pod = cluster.get_pod("p")
        assert pod is not None
        cluster.delete_pod("p", pod.uid, 30)
        small.eventually(lambda: list((tmp_path / "state" / "pods").iterdir()) == [])


def test_runner_killed_while_the_pod_is_deleted(tmp_path: Path) -> None:
    """A deletion is carried out even if the runner dies in the middle of it."""
    with small.opened(tmp_path) as cluster:
        created = cluster.create_pod(small.pod(source="trap '' TERM; while :; do sleep 0.1; done"))
        small.eventually(lambda: small.phase(cluster) == "Running")
        cluster.delete_pod("p", created.uid, 600)
        os.kill(recorded(tmp_path)[0], signal.SIGKILL)
        small.eventually(lambda: cluster.get_pod("p") is None)
        assert not small.marked({created.uid})


@pytest.mark.fault(86)
def test_supervisor_killed(tmp_path: Path) -> None:
    """A container whose supervisor is killed is killed too; the other one goes on."""
    token = small.token()
    with small.opened(tmp_path) as cluster:
        cluster.create_pod(small.pod(source=f"env -i setsid sleep {token} & sleep 1000", sidecar="sleep 1000"))
        small.eventually(lambda: small.running(token) and small.phase(cluster) == "Running")
        (child,) = small.running(token)
        supervisor = next(p for p in psutil.Process(child).parents() if "python" in p.name())
        supervisor.kill()
        small.eventually(lambda: "terminated" in small.state(small.status(cluster), "source"))
        small.eventually(lambda: not small.running(token))
        assert small.state(small.status(cluster), "source")["terminated"]["exitCode"] == 137
        assert "running" in small.state(small.status(cluster), "sidecar")


@pytest.mark.fault(84)
def test_leftovers_are_repaired(tmp_path: Path) -> None:
    """A start ends recorded processes, but never one whose pid was merely reused, and tidies the rest."""
    with small.opened(tmp_path) as cluster:
        done = cluster.create_pod(small.pod("done"))
        doomed = cluster.create_pod(small.pod("doomed"))
        left = cluster.create_pod(small.pod("p"))
        cluster.create_secret(small.secret("owned", left, a="b"))
        cluster.create_secret(small.secret("orphan", doomed, a="b"))
        for name in ("done", "doomed", "p"):
            small.ended(cluster, name)
        secrets = {path: path.read_bytes() for path in (tmp_path / "state/secrets").iterdir()}
    pods = tmp_path / "state" / "pods"
    # An orderly end forgets configurations at once; a crash would have left them.
    assert list((tmp_path / "state/secrets").iterdir()) == []
    assert list(pods.glob("*/volumes")) == []
    for path, content in secrets.items():
        path.write_bytes(content)
    pod = pod_on_disk(tmp_path)
    (pods / "p/status.json").write_text(json.dumps({"phase": "Running", "startTime": "2026-01-02T03:04:05Z"}))
    pod["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    (pods / "doomed/pod.json").write_text(json.dumps(pod))
    (pods / ".new-half").mkdir()
    (pods / "empty").mkdir()
    with subprocess.Popen(["sleep", "1000"]) as stray, subprocess.Popen(["sleep", "1000"]) as stranger:
        records = [
            {"pid": stray.pid, "created": psutil.Process(stray.pid).create_time()},
            {"pid": stranger.pid, "created": psutil.Process(stranger.pid).create_time() - 60},
        ]
        (pods / "p/processes.json").write_text(json.dumps(records))
        with small.opened(tmp_path) as cluster:
            assert stray.wait() == -signal.SIGKILL
            assert stranger.poll() is None
            stranger.kill()
            status = small.status(cluster)
            assert (status["phase"], status["reason"]) == ("Failed", "NodeLost")
            assert status["startTime"] == "2026-01-02T03:04:05Z"
            assert small.phase(cluster, "done") == "Succeeded"
            uids = {found.uid for found in cluster.list_pods()}
            assert uids == {done.uid, left.uid}
            assert sorted(path.name for path in pods.iterdir()) == ["done", "p"]
            assert [path.name for path in (tmp_path / "state/secrets").iterdir()] == ["owned"]


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    """A second owner of the same folder is turned away before it can touch the first one's pods."""
    with small.opened(tmp_path) as cluster:
        cluster.create_pod(small.pod(source="sleep 1000"))
        with pytest.raises(SettingsError, match="already"):
            LocalCluster(tmp_path / "state", Images(cache=""), small.SIDECAR_IMAGE, small.environment())
        small.eventually(lambda: small.phase(cluster) == "Running")
