"""Starts what is measured on the first core, and all that it needs (feeder, sink, Postgres) on the second."""

import array
import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct

from common.store import Database
from embedded.pods.launch import SIDECAR_VARIABLES
from embedded.postgres.server import Postgres

ROOT = Path(__file__).parent.parent.parent
_SAMPLE_SECONDS = 0.02
_SETTLE_SECONDS = 0.05
_FIRST = -15
"""Some thirty times the share of a session as it is."""


class Taken(Struct, frozen=True):
    """One run: seconds from the first byte offered to the end, and until the last byte was taken; CPU seconds.

    `memory` has (seconds, resident MB) pairs.
    """

    seconds: float
    fed_seconds: float
    cpu_seconds: float
    memory: list[tuple[float, float]]

    @property
    def peak_mb(self) -> float:
        """The largest resident size."""
        return max((size for _, size in self.memory), default=0.0)


class Rig:
    """The fixed parts: Postgres, and a folder with the recording."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder, self.database_url = folder, database_url
        self.recording = folder / "recording"

    def cat(self) -> Taken:
        """(a) The pipe alone."""
        return self._feed(["cat", str(self._pipe("stdout"))], stdout=subprocess.DEVNULL)

    def decode(self, way: str = "decode") -> Taken:
        """(b) The pipe and msgspec; `way` is as in ceilings.py."""
        variables = SIDECAR_VARIABLES if way == "tuned" else {}
        command = _python("-m", "bench.sidecar.ceilings", way, self._pipe("stdout"))
        return self._feed(["env", *(f"{name}={value}" for name, value in variables.items()), *command])

    def post(self, sink: str) -> Taken:
        """(c) A plain client with the same bytes."""
        process = subprocess.Popen(
            pinned(0, _python("-m", "bench.sidecar.ceilings", "post", sink, self.recording)), cwd=ROOT
        )
        return _watch(process, time.perf_counter(), 0.0)

    def sidecar(
        self, sink: str, catalog: Mapping[str, Any], *options: str, recordings: Sequence[Path] = (), **more: str
    ) -> Taken:
        """The sidecar itself, to its exit; `options` go to Python, `more` to its environment."""
        process, pipe = self.start(sink, catalog, *options, **more)
        return self._offer(process, pipe, recordings or [self.recording])

    def start(
        self, sink: str, catalog: Mapping[str, Any], *options: str, **more: str
    ) -> "tuple[subprocess.Popen[bytes], Any]":
        """A sidecar that has its pipes open, and the writing end of its stdout's."""
        stdout, stderr = self._pipe("stdout"), self._pipe("stderr")
        (self.folder / "catalog.json").write_text(json.dumps(catalog))
        (self.folder / "exit-code").write_text("0\n")
        environment = {
            "COMMAND": "read", "PACKAGE": "bench/source", "PACKAGE_VERSION": "1", "DATABASE_URL": self.database_url,
            "BULKER_URL": sink, "STDOUT_PIPE_FILE": str(stdout), "STDERR_PIPE_FILE": str(stderr),
            "EXIT_CODE_FILE": str(self.folder / "exit-code"), "CONFIG_FOLDER": str(self.folder), "SYNC_ID": "bench",
            "TASK_ID": "bench", "PATH": os.defpath, "DRAIN_SECONDS": "60",
        }  # fmt: skip
        process = subprocess.Popen(
            pinned(0, _python(*(options or ("-m", "sidecar")))),
            cwd=ROOT, env=SIDECAR_VARIABLES | environment | more, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        # Opening waits for the reader: start-up is measured apart.
        stderr.open("wb").close()
        return process, stdout.open("wb", buffering=0)

    def start_up(self, sink: str, catalog: Mapping[str, Any]) -> float:
        """Seconds from exec to the first byte read."""
        began = time.perf_counter()
        process, pipe = self.start(sink, catalog)
        with pipe:
            pipe.write(b"\n")
            waiting = array.array("i", [1])
            while waiting[0]:
                fcntl.ioctl(pipe, termios.FIONREAD, waiting)
            seconds = time.perf_counter() - began
        process.wait()
        return seconds

    def _pipe(self, name: str) -> Path:
        path = self.folder / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        return path

    def _feed(self, command: list[str], **options: Any) -> Taken:
        process = subprocess.Popen(pinned(0, command), cwd=ROOT, **options)
        return self._offer(process, (self.folder / "stdout").open("wb", buffering=0), [self.recording])

    def _offer(self, process: "subprocess.Popen[bytes]", pipe: Any, recordings: Sequence[Path]) -> Taken:
        with pipe:
            time.sleep(_SETTLE_SECONDS)  # between opening the pipe and waiting for it
            started = psutil.Process(process.pid).cpu_times()
            began = time.perf_counter()
            feeder = subprocess.Popen(["cat", *map(str, recordings)], stdout=pipe)
        fed: list[float] = []

        def wait() -> None:
            feeder.wait()
            fed.append(time.perf_counter() - began)

        thread = threading.Thread(target=wait)
        thread.start()
        taken = _watch(process, began, started.user + started.system)
        thread.join()
        return Taken(taken.seconds, fed[0], taken.cpu_seconds, taken.memory)


def pinned(core: int, command: list[str]) -> list[str]:
    """The command on the first (0) or the last (-1) of the machine's cores."""
    return ["taskset", "-c", str(_CORES[core]), *command]


_CORES = sorted(os.sched_getaffinity(0))


def _python(*arguments: object) -> list[str]:
    return [sys.executable, *map(str, arguments)]


def _watch(process: "subprocess.Popen[bytes]", began: float, cpu_before: float) -> Taken:
    """Waits for the end, sampling the resident size; CPU seconds are the kernel's own account."""
    memory: list[tuple[float, float]] = []
    watched, over = psutil.Process(process.pid), threading.Event()

    def sample() -> None:
        while not over.is_set():
            try:
                memory.append((time.perf_counter() - began, watched.memory_info().rss / 1e6))
            except psutil.Error:
                return
            over.wait(_SAMPLE_SECONDS)

    thread = threading.Thread(target=sample)
    thread.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    over.set()
    thread.join()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    # The last sample may be of a process that is over.
    memory = [(at, size) for at, size in memory if size]
    return Taken(seconds, seconds, usage.ru_utime + usage.ru_stime - cpu_before, memory)


@contextmanager
def sink(mode: str = "fast") -> Iterator[str]:
    """The address of a sink that counts."""
    process = subprocess.Popen(
        _python("-m", "bench.sidecar.sink", mode), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.communicate()


def _come_first(niceness: int) -> None:
    """Feeder and sink before Postgres, whose processes are sessions of their own, as if it were elsewhere: a log line
    costs it more than a row costs those two. Without the right to that, or without sessions that share the time, they
    take turns, and rows look slower than log lines make them.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness))


@contextmanager
def rig() -> Iterator[Rig]:
    """Moves this process, and so whatever it starts, to the second core as long as it lasts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {_CORES[-1]})
    try:
        with tempfile.TemporaryDirectory() as name, Postgres.start(Path(name) / "postgres") as postgres:
            with Database(postgres.url) as db:
                db.install()
            _come_first(_FIRST)
            yield Rig(Path(name), postgres.url)
    finally:
        _come_first(0)
        os.sched_setaffinity(0, before)
