"""Connectors as they really are: how they open, hold, cut and close their pipes, and how they end."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.protocol.commands import Command
from sidecar.settings import SidecarSettings
from sidecar.shutdown import Shutdown
from sidecar.source import pipes
from sidecar.source.pipes import End, PipeEvent, Pipes
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.sidecar_process import SidecarProcess, catalog, lines, log, record, state, status

HOLDER = "import os, sys, time\nos.close(int(sys.argv[1]))\nfor _ in range(600): time.sleep(0.1)"
CHATTERER = "import sys, time\nfor _ in range(6000): print('still here', flush=True); time.sleep(0.01)"


def _rows(*ids: int, stream: str = "plants") -> list[dict[str, Any]]:
    return [record(stream, {"id": number}) for number in ids]


@pytest.fixture
def plants(sidecar: SidecarProcess) -> SidecarProcess:
    sidecar.give(catalog=catalog("plants", incremental=True), config={}, state=[{}])
    return sidecar


@pytest.fixture
def fifos(tmp_path: Path) -> SidecarSettings:
    """Two pipes and no process: for the reader alone."""
    for name in ("stdout", "stderr"):
        os.mkfifo(tmp_path / name)
    return SidecarSettings(
        command=Command.READ, package="p", package_version="1", database_url="postgresql://nowhere/x",
        stdout_pipe_file=str(tmp_path / "stdout"), stderr_pipe_file=str(tmp_path / "stderr"),
        exit_code_file=str(tmp_path / "exit-code"), drain_seconds=1, grace_seconds=2, stall_timeout_seconds=0,
    )  # fmt: skip


def _read(settings: SidecarSettings, stop: Shutdown, slow: float = 0.0) -> tuple[dict[PipeEvent, bytes], End]:
    got = dict.fromkeys(PipeEvent, b"")
    with Pipes(settings, stop) as reading:
        for event, data in reading.chunks():
            got[event] += data
            if event is PipeEvent.TICK:
                time.sleep(slow)
    stop.close()
    return got, reading.end


@pytest.mark.parametrize("odd", ["pipe", "link", "folder"])
def test_what_is_no_exit_code_is_none(plants: SidecarProcess, odd: str) -> None:
    """A connector that puts something else in its place holds nothing up, and does not succeed."""
    code, other = plants.exit_code_file, plants.folder / "other"
    other.write_text("0\n")
    with plants.start(DRAIN_SECONDS="1") as sidecar:
        with plants.stderr.open("wb"), plants.stdout.open("wb", buffering=0) as out:
            out.write(lines([*_rows(1), status("plants", "COMPLETE")]))
            match odd:
                case "pipe":
                    os.mkfifo(code)
                case "link":
                    code.symlink_to(other)
                case _:
                    code.mkdir()
        assert sidecar.wait(60) == 0
    plants.sweep()
    assert plants.task["status"] == "PARTIAL"


@pytest.mark.fault(211)
@pytest.mark.parametrize("pipe", ["stdout", "stderr"])
@pytest.mark.parametrize("odd", ["gone", "file", "link", "dangling link", "folder", "socket"])
def test_a_pipe_that_the_connector_removed_or_replaced_is_its_fault(
    plants: SidecarProcess, pipe: str, odd: str
) -> None:
    """It is in a volume that both share. What is in its place is never read: a link may lead to a secret."""
    place, other = plants.folder / "pipes" / pipe, plants.folder / "other"
    other.write_text("what the connector may not see\n")
    place.unlink()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        match odd:
            case "file":
                place.write_bytes(lines(_rows(1)))
            case "link" | "dangling link":
                place.symlink_to(other if odd == "link" else plants.folder / "nothing")
            case "folder":
                place.mkdir()
            case "socket":
                with contextlib.chdir(place.parent):  # the path of a socket is short
                    listener.bind(place.name)
        with plants.start() as sidecar:
            assert sidecar.wait(60) == 0
    row = plants.ours
    assert (row["state"], row["failure"]["kind"], row["failure"]["origin"]) == ("FAILED", "source_error", "source")
    assert row["reason"].startswith(f"The connector removed or replaced the pipe for its {pipe} (")
    assert "the sidecar itself failed" not in row["reason"]
    assert b"what the connector may not see" not in plants.output


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_a_connector_may_write_in_any_pieces(plants: SidecarProcess, bulker: FakeBulker, chunk: int) -> None:
    """Byte by byte, or cut in the middle of a character."""
    data = lines([*_rows(1, 2), record("plants", {"id": 3, "name": "f\u00e9\u65e5"}), status("plants", "COMPLETE")])
    assert plants.play(data.replace(b"\\u00e9\\u65e5", "é日".encode()), chunk=chunk) == 0, plants.output
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2, 3]
    assert plants.task["status"] == "SUCCESS"


@pytest.mark.fault(43)
def test_a_last_line_that_is_cut_is_not_silently_lost(plants: SidecarProcess, bulker: FakeBulker) -> None:
    """Half a record at the end: refused by its number; a whole one without its line feed: stored."""
    data = lines([*_rows(1), status("plants", "COMPLETE")]) + lines(_rows(2))[:-12]
    plants.play(data)
    assert plants.streams["plants"]["status"] == "PARTIAL"
    assert "record 2 of stream plants was refused: not valid JSON" in plants.streams["plants"]["error"]
    assert bulker.rows("plants") == [{"id": 1}]


@pytest.mark.fault(40)
def test_a_child_that_holds_the_pipe_open_is_not_waited_for(plants: SidecarProcess, bulker: FakeBulker) -> None:
    """The connector is gone with exit code 0, a forgotten child is silent and keeps its stdout: done after the drain."""
    with plants.start(DRAIN_SECONDS="1") as sidecar:
        plants.stderr.open("wb").close()
        pipe = os.open(plants.stdout, os.O_WRONLY)
        child = subprocess.Popen([sys.executable, "-c", HOLDER, "0"], stdout=pipe)
        os.write(pipe, lines([*_rows(1), state("plants", {"c": 1}), status("plants", "COMPLETE")]))
        os.close(pipe)
        plants.leave(0)
        try:
            assert sidecar.wait(60) == 0
        finally:
            child.kill()
            child.wait()
    assert plants.task["status"] == "SUCCESS", plants.task
    assert plants.states == {"plants": {"c": 1}}
    assert any("kept the connector's output open after it had ended" in line for line in plants.log)


@pytest.mark.fault(40)
def test_a_child_that_goes_on_talking_is_not_listened_to_for_ever(
    fifos: SidecarSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never silent for the drain's length; the time after the exit is limited all the same."""
    monkeypatch.setattr(pipes, "_HELD_OPEN_SECONDS", 1.0)
    Path(fifos.exit_code_file).write_text("0\n")
    out = os.open(fifos.stdout_pipe_file, os.O_RDWR)
    child = subprocess.Popen([sys.executable, "-c", CHATTERER], stdout=out)
    try:
        got, end = _read(fifos, Shutdown(2))
    finally:
        child.kill()
        child.wait()
        os.close(out)
    assert (end.exit_code, end.held_open) == (0, True)
    assert got[PipeEvent.STDOUT].startswith(b"still here")


@pytest.fixture
def alive(fifos: SidecarSettings, tmp_path: Path) -> Iterator[int]:
    """What the source's shell holds open while it lives."""
    os.mkfifo(tmp_path / "alive")
    held = os.open(tmp_path / "alive", os.O_RDWR)
    yield held
    with contextlib.suppress(OSError):
        os.close(held)


@pytest.mark.parametrize("code", [0, 3, None])
@pytest.mark.fault(295)
def test_a_source_that_closes_its_pipes_and_lives_is_waited_for(
    fifos: SidecarSettings, alive: int, tmp_path: Path, code: int | None
) -> None:
    """It may have something to do behind its last message; without an exit code at its end, it was killed."""
    settings = msgspec.structs.replace(fifos, source_alive_file=str(tmp_path / "alive"), drain_seconds=0)

    def end(ticks: int) -> None:
        if ticks == 4:
            if code is not None:
                Path(fifos.exit_code_file).write_text(f"{code}\n")
            os.close(alive)

    assert _ends_after(settings, end) == End(exit_code=code)


@pytest.mark.fault(295)
def test_a_source_that_closes_its_pipes_and_hangs_has_stalled(
    fifos: SidecarSettings, alive: int, tmp_path: Path
) -> None:
    """It is silent like any other, and nobody has killed it."""
    settings = msgspec.structs.replace(
        fifos, source_alive_file=str(tmp_path / "alive"), drain_seconds=0, stall_timeout_seconds=1
    )
    assert _ends_after(settings, lambda _: None).stalled_seconds > 1


@pytest.mark.fault(295)
def test_a_source_that_closes_its_pipes_and_lives_is_stopped(
    fifos: SidecarSettings, alive: int, tmp_path: Path
) -> None:
    """SIGTERM ends the wait."""
    settings = msgspec.structs.replace(fifos, source_alive_file=str(tmp_path / "alive"), drain_seconds=0)
    stop = Shutdown(0.2)
    assert _ends_after(settings, lambda ticks: stop.request() if ticks == 2 else None, stop).stopped


def _ends_after(settings: SidecarSettings, on_tick: Callable[[int], None], stop: Shutdown | None = None) -> End:
    """The end of a source that opens both pipes and closes them at once."""
    stop = stop or Shutdown(2)
    with Pipes(settings, stop) as reading:
        for path in (settings.stderr_pipe_file, settings.stdout_pipe_file):
            os.close(os.open(path, os.O_WRONLY))
        for ticks, _ in enumerate(reading.chunks()):
            on_tick(ticks)
    stop.close()
    return reading.end


@pytest.mark.parametrize("code", [0, 127])
@pytest.mark.fault(39)
def test_a_source_that_never_opens_its_pipes_ends_by_its_exit_code(
    plants: SidecarProcess, bulker: FakeBulker, code: int
) -> None:
    """A command that is not there: the row has the exit code, and does not wait for a pipe."""
    plants.leave(code)
    with plants.start(DRAIN_SECONDS="1") as sidecar:
        assert sidecar.wait(60) == 0
    plants.sweep()
    assert plants.task["status"] == "FAILED"
    assert f"exit code {code}" in plants.ours["reason"]
    assert "printed nothing" in plants.ours["reason"]


def test_either_pipe_may_be_opened_first(plants: SidecarProcess, bulker: FakeBulker) -> None:
    """stdout long before stderr: no deadlock."""
    with plants.start() as sidecar:
        with plants.stdout.open("wb") as out:
            out.write(lines([*_rows(1), status("plants", "COMPLETE")]))
        with plants.stderr.open("wb") as err:
            err.write(b"late words\n")
        plants.leave(0)
        assert sidecar.wait(60) == 0
    assert plants.task["status"] == "SUCCESS"
    assert "ERRSTD late words" in plants.log


@pytest.mark.parametrize("content", [b"", b"one\n", b"\xff", b"0 1"])
@pytest.mark.fault(41)
def test_an_exit_code_that_cannot_be_read_is_none(plants: SidecarProcess, bulker: FakeBulker, content: bytes) -> None:
    """Not success, and no crash."""
    plants.exit_code_file.write_bytes(content)
    plants.play([*_rows(1), status("plants", "COMPLETE")], exit_code=None, DRAIN_SECONDS="1")
    assert plants.task["status"] == "PARTIAL"
    assert "no exit code" in plants.ours["reason"]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([*_rows(1), status("plants", "COMPLETE")], "SUCCESS"),
        ([*_rows(1), status("plants", "STARTED")], "FAILED"),
        ([*_rows(1), state("plants", {"c": 1})], "SUCCESS"),
        ([*_rows(1), state("plants", {"c": 1}), *_rows(2)], "PARTIAL"),
        (_rows(1), "FAILED"),
        ([], "FAILED"),
        ([log("hello")], "FAILED"),
    ],
)
def test_without_an_exit_code_file_the_messages_decide(
    plants: SidecarProcess, bulker: FakeBulker, messages: list[Any], expected: str
) -> None:
    """Another controller's pod: COMPLETE, or without statuses a clean end after the last STATE (docs/reference/contract.md D2)."""
    plants.environment["EXIT_CODE_FILE"] = ""
    assert plants.play(messages, exit_code=None) == 0, plants.output
    assert plants.task["status"] == expected, plants.task


def test_sigterm_is_a_checkpoint(plants: SidecarProcess, bulker: FakeBulker) -> None:
    """While the source goes on writing: the newest covered state is saved, the row says why, well within the grace."""
    with plants.start(GRACE_SECONDS="4") as sidecar:
        plants.stderr.open("wb").close()
        out = os.open(plants.stdout, os.O_WRONLY)
        os.write(out, lines([status("plants", "STARTED"), *_rows(1, 2), state("plants", {"c": 2}), *_rows(3)]))
        os.write(out, lines([log("so far")]))
        wait_for(lambda: "INFO so far" in plants.log, what="the log line")
        sidecar.send_signal(signal.SIGTERM)
        sidecar.send_signal(signal.SIGTERM)
        assert sidecar.wait(30) == 0
        os.close(out)
    plants.sweep()
    assert plants.task["status"] == "PARTIAL"
    assert plants.ours["reason"].startswith("the task was stopped from outside (SIGTERM)")
    assert "stopped from outside" in plants.streams["plants"]["error"]
    assert plants.states == {"plants": {"c": 2}}
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2, 3]


@pytest.mark.fault(58)
def test_sigterm_does_not_wait_for_a_bulker_that_hangs(plants: SidecarProcess, bulker: FakeBulker) -> None:
    """The final row is written within the grace period, with what Bulker did not do."""
    over = threading.Event()
    bulker.answer = lambda _: (over.wait(60), None)[1]
    with plants.start(GRACE_SECONDS="4", COMMIT_SECONDS="0") as sidecar:
        plants.stderr.open("wb").close()
        out = os.open(plants.stdout, os.O_WRONLY)
        os.write(out, lines([*_rows(1), state("plants", {"c": 1})]))
        wait_for(lambda: bulker.requests, what="the request")
        sidecar.send_signal(signal.SIGTERM)
        assert sidecar.wait(30) == 0
        over.set()
        os.close(out)
    plants.sweep()
    assert plants.task["status"] == "FAILED"
    assert "it did not answer in time" in plants.streams["plants"]["error"]
    assert plants.states == {}


def test_a_source_that_ends_on_sigterm_ends_the_run_at_once(plants: SidecarProcess, bulker: FakeBulker) -> None:
    """Its own exit code is not success: it was stopped. A full grace period is not waited for."""
    with plants.start(GRACE_SECONDS="600", DRAIN_SECONDS="60") as sidecar:
        plants.stderr.open("wb").close()
        out = os.open(plants.stdout, os.O_WRONLY)
        os.write(out, lines([*_rows(1), state("plants", {"c": 1}), log("so far")]))
        wait_for(lambda: "INFO so far" in plants.log, what="the log line")
        sidecar.send_signal(signal.SIGTERM)
        os.close(out)
        plants.leave(143)
        assert sidecar.wait(30) == 0
    plants.sweep()
    assert plants.task["status"] == "PARTIAL"
    assert plants.states == {"plants": {"c": 1}}


@pytest.mark.parametrize("slow", [0.0, 1.5])
def test_silence_is_the_sources_not_ours(fifos: SidecarSettings, slow: float) -> None:
    """A stall is time without a byte; time that the consumer takes (a commit on a tick) does not count."""
    settings = SidecarSettings(
        **{name: getattr(fifos, name) for name in fifos.__struct_fields__} | {"stall_timeout_seconds": 1}
    )

    over = threading.Event()

    def write() -> None:
        with Path(settings.stdout_pipe_file).open("wb", buffering=0) as out, Path(settings.stderr_pipe_file).open("wb"):
            for _ in range(3):
                out.write(b"x")
                time.sleep(0.3)
            over.wait(0 if slow else 60)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    got, end = _read(settings, Shutdown(2), slow)
    over.set()
    writer.join()
    if slow:
        assert (end.stalled_seconds, got[PipeEvent.STDOUT]) == (0, b"xxx")
    else:
        assert end.stalled_seconds > 1
