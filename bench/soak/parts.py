"""The parts of an edition in a soak: kill one, look at what each takes."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
from msgspec import Struct

from bench.edition import Edition

IMAGE, VERSION = "soak/plants", "1"
PARTS = ("serve", "postgres", "runner", "sidecar", "connector")
_CONNECTOR = Path(__file__).with_name("connector.py")


class Sample(Struct, frozen=True):
    """What the processes of one part take together; `peak_mb` is the largest of its oldest process so far."""

    processes: int = 0
    threads: int = 0
    files: int = 0
    memory_mb: float = 0.0
    peak_mb: float = 0.0


class SoakEdition(Edition):
    """An edition with the soak's own connector."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, {f"{IMAGE}:{VERSION}": f"{sys.executable} {_CONNECTOR}"})

    def kill(self, part: str) -> bool:
        """Kill a process of a part, as the kernel does where memory is short; False if there is none."""
        for found, process in self._parts():
            if found == part:
                with contextlib.suppress(psutil.Error):
                    process.kill()
                    return True
        return False

    def sample(self) -> dict[str, Sample]:
        """Return what each part takes now."""
        found = dict.fromkeys(PARTS, Sample())
        for part, process in self._parts():
            with contextlib.suppress(psutil.Error, OSError):
                found[part] = _with(found[part], process)
        return found

    def _parts(self) -> Iterator[tuple[str, psutil.Process]]:
        for at, process in enumerate(self.processes()):
            with contextlib.suppress(psutil.Error):
                yield _part(process) if at else "serve", process


def _part(process: psutil.Process) -> str:
    words = process.cmdline()
    if process.name() == "postgres":
        return "postgres"
    if str(_CONNECTOR) in words:
        return "connector"
    return "sidecar" if words[-2:] == ["-m", "sidecar"] else "runner"


def _with(sample: Sample, process: psutil.Process) -> Sample:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":" in line
    )
    return Sample(
        processes=sample.processes + 1,
        threads=sample.threads + process.num_threads(),
        files=sample.files + len(os.listdir(f"/proc/{process.pid}/fd")),  # noqa: PTH208 - names alone
        memory_mb=sample.memory_mb + process.memory_info().rss / 1e6,
        peak_mb=max(sample.peak_mb, int(status["VmHWM"].split()[0]) / 1000),
    )
