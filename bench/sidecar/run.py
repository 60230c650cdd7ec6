"""Moves the same recordings through the sidecar and through its ceilings; prints records per second and ratios.

The sidecar (and each ceiling) has the first core for itself; what feeds it and what it talks to share the second.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct

from bench.results import Goal, publish
from bench.sidecar import data
from bench.sidecar.data import Shape
from common.store import Database
from embedded.postgres import Postgres

ROOT = Path(__file__).parent.parent.parent
_ROUNDS = 3
_ONE_STREAM, _INTERLEAVED = 0.70, 0.60
_MEMORY_MB = 60.0

SHAPES = [
    Shape(100, records=600_000),
    Shape(300),
    Shape(300, state_every=10_000),
    Shape(300, streams=5),
    Shape(300, streams=5, run=25),
    Shape(300, streams=5, run=1),
    Shape(300, streams=50, run=25),
    Shape(300, streams=50, run=1),
    Shape(1000, records=200_000),
    Shape(1000, streams=5, run=25, records=200_000),
    Shape(10_000, records=30_000),
    Shape(1_000_000, records=300),
    Shape(300, state_every=10_000, log_lines=100_000),
]
QUICK = [Shape(300, records=100_000), Shape(300, streams=5, run=25, records=100_000)]


class Taken(Struct, frozen=True):
    """One run: seconds from the first byte offered to the end, CPU seconds, and the largest resident size."""

    seconds: float
    cpu_seconds: float
    memory_mb: float


class Bench:
    """The fixed parts: Postgres, a sink, a folder."""

    def __init__(self, folder: Path, database_url: str, sink: str) -> None:
        self.folder, self.database_url, self.sink = folder, database_url, sink
        self.recording = folder / "recording"

    def cat(self) -> Taken:
        """(a) The pipe alone."""
        return self._feed(["cat", str(self._pipe("stdout"))], stdout=subprocess.DEVNULL)

    def decode(self) -> Taken:
        """(b) The pipe and msgspec."""
        return self._feed([sys.executable, "-m", "bench.sidecar.ceilings", "decode", str(self._pipe("stdout"))])

    def post(self) -> Taken:
        """(c) A plain client with the same bytes."""
        arguments = ["post", self.sink, str(self.recording)]
        began = time.perf_counter()
        process = subprocess.Popen(_pinned(0, [sys.executable, "-m", "bench.sidecar.ceilings", *arguments]), cwd=ROOT)
        return _watch(process, began)

    def sidecar(self, shape: Shape) -> Taken:
        """The sidecar itself, to its exit."""
        stdout, stderr = self._pipe("stdout"), self._pipe("stderr")
        (self.folder / "catalog.json").write_text(json.dumps(data.catalog(shape)))
        code = self.folder / "exit-code"
        code.write_text("0\n")
        environment = {
            "COMMAND": "read", "PACKAGE": "bench/source", "PACKAGE_VERSION": "1", "DATABASE_URL": self.database_url,
            "BULKER_URL": self.sink, "STDOUT_PIPE_FILE": str(stdout), "STDERR_PIPE_FILE": str(stderr),
            "EXIT_CODE_FILE": str(code), "CONFIG_FOLDER": str(self.folder), "SYNC_ID": "bench", "TASK_ID": "bench",
            "PATH": os.defpath, "DRAIN_SECONDS": "60",
        }  # fmt: skip
        command = [sys.executable, "-m", "sidecar"]
        return self._feed(command, env=environment, errors=stderr, stdout=subprocess.DEVNULL)

    def _pipe(self, name: str) -> Path:
        path = self.folder / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        return path

    def _feed(self, command: list[str], errors: Path | None = None, **options: Any) -> Taken:
        """Starts a reader on the first core, waits until it has the pipe open, then offers the recording."""
        process = subprocess.Popen(_pinned(0, command), cwd=ROOT, **options)
        if errors:
            errors.open("wb").close()
        with (self.folder / "stdout").open("wb", buffering=0) as pipe:
            time.sleep(0.7)  # imports are start-up, measured apart
            began = time.perf_counter()
            feeder = subprocess.Popen(_pinned(1, ["cat", str(self.recording)]), stdout=pipe)
        taken = _watch(process, began)
        feeder.wait()
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}")
        return taken


def _pinned(core: int, command: list[str]) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[min(core, len(cores) - 1)]), *command]


def _watch(process: "subprocess.Popen[bytes]", began: float) -> Taken:
    """Waits for the end, sampling the resident size; CPU seconds are the kernel's own account."""
    peak = 0
    watched = psutil.Process(process.pid)

    def sample() -> None:
        nonlocal peak
        while process.poll() is None:
            try:
                peak = max(peak, watched.memory_info().rss)
            except psutil.Error:
                return
            time.sleep(0.02)

    thread = threading.Thread(target=sample)
    thread.start()
    _, _, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = 0
    thread.join()
    return Taken(seconds, usage.ru_utime + usage.ru_stime, peak / 1e6)


@contextmanager
def _bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as name, Postgres.start(Path(name) / "postgres") as postgres:
        with Database(postgres.url) as db:
            db.install()
        sink = subprocess.Popen(
            _pinned(1, [sys.executable, "-m", "bench.sidecar.sink"]),
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert sink.stdout is not None
        try:
            yield Bench(Path(name), postgres.url, f"http://127.0.0.1:{int(sink.stdout.readline())}")
        finally:
            sink.terminate()
            sink.communicate()


def run(*, quick: bool) -> bool:
    """All shapes; the best of three rounds each, since the machine's other work only ever slows."""
    rows: list[tuple[Any, ...]] = []
    goals: list[Goal] = []
    columns = ("shape", "MB/s", "records/s", "cpu s", "of (a) cat", "of (b) decode", "of (c) post", "peak MB")
    with _bench() as bench:
        for shape in QUICK if quick else SHAPES:
            size = data.write(shape, bench.recording)
            taken = _best([bench.sidecar(shape) for _ in range(_ROUNDS)])
            a, b, c = (_best([ceiling() for _ in range(_ROUNDS)]) for ceiling in (bench.cat, bench.decode, bench.post))
            ratios = [ceiling.seconds / taken.seconds for ceiling in (a, b, c)]
            rate = shape.records / taken.seconds
            rows.append((shape.name, size / 1e6 / taken.seconds, rate, taken.cpu_seconds, *ratios, taken.memory_mb))
            goals += _goals(shape, ratios[1], taken)
    return publish("sidecar", columns, rows, goals, bars="records/s")


def _best(runs: list[Taken]) -> Taken:
    return min(runs, key=lambda taken: taken.seconds)


def _goals(shape: Shape, of_decode: float, taken: Taken) -> list[Goal]:
    name = shape.name.replace(" ", "-").replace(",", "")
    goals = [Goal(f"memory-{name}", taken.memory_mb, _MEMORY_MB, at_most=True)]
    if shape.record_bytes in {300, 1000} and not shape.log_lines:
        goals.append(Goal(f"of-decode-{name}", of_decode, _ONE_STREAM if shape.streams == 1 else _INTERLEAVED))
    return goals
