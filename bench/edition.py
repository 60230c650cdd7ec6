"""`syncctl serve` as a process of its own: ask it, look at its processes, start it again."""

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import psutil

_START_SECONDS, _STOP_SECONDS = 120.0, 90.0


class Edition:
    """A running edition on a home of its own; `images` are mapped to commands of this machine."""

    def __init__(self, home: Path, images: Mapping[str, str]) -> None:
        self.home, self.url = home, ""
        self._images = [f"--image={image}={command}" for image, command in images.items()]
        self._log = home.with_name("serve.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait for its address."""
        program = Path(sys.executable).with_name("syncctl")
        with self._log.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [program, "serve", "--port", "0", "--home", str(self.home), *self._images],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while " answers at " not in (text := self._log.read_bytes()[begin:].decode(errors="replace")):
            assert self._process.poll() is None, f"the edition ended: {text}"
            assert time.monotonic() < deadline, f"the edition does not answer: {text}"
            time.sleep(0.1)
        self.url = text.partition(" answers at ")[2].split(";")[0].split()[0]

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal that ends it, and wait for that."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(_STOP_SECONDS)

    @property
    def token(self) -> str:
        """What requests are let in with."""
        return (self.home / "token").read_text().strip()

    def ask(self, path: str, body: Mapping[str, Any] | None = None, **query: str) -> tuple[int, dict[str, Any]]:
        """Return the status and answer of a request; (0, {}) while nothing answers."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=120)
        headers = {"Authorization": f"Bearer {self.token}"}
        method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request(method, f"{quote(path)}?{urlencode(query)}", content, headers)
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
            return answer.status, found
        return 0, {}

    def rest(self) -> None:
        """Wait until no pod is left."""
        deadline = time.monotonic() + _STOP_SECONDS
        while any((self.home / "pods" / "pods").iterdir()):
            assert time.monotonic() < deadline, "a pod stays after its verdict"
            time.sleep(0.1)

    def processes(self) -> Iterator[psutil.Process]:
        """Yield its processes: the serving one first, then all that it has started."""
        if self._process is None or self._process.poll() is not None:
            return
        serve = psutil.Process(self._process.pid)
        yield serve
        yield from serve.children(recursive=True)
