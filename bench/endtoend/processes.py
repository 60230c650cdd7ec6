"""What happens between a request and its verdict, process by process: when each begins and ends, and its CPU seconds.

The kernel's account is looked at every few milliseconds: CPU seconds of a process that lived less are too few. Looking
takes time of its own, so a run that is looked at is not one that is measured.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import psutil
from msgspec import Struct

from bench.edition import Edition

_PAUSE_SECONDS = 0.01
_TICKS = os.sysconf("SC_CLK_TCK")


class Process(Struct):
    """One process; `begin` and `end` in seconds since the request, 0 and the verdict for those that stay."""

    name: str
    begin: float
    end: float
    cpu: float
    before: float = 0.0

    @property
    def cpu_seconds(self) -> float:
        """User and system time since the request."""
        return self.cpu - self.before


class Look(threading.Thread):
    """A context manager that looks at an edition's processes within its block."""

    def __init__(self, edition: Edition) -> None:
        super().__init__(name="look", daemon=True)
        self._edition, self._over = edition, threading.Event()
        self._booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        self._began = 0.0
        self._found: dict[tuple[int, float], Process] = {}

    def __enter__(self) -> Self:
        for key, process in self._look(0.0):
            process.before, process.begin = process.cpu, 0.0
            self._found[key] = process
        self._began = time.time()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Look until the end of the block."""
        while not self._over.wait(_PAUSE_SECONDS):
            at = time.time() - self._began
            for key, seen in self._look(at):
                known = self._found.setdefault(key, seen)
                known.end, known.cpu = seen.end, max(known.cpu, seen.cpu)
                known.name = seen.name or known.name  # one that has ended has none; a fork gets its own by exec

    def processes(self) -> list[Process]:
        """Return all that were seen before their end, in the order of their begin."""
        return sorted((one for one in self._found.values() if one.name), key=lambda one: one.begin)

    def by_part(self) -> dict[str, Process]:
        """Return the processes with those of one name as one, from the first's begin to the last's end."""
        parts: dict[str, Process] = {}
        for one in self.processes():
            known = parts.setdefault(one.name, Process(one.name, one.begin, one.end, 0.0))
            known.end, known.cpu = max(known.end, one.end), known.cpu + one.cpu_seconds
        return parts

    def _look(self, at: float) -> Iterator[tuple[tuple[int, float], Process]]:
        for number, process in enumerate(self._edition.processes()):
            with contextlib.suppress(psutil.Error, OSError):
                fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
                begun = int(fields[19]) / _TICKS
                name = _name(process) if number else "serve"
                cpu = (int(fields[11]) + int(fields[12])) / _TICKS
                yield (process.pid, begun), Process(name, self._booted + begun - self._began, at, cpu)


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    if not words:
        return ""
    if process.name() == "postgres":
        return "postgres"
    if words[-2:] == ["-m", "sidecar"]:
        return "sidecar"
    if "embedded.pods.runner" in words:
        # A supervisor is a fork of it.
        return "runner" if _is_child_of_serve(process) else "supervisors"
    if words[:1] == ["sh"]:
        return "shells"
    return "connector" if _is_python(words) else " ".join(words[:2])


def _is_child_of_serve(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and "embedded.pods.runner" not in parent.cmdline()


def _is_python(words: Iterable[str]) -> bool:
    return any("python" in Path(word).name or "source-" in Path(word).name for word in words)
