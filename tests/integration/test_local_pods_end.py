"""How local pods end: deleted, out of memory, past their deadline, with all that they started."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from common.errors import ClusterUnavailable
from embedded.pods import processes
from embedded.pods.cluster import LocalCluster
from tests.support import local_pods as small

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
POLITE = "trap 'echo got TERM; exit 143' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with small.opened(tmp_path) as opened:
        yield opened


def ready(cluster: LocalCluster, *containers: str) -> None:
    """Waits until the containers have printed something."""
    small.eventually(lambda: all(small.log(cluster, name) for name in containers))


def uid(cluster: LocalCluster) -> str:
    """The pod's uid."""
    pod = cluster.get_pod("p")
    assert pod is not None
    return str(pod.uid)


def test_delete_asks_before_it_kills(cluster: LocalCluster, tmp_path: Path) -> None:
    """Deletion sends TERM to each container's main process, long before the grace period ends."""
    witness = tmp_path / "witness"
    script = f"trap 'echo $0 >> {witness}; exit 143' TERM; echo ready; while :; do sleep 0.1; done"
    cluster.create_pod(small.pod(source=script, sidecar=script))
    ready(cluster, "source", "sidecar")
    cluster.delete_pod("p", uid(cluster), 600)
    small.eventually(lambda: cluster.get_pod("p") is None)
    assert len(witness.read_text().splitlines()) == 2


def test_delete_kills_after_the_grace_period(cluster: LocalCluster) -> None:
    """What ignores TERM is killed; until then the pod is there, with its deletionTimestamp."""
    token = small.token()
    cluster.create_pod(small.pod(source=f"sleep {token} & {STUBBORN}", sidecar=POLITE))
    ready(cluster, "source", "sidecar")
    pod_uid = uid(cluster)
    cluster.delete_pod("p", pod_uid, 600)
    small.eventually(lambda: "terminated" in small.state(small.status(cluster), "sidecar"))
    pod = cluster.get_pod("p")
    assert pod is not None
    assert pod.is_ending
    assert pod.status.phase == "Running"
    assert small.running(token)
    cluster.delete_pod("p", pod_uid, 0)  # shortens the grace period
    small.eventually(lambda: cluster.get_pod("p") is None)
    assert not small.running(token)


@pytest.mark.fault(8)
def test_delete_of_another_uid_or_of_none_does_nothing(cluster: LocalCluster) -> None:
    """A late delete never hits a newer pod of the same name."""
    cluster.create_pod(small.pod(source=POLITE))
    ready(cluster, "source")
    cluster.delete_pod("p", "another", 0)
    cluster.delete_pod("absent", "x", 0)
    pod = cluster.get_pod("p")
    assert pod is not None
    assert not pod.is_ending
    small.eventually(lambda: small.phase(cluster) == "Running")


def test_delete_while_waiting_for_a_secret(cluster: LocalCluster) -> None:
    """A pod that has not started can be deleted at once."""
    created = cluster.create_pod(small.pod(secret="never"))
    cluster.delete_pod("p", created.uid, 600)
    small.eventually(lambda: cluster.get_pod("p") is None)


def test_a_name_can_be_used_again_after_deletion(cluster: LocalCluster) -> None:
    """A deleted pod frees its name, with nothing of the old one in the new one."""
    first = cluster.create_pod(small.pod(source="echo one"))
    small.ended(cluster)
    cluster.delete_pod("p", first.uid, 600)
    small.eventually(lambda: cluster.get_pod("p") is None)
    second = cluster.create_pod(small.pod(source="echo two"))
    small.ended(cluster)
    assert second.uid != first.uid
    assert small.log(cluster) == "two\n"


def test_read_only_folders_of_a_connector_are_deleted(cluster: LocalCluster, tmp_path: Path) -> None:
    """A folder that a connector made unwritable does not outlive the pod."""
    created = cluster.create_pod(small.pod(source="mkdir -p a/b; touch a/b/c; chmod 500 a/b a"))
    small.ended(cluster)
    cluster.delete_pod("p", created.uid, 0)
    small.eventually(lambda: list((tmp_path / "state" / "pods").iterdir()) == [])


@pytest.mark.parametrize("how", ["sleep", "setsid sleep", "env -i setsid sleep", "setsid sh -c 'sleep {} & wait' #"])
def test_forgotten_children_go_with_their_container(cluster: LocalCluster, how: str) -> None:
    """When a container's main process ends all else in it is killed, though it holds a pipe open."""
    token = small.token()
    child = how.format(token) if "{}" in how else f"{how} {token}"
    source = f"echo $MOUNT_PIPES; ( {child}\n ) > $MOUNT_PIPES/stdout &\n while ! [ -e $MOUNT_PIPES/seen ]; do sleep 0.05; done"
    sidecar = "cat < $MOUNT_PIPES/stdout; echo end"
    cluster.create_pod(small.pod(init="mkfifo $MOUNT_PIPES/stdout", source=source, sidecar=sidecar))
    small.eventually(lambda: small.running(token))
    Path(small.eventually(lambda: small.log(cluster)).strip(), "seen").touch()
    status = small.ended(cluster)
    assert status["phase"] == "Succeeded", status
    assert small.log(cluster, "sidecar") == "end\n"
    assert not small.running(token)


def test_other_containers_stay_when_one_ends(cluster: LocalCluster) -> None:
    """Ending one container's strays leaves the other container's background processes alone."""
    token = small.token()
    orphan = f"( setsid sleep {token} & ); touch $MOUNT_PIPES/up; sleep 1000"
    source = "until [ -e $MOUNT_PIPES/up ]; do sleep 0.05; done; ( setsid sleep 1000 & )"
    cluster.create_pod(small.pod(source=source, sidecar=orphan))
    small.eventually(lambda: "terminated" in small.state(small.status(cluster), "source"))
    assert small.running(token)
    assert small.phase(cluster) == "Running"


def test_out_of_memory(cluster: LocalCluster) -> None:
    """A container over its memory limit is killed as a whole, and the status says why."""
    token = small.token()
    hungry = f"sleep {token} & {sys.executable} -c 'x = bytearray(300 << 20); input()' < $MOUNT_PIPES/never"
    cluster.create_pod(
        small.pod(init="mkfifo $MOUNT_PIPES/never", source=f"exec 3<> $MOUNT_PIPES/never; {hungry}", memory="200Mi")
    )
    ended = small.state(small.ended(cluster), "source")["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert not small.running(token)


def test_shared_memory_counts_once() -> None:
    """Forked workers that share their parent's memory do not count as several times as much."""
    program = (
        "import os, sys\nx = b'x' * (100 << 20)\n"
        "for _ in range(3):\n    if not os.fork(): break\n"
        "print('ready', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        pids = [process.pid, *processes.descendants(process.pid)]
        assert len(pids) == 4
        assert sum(psutil.Process(pid).memory_info().rss for pid in pids) > 390 << 20
        assert processes.memory_bytes(pids, limit=250 << 20) < 250 << 20
        process.communicate()


def test_deadline(cluster: LocalCluster) -> None:
    """A pod past its activeDeadlineSeconds is ended with the reason that Kubernetes gives."""
    cluster.create_pod(
        small.pod(source=STUBBORN, sidecar=POLITE, activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)
    )
    status = small.ended(cluster)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert small.state(status, "source")["terminated"]["exitCode"] == 137


def test_close_ends_all_pods_in_order(tmp_path: Path) -> None:
    """Closing sends TERM, kills the stubborn, waits for all, and leaves pods that say what happened."""
    tokens = [small.token(), small.token()]
    with small.opened(tmp_path) as cluster:
        cluster.create_pod(small.pod("p", source=f"setsid sleep {tokens[0]} & {POLITE}", sidecar=POLITE))
        cluster.create_pod(small.pod("q", source=f"setsid sleep {tokens[1]} & {STUBBORN}", sidecar="exit 0"))
        small.eventually(lambda: small.log(cluster) and small.log(cluster, name="q"))
        ready(cluster, "sidecar")
        cluster.close(grace_seconds=0.5)
        assert not any(map(small.running, tokens))
        assert small.log(cluster, "sidecar").endswith("got TERM\n")
        for name in ("p", "q"):
            status = small.status(cluster, name)
            assert (status["phase"], status["reason"]) == ("Failed", "NodeShutdown")
            assert "edition was stopped" in status["message"]
        with pytest.raises(ClusterUnavailable, match="stopping"):
            cluster.create_pod(small.pod("r"))
    with small.opened(tmp_path) as cluster:  # what it left can be concluded later
        assert small.status(cluster, "q")["reason"] == "NodeShutdown"


def test_signals_meant_for_everybody_leave_the_order_to_the_owner(cluster: LocalCluster) -> None:
    """A TERM to the runner and its supervisors, as a service manager sends it, ends no container."""
    cluster.create_pod(small.pod(source=POLITE, sidecar=POLITE))
    ready(cluster, "source", "sidecar")
    ours = small.marked({uid(cluster)}, "python")
    assert len(ours) == 3
    # A shell's child is called as the shell is until it has become `sleep`; the containers' own are children of ours.
    mains = {child.pid for pid in ours for child in psutil.Process(pid).children()} - ours
    assert len(mains) == 2
    for pid in ours:
        psutil.Process(pid).send_signal(signal.SIGTERM)
    before = time.monotonic()
    small.eventually(lambda: time.monotonic() > before + 0.3)
    assert mains <= small.marked({uid(cluster)})
    assert small.phase(cluster) == "Running"
    assert "got TERM" not in small.log(cluster)
