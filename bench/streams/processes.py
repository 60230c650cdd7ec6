"""Connectors as processes, some of them at once: their time, processor and memory."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import msgspec
import psutil
from msgspec import Struct

_SAMPLE_SECONDS = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")


class Source(Struct, frozen=True):
    """A connector's command (shell text, as in a pod) and its configuration."""

    name: str
    command: str
    config: Mapping[str, Any]


class Taken(Struct, frozen=True):
    """Wall and processor seconds, the most MB at one time, the records that were read, and what else was busy.

    `others` is in cores: of whatever ran besides these processes, the API's server included.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    records: int
    others: float


def discover(source: Source) -> dict[str, Any]:
    """Return the streams that a connector offers, by name."""
    with tempfile.TemporaryDirectory() as name:
        command = _command(source, Path(name), ("discover",), {})
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    for message in map(msgspec.json.decode, output.splitlines()):
        if message["type"] == "CATALOG":
            return {stream["name"]: stream for stream in message["catalog"]["streams"]}
    raise ValueError(f"{source.name} printed no catalog")


class Way(Struct, frozen=True):
    """A way to read: the streams of each process, and how many processes run at once; `label` names the connector."""

    label: str
    source: Source
    parts: Sequence[Sequence[Mapping[str, Any]]]
    at_once: int = 1

    @property
    def processes(self) -> str:
        """The number of processes, for people."""
        return f"{len(self.parts)}, {self.at_once} at once" if len(self.parts) > 1 else "1 for all"

    def measure(self) -> Taken:
        """Read. Raise CalledProcessError if a process does not end well."""
        return _measure(self.source, self.parts, self.at_once)


def _measure(source: Source, parts: Sequence[Sequence[Mapping[str, Any]]], at_once: int) -> Taken:
    with tempfile.TemporaryDirectory() as name, _Memory() as memory:
        folders = [Path(name) / str(number) for number in range(len(parts))]
        busy, began = _busy(), time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            runs = [pool.submit(_read, source, *pair, memory.pids) for pair in zip(folders, parts, strict=True)]
            cpu = sum(run.result() for run in runs)
        seconds = time.perf_counter() - began
        others = max(_busy() - busy - cpu, 0.0) / seconds
        return Taken(seconds, cpu, memory.peak_mb, sum(map(_records, folders)), others)


def _read(source: Source, folder: Path, streams: Sequence[Mapping[str, Any]], pids: set[int]) -> float:
    """Return the processor seconds of one process and its children."""
    folder.mkdir()
    configured = [
        {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"} for stream in streams
    ]
    command = _command(source, folder, ("read",), {"catalog": {"streams": configured}})
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        return _wait(command, out, err, pids)


def _wait(command: Sequence[str], out: IO[bytes], err: IO[bytes], pids: set[int]) -> float:
    process = subprocess.Popen(command, stdout=out, stderr=err)
    pids.add(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    pids.discard(process.pid)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=err.name)
    return usage.ru_utime + usage.ru_stime


def _command(source: Source, folder: Path, arguments: Sequence[str], files: Mapping[str, Any]) -> list[str]:
    given = list(arguments)
    for name, content in {"config": source.config, **files}.items():
        path = folder / f"{name}.json"
        path.write_bytes(msgspec.json.encode(content))
        given += [f"--{name}", str(path)]
    return ["sh", "-c", f'exec {source.command} "$@"', source.name, *given]


def _records(folder: Path) -> int:
    """Count after the clock has stopped: each message is a line of its own."""
    with (folder / "out").open("rb") as lines:
        return sum(b'"type":"RECORD"' in line for line in lines)


def _busy() -> float:
    """Return the processor seconds that this machine has spent, idle and waiting ones not counted."""
    user, nice, system, _, _, irq, soft, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + soft) / _TICKS


class _Memory:
    """Sample the proportional size of processes and their children: shared pages count once."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.peak_mb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "_Memory":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self.peak_mb = max(self.peak_mb, sum(map(_tree_mb, list(self.pids))))


def _tree_mb(pid: int) -> float:
    size = 0.0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            size += process.memory_full_info().pss / 1e6
    except psutil.Error:
        pass
    return size
