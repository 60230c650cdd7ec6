"""Sidecar and source of a task pod without an init container, in whatever order they start, stop and start again.

Real processes: the sidecar as its image runs it, and the source's shell, in folders that stand for a pod's volumes.
"""

import contextlib
import gzip
import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.failures import UNPREPARED_EXIT
from common.pods import scripts
from common.protocol.commands import Command
from tests.support import canaries
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.sidecar_process import SidecarProcess, catalog

ROW = json.dumps({"type": "RECORD", "record": {"stream": "plants", "data": {"word": "heath"}, "emitted_at": 1}})
COMPLETE = json.dumps(
    {
        "type": "TRACE",
        "trace": {
            "type": "STREAM_STATUS",
            "emitted_at": 1.5,
            "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"},
        },
    }
)


class Pod:
    """A pod's folders, and its two containers as processes, which a test starts and ends."""

    def __init__(self, folder: Path, sidecar: SidecarProcess) -> None:
        self.folder, self.sidecar = folder, sidecar
        self.pipes, self.config = folder / "pipes", folder / "given"
        self.config.mkdir()
        for left in self.pipes.iterdir():
            left.unlink()
        sidecar.give(catalog=catalog("plants"), config={"api_key": canaries.CONFIG}, state={})
        sidecar.environment |= {
            "PIPES_FOLDER": str(self.pipes),
            "FILES_FOLDER": str(self.config),
            "SOURCE_ALIVE_FILE": str(self.pipes / "alive"),
        }
        self._stack = contextlib.ExitStack()

    def source(
        self, connector: str = "", within: int = 60, shell: str = "sh", **more: str
    ) -> "subprocess.Popen[bytes]":
        """Start the source's container; its connector is a program in shell."""
        program = self.folder / "connector.sh"
        program.write_text(connector or f"cat <<'END'\n{ROW}\n{COMPLETE}\nEND\n")
        environment = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - a child gets the tests' own
            "MOUNT_PIPES": str(self.pipes),
            "MOUNT_CONFIG": str(self.config),
            "AIRBYTE_ENTRYPOINT": f"sh {program}",
        }
        process = subprocess.Popen(
            [shell, "-c", scripts.source(Command.READ, within)],
            env=environment | more,
            start_new_session=True,
            stderr=subprocess.PIPE,
        )
        self._stack.callback(_end, process)
        return process

    def begin_sidecar(self, *launcher: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start the sidecar's container."""
        return self._stack.enter_context(self.sidecar.start(*launcher, **environment))

    def is_ready(self) -> bool:
        """Whether the pipes are there, and no source has begun."""
        return any(self.pipes.glob("ready.*"))

    def close(self) -> None:
        self._stack.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr:
        process.stderr.close()


def _said(process: "subprocess.Popen[bytes]") -> str:
    assert process.stderr
    return process.stderr.read().decode()


def _handles_sigterm(process: "subprocess.Popen[bytes]") -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.fixture
def pod(sidecar: SidecarProcess, tmp_path: Path) -> Iterator[Pod]:
    made = Pod(tmp_path, sidecar)
    try:
        yield made
    finally:
        made.close()


def _succeeds(pod: Pod, sidecar: "subprocess.Popen[bytes]", bulker: FakeBulker) -> None:
    assert sidecar.wait(60) == 0, pod.sidecar.output
    pod.sidecar.sweep()
    assert pod.sidecar.ours["state"] == "SUCCESS", pod.sidecar.ours["reason"]
    assert [row["word"] for bulk in bulker.requests for row in bulk.rows] == ["heath"]


@pytest.mark.fault(781)
@pytest.mark.parametrize("first", ["sidecar", "source"])
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_either_may_start_first(pod: Pod, bulker: FakeBulker, first: str, shell: str) -> None:
    """The kubelet waits for neither: an image may still be pulled."""
    if first == "sidecar":
        sidecar = pod.begin_sidecar()
        wait_for(pod.is_ready, 30, "the pipes")
        source = pod.source(shell=shell)
    else:
        source = pod.source(shell=shell)
        with contextlib.suppress(subprocess.TimeoutExpired):
            source.wait(1)
        assert source.poll() is None
        sidecar = pod.begin_sidecar()
    assert source.wait(60) == 0
    _succeeds(pod, sidecar, bulker)


@pytest.mark.fault(782)
def test_a_sidecar_that_does_not_come_is_named_and_the_connector_does_not_run(pod: Pod) -> None:
    """In words for the user, after no less time than the pod has to start."""
    source = pod.source(f"touch {pod.folder}/ran", within=1)
    assert source.wait(60) == UNPREPARED_EXIT
    said = _said(source)
    assert said.startswith(f"{scripts.NOT_PREPARED} within 1 s.")
    assert "container sidecar" in said
    assert not (pod.folder / "ran").exists()
    assert not (pod.pipes / "exit-code").exists()


@pytest.mark.fault(782)
def test_a_source_that_waits_ends_when_it_is_told_to(pod: Pod) -> None:
    """A shell as process 1 obeys only a signal that it handles: its pod's deletion would take all of its grace."""
    source = pod.source()
    with pytest.raises(subprocess.TimeoutExpired):
        source.wait(1)
    source.terminate()
    assert source.wait(20) == 143


@pytest.mark.fault(781)
def test_a_sleep_that_takes_whole_seconds_alone_is_enough(pod: Pod, bulker: FakeBulker) -> None:
    """POSIX asks for no more of an image's."""
    programs = pod.folder / "bin"
    programs.mkdir()
    whole = programs / "sleep"
    whole.write_text('#!/bin/sh\ncase $1 in *.*) echo "invalid number" >&2; exit 1 ;; esac\nexec /bin/sleep "$1"\n')
    whole.chmod(0o755)
    source = pod.source(PATH=f"{programs}:{os.environ['PATH']}")  # noqa: TID251 - a child gets the tests' own
    sidecar = pod.begin_sidecar()
    assert source.wait(60) == 0
    assert _said(source) == ""
    _succeeds(pod, sidecar, bulker)


@pytest.mark.fault(783)
def test_a_sidecar_that_is_killed_before_the_pipes_are_there_leaves_the_source_waiting(
    pod: Pod, bulker: FakeBulker
) -> None:
    """A sweep deletes such a pod; where the sidecar's container starts again, it makes what is missing."""
    os.mkfifo(pod.sidecar.folder / "config/extra.json")  # the sidecar waits for it before its last step
    source = pod.source()
    sidecar = pod.begin_sidecar()
    wait_for((pod.config / "config.json").exists, 30, "the first file")
    sidecar.kill()
    sidecar.wait(20)
    assert not pod.is_ready()
    assert source.poll() is None
    (pod.sidecar.folder / "config/extra.json").unlink()
    again = pod.begin_sidecar()
    assert source.wait(60) == 0
    _succeeds(pod, again, bulker)


@pytest.mark.fault(71)
def test_nothing_that_an_earlier_life_of_the_pod_has_left_is_believed(pod: Pod) -> None:
    """After a node's restart both containers start on what the first ones left: an exit code of 0 is no success."""
    secret = pod.folder / "secret"
    secret.write_text(canaries.TOKEN)
    for name, content in {"exit-code": "0\n", "exit-code.new": "0\n", "over": "", "alive.new": ""}.items():
        (pod.pipes / name).write_text(content)
    for name in ("alive", "ready.0"):
        os.mkfifo(pod.pipes / name)
    (pod.pipes / "stdout").symlink_to(secret)
    (pod.pipes / "stderr").mkdir()
    (pod.config / "config.json").symlink_to(secret)
    (pod.config / "catalog.json").mkdir()
    sidecar = pod.begin_sidecar()
    wait_for(lambda: pod.is_ready() and not (pod.pipes / "ready.0").exists(), 30, "the pipes")
    for name in ("stdout", "stderr"):
        mode = (pod.pipes / name).lstat().st_mode
        assert (stat.S_ISFIFO(mode), stat.S_IMODE(mode)) == (True, 0o666)
    assert {path.name for path in pod.pipes.iterdir()} - {"stdout", "stderr"} == {
        path.name for path in pod.pipes.glob("ready.*")
    }
    source = pod.source("exit 7")
    assert source.wait(60) == 7
    assert sidecar.wait(60) == 0, pod.sidecar.output
    pod.sidecar.sweep()
    assert pod.sidecar.ours["state"] == "FAILED"
    assert "exit code 7" in pod.sidecar.ours["reason"]
    assert secret.read_text() == canaries.TOKEN
    secret.unlink()


@pytest.mark.fault(784)
def test_a_sidecar_that_starts_again_beside_a_running_source_does_not_go_on(pod: Pod) -> None:
    """What the first one had read, and did not store, is gone: another attempt reads it."""
    first = pod.begin_sidecar()
    pod.source(f"cat <<'END'\n{ROW}\nEND\nsleep 600")
    wait_for(lambda: pod.sidecar.ours["streams"], 60, "the first report")
    first.kill()
    first.wait(20)
    again = pod.begin_sidecar()
    assert again.wait(60) == 0, pod.sidecar.output
    pod.sidecar.sweep()
    ours: dict[str, Any] = pod.sidecar.ours
    assert (ours["state"], ours["failure"]["kind"], ours["failure"]["retryable"]) == ("FAILED", "sidecar_killed", True)
    assert "started again while its source ran" in ours["reason"]


@pytest.mark.fault(784)
def test_a_source_that_starts_again_does_not_begin_again(pod: Pod, bulker: FakeBulker) -> None:
    """Its connector would read twice, into pipes that nobody reads a second time."""
    sidecar = pod.begin_sidecar()
    assert pod.source().wait(60) == 0
    second = pod.source(f"touch {pod.folder}/ran")
    _succeeds(pod, sidecar, bulker)
    assert second.wait(20) == 0
    assert not (pod.folder / "ran").exists()


@pytest.mark.fault(785)
@pytest.mark.parametrize("begins", ["before", "after"])
def test_a_source_whose_sidecar_cannot_prepare_ends_without_a_connector(pod: Pod, begins: str) -> None:
    """A file that cannot be unpacked: the row tells it, and the source does not wait for its whole time."""
    (pod.sidecar.folder / "config/state.json.gz").write_bytes(gzip.compress(b"{}" * 9999)[:50])
    source = pod.source(f"touch {pod.folder}/ran") if begins == "before" else None
    assert pod.begin_sidecar().wait(60) == 0, pod.sidecar.output
    pod.sidecar.sweep()
    assert (pod.sidecar.ours["failure"]["kind"], pod.sidecar.ours["failure"]["retryable"]) == ("init_failed", True)
    assert "could not make the pipes and files that the source waits for" in pod.sidecar.ours["reason"]
    source = source or pod.source(f"touch {pod.folder}/ran")
    assert source.wait(20) == 0
    assert _said(source) == "The sidecar ended before the connector began.\n"
    assert not (pod.folder / "ran").exists()


@pytest.mark.fault(786)
def test_the_time_until_the_source_begins_is_not_its_silence(pod: Pod, bulker: FakeBulker) -> None:
    """Its image is pulled while the sidecar runs: the task is not RUNNING before, and stalls in no time."""
    pod.sidecar.database.rows("UPDATE syncctl_task SET state = 'PENDING'")
    sidecar = pod.begin_sidecar(STALL_TIMEOUT_SECONDS="2")
    with pytest.raises(subprocess.TimeoutExpired):
        sidecar.wait(6)
    assert pod.sidecar.ours["state"] == "PENDING"
    assert pod.source(f"sleep 1\ncat <<'END'\n{ROW}\n{COMPLETE}\nEND\n").wait(60) == 0
    _succeeds(pod, sidecar, bulker)


@pytest.mark.fault(786)
def test_a_source_that_has_begun_and_is_silent_stalls(pod: Pod) -> None:
    """From then on the limit counts, and reports come."""
    sidecar = pod.begin_sidecar(STALL_TIMEOUT_SECONDS="2")
    pod.source("sleep 600")
    assert sidecar.wait(60) == 0, pod.sidecar.output
    pod.sidecar.sweep()
    assert pod.sidecar.ours["failure"]["kind"] == "stalled"


def test_a_sidecar_that_is_told_to_end_does_not_wait_for_a_source_that_has_not_begun(pod: Pod) -> None:
    """There are no last lines to read."""
    sidecar = pod.begin_sidecar(GRACE_SECONDS="60")
    wait_for(lambda: _handles_sigterm(sidecar), 30, "its handler")
    sidecar.terminate()
    assert sidecar.wait(60) == 0, pod.sidecar.output
    pod.sidecar.sweep()
    assert pod.sidecar.ours["failure"]["kind"] == "stopped"


# Waits for a pipe's other end before the sidecar's larger part is imported.
SLOW_IMPORTS = """
import sys

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "sidecar.run":
            open({gate!r}).close()

sys.meta_path.insert(0, Slow())
"""
NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child")


def _has_namespaces() -> bool:
    with contextlib.suppress(OSError):
        return subprocess.run([*NAMESPACE, "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0
    return False


def _terminate_child(process: "subprocess.Popen[bytes]") -> None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    os.kill(int(wait_for(lambda: children.read_text().split(), what="the sidecar")[0]), signal.SIGTERM)


@pytest.mark.fault(811)
@pytest.mark.parametrize("as_process_1", [False, True])
def test_a_sidecar_that_is_told_to_end_while_it_imports_says_so(pod: Pod, as_process_1: bool) -> None:
    """The kernel drops a signal to process 1 that has no handler, and ends any other one at once."""
    if as_process_1 and not _has_namespaces():
        pytest.skip("no namespace of processes can be made here")
    gate, code = pod.folder / "gate", pod.folder / "code"
    os.mkfifo(gate)
    code.mkdir()
    (code / "sitecustomize.py").write_text(SLOW_IMPORTS.format(gate=str(gate)))
    sidecar = pod.begin_sidecar(*(NAMESPACE if as_process_1 else ()), PYTHONPATH=str(code))
    wait_for(pod.is_ready, 30, "the pipes")
    if as_process_1:
        _terminate_child(sidecar)
    else:
        sidecar.terminate()
    with gate.open("wb"):
        assert sidecar.wait(60) == 0, pod.sidecar.output
    pod.sidecar.sweep()
    assert pod.sidecar.ours["failure"]["kind"] == "stopped"


@pytest.mark.fault(811)
def test_a_sidecar_that_is_told_to_end_while_it_prepares_lets_no_connector_begin(pod: Pod) -> None:
    """Its source gets the same signal; where only the sidecar does, there is nobody to read what it would print."""
    late = pod.sidecar.folder / "config/extra.json"
    os.mkfifo(late)  # the sidecar waits for it before its last step
    sidecar = pod.begin_sidecar()
    wait_for((pod.config / "config.json").exists, 30, "the first file")
    sidecar.terminate()
    with late.open("wb"):
        pass
    source = pod.source(f"touch {pod.folder}/ran")
    assert sidecar.wait(60) == 0, pod.sidecar.output
    assert source.wait(20) == 0
    assert not (pod.folder / "ran").exists()
    pod.sidecar.sweep()
    assert pod.sidecar.ours["failure"]["kind"] == "stopped"


def test_files_are_unpacked_and_a_later_attempt_s_state_replaces_the_first_one_s(pod: Pod) -> None:
    """Any user may read and change them, as its own; hidden files are the kubelet's."""
    given, resume = pod.sidecar.folder / "config", pod.folder / "resume"
    resume.mkdir()
    (given / "catalog.json").unlink()
    (given / "catalog.json.gz").write_bytes(gzip.compress(json.dumps(catalog("plants")).encode()))
    (given / "..data").mkdir()
    (resume / "state.json").write_text('{"later":1}')
    pod.begin_sidecar(RESUME_FOLDER=str(resume), ATTEMPT="2")
    wait_for(pod.is_ready, 30, "the pipes")
    found = {path.name: path.read_bytes() for path in pod.config.iterdir()}
    assert found == {
        "config.json": (given / "config.json").read_bytes(),
        "catalog.json": json.dumps(catalog("plants")).encode(),
        "state.json": b'{"later":1}',
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in pod.config.iterdir()} == {0o666}
