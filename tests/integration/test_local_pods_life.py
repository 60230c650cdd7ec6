"""A pod's life as local processes: from its Secret to its exit codes, as Kubernetes would report it."""

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.cluster import Cluster
from common.errors import Conflict, Refused
from embedded.pods.cluster import LocalCluster
from embedded.pods.images import Images
from tests.support import local_pods as small


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with small.opened(tmp_path) as opened:
        yield opened


def test_three_containers_work_together_through_pipes(tmp_path: Path) -> None:
    """The connector's rows reach the sidecar through init's pipes, and the pod succeeds."""
    connector = tmp_path / "connector.sh"
    connector.write_text('printf "row for %s\\n" "$1"; echo "a problem" >&2')
    images = Images(cache=str(tmp_path / "cache"), local_images={"test/source": f"sh {connector}"})
    source = (
        'eval "$AIRBYTE_ENTRYPOINT read" 2> $MOUNT_PIPES/stderr > $MOUNT_PIPES/stdout; echo $? > $MOUNT_PIPES/exit-code'
    )
    sidecar = 'exec 3< $MOUNT_PIPES/stderr; cat < $MOUNT_PIPES/stdout; sed "s/^/err: /" <&3'
    with small.opened(tmp_path, images=images) as cluster:
        typed: Cluster = cluster
        created = typed.create_pod(small.pod(init=small.PIPES, source=source, sidecar=sidecar))
        assert created.uid
        assert created.metadata.creation_timestamp
        assert created.status.phase == "Pending"
        status = small.ended(cluster)
        assert status["phase"] == "Succeeded", status
        assert small.log(cluster, "sidecar") == "row for read\nerr: a problem\n"
        for container in ("init", "source", "sidecar"):
            done = small.state(status, container)["terminated"]
            assert (done["exitCode"], done["reason"]) == (0, "Completed")
            assert done["startedAt"] <= done["finishedAt"]


def test_the_end_of_a_pod_is_told_at_once(tmp_path: Path) -> None:
    """Once, when its status is final: nobody has to look for it every second."""
    told = threading.Event()
    with small.opened(tmp_path, on_end=told.set) as cluster:
        cluster.create_pod(small.pod(source="exit 0", sidecar="exit 0"))
        assert told.wait(60)
        pod = cluster.get_pod("p")
        assert pod is not None
        assert pod.status.phase == "Succeeded"


def test_exit_codes_are_reported(cluster: LocalCluster) -> None:
    """A container's exit code and the signal that ended one are in the status, and the pod is Failed."""
    cluster.create_pod(small.pod(source="echo why >&2; exit 7", sidecar="kill -9 $$$$"))
    status = small.ended(cluster)
    assert status["phase"] == "Failed"
    source = small.state(status, "source")["terminated"]
    sidecar = small.state(status, "sidecar")["terminated"]
    assert (source["exitCode"], source["reason"]) == (7, "Error")
    assert (sidecar["exitCode"], sidecar["reason"], sidecar["signal"]) == (137, "Error", 9)
    assert small.log(cluster) == "why\n"


@pytest.mark.fault(36)
def test_failed_init_fails_the_pod(cluster: LocalCluster) -> None:
    """Where init fails nothing else starts, and its log is kept."""
    cluster.create_pod(small.pod(init="echo broken; exit 3", source="echo never"))
    status = small.ended(cluster)
    assert status["phase"] == "Failed"
    assert small.state(status, "init")["terminated"]["exitCode"] == 3
    assert "waiting" in small.state(status, "source")
    assert small.log(cluster, "init") == "broken\n"
    assert small.log(cluster) == ""


def test_running_while_one_container_goes_on(cluster: LocalCluster) -> None:
    """A pod of which one container ended is still Running, and says both."""
    cluster.create_pod(small.pod(source="exit 4", sidecar="sleep 1000"))
    small.eventually(lambda: "terminated" in small.state(small.status(cluster), "source"))
    small.eventually(lambda: "running" in small.state(small.status(cluster), "sidecar"))
    assert small.phase(cluster) == "Running"
    assert small.state(small.status(cluster), "sidecar")["running"]["startedAt"]


def test_pod_waits_for_its_secret(cluster: LocalCluster) -> None:
    """A Secret made after its pod is waited for, then mounted and put into variables."""
    env = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}}]
    source = 'cat $MOUNT_CONFIG/config.json; printf "%s" "$PASSWORD"'
    init = "cp $MOUNT_CONFIGMAP/* $MOUNT_CONFIG/"
    created = cluster.create_pod(small.pod(init=init, source=source, env=env, secret="s"))
    waiting = small.eventually(lambda: small.state(small.status(cluster), "init")["waiting"].get("message"))
    assert "the Secret s" in waiting
    assert small.state(small.status(cluster), "init")["waiting"]["reason"] == "ContainerCreating"
    cluster.create_secret(small.secret("s", created, config='{"a":1}', password="/pipes $(X) $$"))
    assert small.ended(cluster)["phase"] == "Succeeded"
    assert small.log(cluster) == '{"a":1}/pipes $(X) $$'


@pytest.mark.fault(34)
def test_missing_key_is_named(cluster: LocalCluster) -> None:
    """A variable from a key that the Secret lacks keeps the container waiting, with the key's name."""
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "absent"}}}]
    created = cluster.create_pod(small.pod(env=env))
    cluster.create_secret(small.secret("s", created, config="x"))
    small.eventually(lambda: "Config" in small.state(small.status(cluster), "source")["waiting"]["reason"])
    waiting = small.state(small.status(cluster), "source")["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert "absent" in waiting["message"]
    assert small.phase(cluster) == "Pending"


def test_secrets_are_private_and_go_with_their_pod(cluster: LocalCluster, tmp_path: Path) -> None:
    """Nobody else can read what a pod is given, and nothing of it remains after the pod."""
    created = cluster.create_pod(small.pod(source="sleep 1000", secret="s"))
    cluster.create_secret(small.secret("s", created, config="hush"))
    cluster.create_secret(small.secret("other", config="stays"))
    small.eventually(lambda: small.phase(cluster) == "Running")
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file() and b"hush" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    cluster.delete_pod("p", created.uid, 0)
    small.eventually(lambda: cluster.get_pod("p") is None)
    small.eventually(lambda: list((tmp_path / "state" / "pods").iterdir()) == [])
    assert [path.name for path in (tmp_path / "state" / "secrets").iterdir()] == ["other"]


def test_secret_of_a_pod_that_is_gone_is_not_kept(cluster: LocalCluster, tmp_path: Path) -> None:
    """A Secret that comes after its pod's end leaks nothing."""
    created = cluster.create_pod(small.pod())
    cluster.delete_pod("p", created.uid, 0)
    small.eventually(lambda: cluster.get_pod("p") is None)
    cluster.create_secret(small.secret("s", created, config="x"))
    assert list((tmp_path / "state" / "secrets").iterdir()) == []


def test_names_are_taken_once(cluster: LocalCluster) -> None:
    """A second pod or Secret of the same name is a Conflict, and the first one goes on."""
    first = cluster.create_pod(small.pod(source="sleep 1000"))
    cluster.create_secret(small.secret("s", config="x"))
    with pytest.raises(Conflict, match="p exists"):
        cluster.create_pod(small.pod())
    with pytest.raises(Conflict, match="s exists"):
        cluster.create_secret(small.secret("s", config="y"))
    assert [found.uid for found in cluster.list_pods()] == [first.uid]


@pytest.mark.parametrize("name", ["../up", "A", ".new-x", "a/b", ""])
def test_names_that_lead_elsewhere_are_refused(cluster: LocalCluster, name: str) -> None:
    """A pod's name is a folder's name: nothing else passes, and looking one up finds nothing."""
    with pytest.raises(Refused):
        cluster.create_pod(small.pod(name))
    assert cluster.get_pod(name) is None
    assert cluster.read_log(name, "source", 10) == b""


def test_only_our_pods_are_listed(cluster: LocalCluster) -> None:
    """A pod without our label is not in the list."""
    other = small.pod("other")
    other["metadata"]["labels"] = {}
    cluster.create_pod(other)
    cluster.create_pod(small.pod("ours"))
    assert [found.name for found in cluster.list_pods()] == ["ours"]
    assert cluster.get_pod("other") is not None


def test_containers_see_a_clean_environment(cluster: LocalCluster) -> None:
    """Nothing of the owner's environment leaks into a container, and its working directory is empty."""
    cluster.create_pod(
        small.pod(source='env | sort; ls -A "$HOME" "$TMPDIR" .; pwd', env=[{"name": "A", "value": "b"}])
    )
    assert small.ended(cluster)["phase"] == "Succeeded"
    lines = small.log(cluster).splitlines()
    names = {line.partition("=")[0] for line in lines if "=" in line}
    ours = {"A", "AIRBYTE_ENTRYPOINT", "EMBEDDED_POD_UID", "MOUNT_CONFIG", "MOUNT_PIPES"}
    assert names == ours | {"HOME", "LANG", "PATH", "PWD", "TMPDIR"}
    assert lines[-1].endswith("/containers/source/work")
    assert "SECRET_OF_THE_OWNER" not in small.log(cluster)


def test_folder_with_blanks_and_quotes(tmp_path: Path) -> None:
    """Scripts find the volumes by variables, and variables of paths are moved, wherever the embedded edition lives."""
    source = 'cat "$MOUNT_CONFIG/words" > "$MOUNT_PIPES/out"; echo "$EXIT_CODE_FILE"'
    init = 'echo hello > "$MOUNT_CONFIG/words"; echo there > "$MOUNT_PIPES/out"'
    env = [{"name": "EXIT_CODE_FILE", "value": "/pipes/out"}]
    with small.opened(tmp_path / "it's my $HOME; folder") as cluster:
        cluster.create_pod(small.pod(init=init, source=source, env=env))
        assert small.ended(cluster)["phase"] == "Succeeded", small.log(cluster)
        assert Path(small.log(cluster).strip()).read_text() == "hello\n"


def test_log_keeps_its_newest_lines(cluster: LocalCluster) -> None:
    """A chatty container does not fill the disk, and its last lines are what a reader gets."""
    cluster.create_pod(small.pod(source="seq 1 3000000; printf 'last \\377'"))
    assert small.ended(cluster)["phase"] == "Succeeded"
    assert cluster.read_log("p", "source", 2) == b"3000000\nlast \xff"
    assert len(cluster.read_log("p", "source", 10**9)) <= 10 * 1024 * 1024
    assert cluster.read_log("p", "absent", 2) == b""


def test_sidecar_image_without_command_is_our_module(cluster: LocalCluster) -> None:
    """The sidecar's image stands for `python -m sidecar` of the same Python."""
    made = small.pod()
    del made["spec"]["containers"][1]["command"]
    made["spec"]["containers"][1]["env"] = [{"name": "PYTHONVERBOSE", "value": "1"}]
    cluster.create_pod(made)
    small.ended(cluster)
    assert "import 'sidecar'" in small.log(cluster, "sidecar", lines=100_000)


def test_command_that_does_not_exist(cluster: LocalCluster) -> None:
    """A container whose program is missing ends with a reason instead of hanging."""
    made = small.pod()
    made["spec"]["containers"][0]["command"] = ["/no/such/program"]
    cluster.create_pod(made)
    ended = small.state(small.ended(cluster), "source")["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "/no/such/program" in ended["message"]
