"""The pod's shell lines, run by a real sh in scratch folders."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from common.pods import scripts
from common.protocol.commands import Command
from tests.reports.conftest import CASES
from tests.support.fake_bulker import wait_for
from tests.support.sidecar_process import SidecarProcess, catalog


def _environment(folder: Path) -> dict[str, str]:
    """The folders as the scripts' variables; they are made."""
    made = {"PATH": os.environ["PATH"]}  # noqa: TID251 - a child gets the tests' own
    for name in ("pipes", "configmap", "config"):
        (folder / name).mkdir(exist_ok=True, parents=True)
        made[scripts.mount_variable(f"/{name}")] = str(folder / name)
    return made


def _run(script: str, folder: Path) -> None:
    subprocess.run(["sh", "-c", script], env=_environment(folder), check=True, timeout=20)


@pytest.mark.fault(71)
def test_pods_init_runs_twice(tmp_path: Path) -> None:
    """After a node's restart init runs on what the first run left: pipes, an old exit code, half a configuration."""
    script = scripts.init(with_files=True)
    _environment(tmp_path)
    (tmp_path / "configmap/config.json").write_text('{"api_key":"whole"}')
    subprocess.run(
        ["sh", CASES / "pods-init-runs-twice/leftovers.sh", tmp_path / "pipes", tmp_path / "config"], check=True
    )
    for _ in range(2):
        _run(script, tmp_path)
        assert json.loads((tmp_path / "config/config.json").read_text()) == {"api_key": "whole"}
        assert not (tmp_path / "pipes/exit-code").exists()
        for name in ("stdout", "stderr"):
            mode = (tmp_path / "pipes" / name).stat().st_mode
            assert stat.S_ISFIFO(mode)
            assert stat.S_IMODE(mode) == 0o666


def test_init_unpacks_what_was_compressed(tmp_path: Path) -> None:
    """A large catalog arrives compressed and is given to the connector unpacked."""
    import gzip

    script = scripts.init(with_files=True)
    _environment(tmp_path)
    (tmp_path / "configmap/catalog.json.gz").write_bytes(gzip.compress(b'{"streams":[]}'))
    (tmp_path / "configmap/config.json").write_bytes(b"{}")
    _run(script, tmp_path)
    assert sorted(path.name for path in (tmp_path / "config").iterdir()) == ["catalog.json", "config.json"]
    assert (tmp_path / "config/catalog.json").read_bytes() == b'{"streams":[]}'


class _Source:
    """The wrapper running, with both pipes read as they fill; killed if a test leaves it running."""

    def __init__(self, folder: Path, entrypoint: str | None, shell: str = "sh") -> None:
        self._folder, self._entrypoint, self._shell = folder, entrypoint, shell
        self.said = {"stdout": bytearray(), "stderr": bytearray()}

    def __enter__(self) -> "_Source":
        environment = _environment(self._folder)
        if self._entrypoint is not None:
            environment["AIRBYTE_ENTRYPOINT"] = self._entrypoint
        self._readers = []
        for name in self.said:
            os.mkfifo(self._folder / "pipes" / name)
            self._readers.append(threading.Thread(target=self._read, args=(name,), daemon=True))
        for reader in self._readers:
            reader.start()
        os.mkfifo(self._folder / "pipes/ready.1")
        script = [self._shell, "-c", scripts.source(Command.READ)]
        self.process = subprocess.Popen(script, env=environment, start_new_session=True)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        code = self.process.wait(20)
        for reader in self._readers:
            reader.join(20)
        return code

    def _read(self, name: str) -> None:
        with (self._folder / "pipes" / name).open("rb", buffering=0) as pipe:
            while data := pipe.read(65536):
                self.said[name] += data


@pytest.mark.parametrize("code", [0, 1, 7])
@pytest.mark.fault(40)
def test_the_exit_code_is_left_in_a_file(tmp_path: Path, code: int) -> None:
    """Output goes into the pipes, the arguments are the protocol's, the exit code appears whole."""
    with _Source(tmp_path, f"sh -c 'echo \"$@\"; echo problem >&2; exit {code}' connector") as source:
        assert source.end() == code
    config = tmp_path / "config"
    expected = f"read --config {config}/config.json --catalog {config}/catalog.json --state {config}/state.json\n"
    assert source.said == {"stdout": expected.encode(), "stderr": b"problem\n"}
    assert (tmp_path / "pipes/exit-code").read_text() == f"{code}\n"


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "line",
    [
        None,
        "",
        " \t\n",
        "$NOT_SET",
        "no-such-program",
        "/no/such/program --x",
        "python3 /no/such/connector.py",
        'python3 "/connector.py',
        "/etc/passwd",
        "cd / && no-such-program",
        "cd /; (",
    ],
)
@pytest.mark.fault(103)
def test_an_image_without_a_usable_entry_point_is_blamed(tmp_path: Path, line: str | None, shell: str) -> None:
    """As a connector would report an error of its own; and the exit code is written."""
    with _Source(tmp_path, line, shell) as source:
        assert source.end() == 127
    trace = json.loads(source.said["stdout"])["trace"]["error"]
    assert trace["failure_type"] == "image_unusable"
    assert "AIRBYTE_ENTRYPOINT" in trace["message"]
    assert 'ENV AIRBYTE_ENTRYPOINT="python /connector.py"' in trace["message"]
    assert (tmp_path / "pipes/exit-code").read_text() == "127\n"


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "line",
    [
        "echo",
        "echo\n",
        "exec echo",
        '"/bin/echo"',
        "cd / && echo",
        "cd /\necho",
        "FIRST=echo; $FIRST",
        "SOME=1 sh -c 'echo \"$@\"' connector",
    ],
)
@pytest.mark.fault(103)
def test_an_entry_point_is_a_line_of_shell(tmp_path: Path, line: str, shell: str) -> None:
    """As other platforms run it: quotes, several commands, variables; the protocol's arguments come behind."""
    with _Source(tmp_path, line, shell) as source:
        assert source.end() == 0
    assert source.said["stdout"].startswith(b"read --config ")
    assert source.said["stderr"] == b""


def test_folders_may_be_called_anything(tmp_path: Path) -> None:
    """The arguments are whole words; without the variables the folders are the mount paths."""
    with _Source(tmp_path / "it's my $HOME; folder", "printf '%s\\n'") as source:
        assert source.end() == 0
    assert source.said["stdout"].decode().splitlines()[2] == f"{tmp_path}/it's my $HOME; folder/config/config.json"
    assert "${MOUNT_PIPES:-/pipes}" in scripts.source(Command.READ)


@pytest.mark.fault(72)
@pytest.mark.parametrize("before", ["", "cd / && ", "SOME=1 "])
def test_cancel_signal_reaches_the_connector(tmp_path: Path, before: str) -> None:
    """SIGTERM to the wrapper (process 1 of a container) reaches the connector; its own exit code is kept."""
    connector = CASES / "cancel-signal-stops-at-the-shell/connector.py"
    with _Source(tmp_path, f"{before}python3 {connector}") as source:
        wait_for(lambda: b"RECORD" in source.said["stdout"])
        source.process.send_signal(signal.SIGTERM)
        assert source.end() == 143
    assert b"got TERM" in source.said["stderr"]
    assert b'"STATE"' in source.said["stdout"]
    assert (tmp_path / "pipes/exit-code").read_text() == "143\n"


@pytest.fixture
def wrapped(sidecar: SidecarProcess, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A source's wrapper, after init, in front of a sidecar that a test starts: until then its pipes do not open."""
    sidecar.give(catalog=catalog("plants"), config={}, state={})
    sidecar.environment |= {"DRAIN_SECONDS": "600", "SOURCE_ALIVE_FILE": str(tmp_path / "pipes/alive")}
    _run(scripts.init(with_files=False), tmp_path)
    environment = _environment(tmp_path) | {"AIRBYTE_ENTRYPOINT": "sh -c 'echo begun >&2; exec sleep 600' connector"}
    script = ["sh", "-c", scripts.source(Command.READ)]
    process = subprocess.Popen(script, env=environment, start_new_session=True)
    try:
        wait_for((tmp_path / "pipes/alive").exists, what="the third pipe")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _without_children(wrapper: subprocess.Popen[bytes]) -> bool:
    """Kills what the wrapper has started: that waits for its pipes. Whether the wrapper has ended after that."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(wrapper.pid).children():
            child.kill()
    return wrapper.poll() is not None


@pytest.mark.fault(262)
@pytest.mark.parametrize("command", ["spec", "check", "discover", "read"])
@pytest.mark.parametrize("victim", ["all", "connector"])
def test_a_source_that_dies_before_its_pipes_are_open_is_over(
    sidecar: SidecarProcess, wrapped: subprocess.Popen[bytes], command: str, victim: str
) -> None:
    """Of that no pipe shows an end, whether its exit code is there (only its child died) or not."""
    if victim == "all":
        os.killpg(wrapped.pid, signal.SIGKILL)
    else:
        wait_for(lambda: _without_children(wrapped), 30, "the wrapper's end")
    wrapped.wait(20)
    assert sidecar.exit_code_file.exists() is (victim == "connector")
    with sidecar.start(COMMAND=command, STORAGE_KEY="k") as process:
        assert process.wait(60) == 0, sidecar.output
    sidecar.sweep()
    assert (sidecar.ours["state"], sidecar.ours["failure"]["kind"]) == ("FAILED", "source_killed")


@pytest.mark.fault(262)
def test_an_exit_code_that_cannot_come_is_not_waited_for(
    sidecar: SidecarProcess, wrapped: subprocess.Popen[bytes]
) -> None:
    """The wrapper was killed with its connector, as for want of memory."""
    with sidecar.start() as process:
        wait_for(lambda: any("begun" in line for line in sidecar.log), 60, "the connector's line")
        assert process.poll() is None
        os.killpg(wrapped.pid, signal.SIGKILL)
        assert process.wait(60) == 0, sidecar.output
    sidecar.sweep()
    assert sidecar.ours["failure"]["kind"] == "source_killed"


@pytest.mark.fault(262)
def test_a_source_that_has_not_begun_is_waited_for(sidecar: SidecarProcess, tmp_path: Path) -> None:
    """Its image may still be pulled: the third pipe has its name only once the wrapper holds it."""
    sidecar.give(catalog=catalog("plants"), config={}, state={})
    sidecar.environment |= {"DRAIN_SECONDS": "600", "SOURCE_ALIVE_FILE": str(tmp_path / "pipes/alive")}
    _run(scripts.init(with_files=False), tmp_path)
    with sidecar.start() as process:
        wait_for(lambda: sidecar.ours["streams"], 60, "the sidecar's first report")
        environment = _environment(tmp_path) | {"AIRBYTE_ENTRYPOINT": "sh -c 'exit 7' connector"}
        done = subprocess.run(["sh", "-c", scripts.source(Command.READ)], env=environment, check=False, timeout=60)
        assert done.returncode == 7
        assert process.wait(60) == 0, sidecar.output
    sidecar.sweep()
    assert "exit code 7" in sidecar.ours["reason"]
