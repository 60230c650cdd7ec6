"""`syncctl serve` as a process of its own: ask it, kill parts of it, start it again, look at what it takes."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import psutil
from msgspec import Struct

IMAGE, VERSION = "soak/plants", "1"
PARTS = ("serve", "postgres", "runner", "sidecar", "connector")
_CONNECTOR = Path(__file__).with_name("connector.py")
_START_SECONDS, _STOP_SECONDS = 120.0, 90.0


class Sample(Struct, frozen=True):
    """What the processes of one part take together; `peak_mb` is the largest of its oldest process so far."""

    processes: int = 0
    threads: int = 0
    files: int = 0
    memory_mb: float = 0.0
    peak_mb: float = 0.0


class Edition:
    """A running edition on a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._log = home.with_name("serve.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""

    def start(self) -> None:
        """Start it, and wait for its address."""
        image = f"--image={IMAGE}:{VERSION}={sys.executable} {_CONNECTOR}"
        program = Path(sys.executable).with_name("syncctl")
        with self._log.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [program, "serve", "--port", "0", "--home", str(self.home), image],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while " answers at " not in (text := self._log.read_bytes()[begin:].decode(errors="replace")):
            assert self._process.poll() is None, f"the edition ended: {text}"
            assert time.monotonic() < deadline, f"the edition does not answer: {text}"
            time.sleep(0.1)
        self._address = urlsplit(text.partition(" answers at ")[2].split(";")[0].split()[0]).netloc

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal that ends it, and wait for that."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(_STOP_SECONDS)

    def ask(self, path: str, body: Mapping[str, Any] | None = None, **query: str) -> tuple[int, dict[str, Any]]:
        """Return the status and answer of a request; (0, {}) while nothing answers."""
        connection = http.client.HTTPConnection(self._address, timeout=120)
        headers = {"Authorization": f"Bearer {(self.home / 'token').read_text().strip()}"}
        method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request(method, f"{quote(path)}?{urlencode(query)}", content, headers)
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
            return answer.status, found
        return 0, {}

    def kill(self, part: str) -> bool:
        """Kill a process of a part, as the kernel does where memory is short; False if there is none."""
        for found, process in self._processes():
            if found == part:
                with contextlib.suppress(psutil.Error):
                    process.kill()
                    return True
        return False

    def sample(self) -> dict[str, Sample]:
        """Return what each part takes now."""
        found = dict.fromkeys(PARTS, Sample())
        for part, process in self._processes():
            with contextlib.suppress(psutil.Error, OSError):
                found[part] = _with(found[part], process)
        return found

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        if self._process is None or self._process.poll() is not None:
            return
        serve = psutil.Process(self._process.pid)
        yield "serve", serve
        for process in serve.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                yield _part(process), process


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
