"""Functions as they are deployed: functions-framework in a process of its own, on a port the system picks."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

ROOT = Path(__file__).parents[1]
_START_SECONDS = 60
_TIMEOUT_SECONDS = 30


def _ignore(where: str, *texts: str | bytes | None) -> None:
    pass


class Answer(Struct, frozen=True):
    """A response; `json` fails where it is not JSON."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


class Server(Struct, frozen=True):
    """A running function."""

    port: int
    log: Path
    token: str = ""
    process: Any = None
    """Its Popen."""
    inspect: Callable[..., None] = _ignore
    """Called with a name and texts for whatever the function answers or prints."""

    def ask(
        self, method: str, target: str, body: bytes | str = b"", *, token: str | None = None, **headers: str
    ) -> Answer:
        """Sends one request with the right token, or with another one; "" sends none."""
        token = self.token if token is None else token
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            lines["Authorization"] = f"Bearer {token}"
        data = body.encode() if isinstance(body, str) else body
        head = f"{method} {target} HTTP/1.1\r\nHost: f\r\nContent-Length: {len(data)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return self.raw(head.encode() + b"\r\n" + data, method=method)

    def raw(self, *pieces: bytes, method: str = "POST", hang_up: bool = False) -> Answer:
        """Sends bytes as they are, each piece in a packet of its own; `hang_up` then closes our side."""
        with socket.create_connection(("127.0.0.1", self.port), _TIMEOUT_SECONDS) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        self.inspect("an answer", answer.body, repr(answer.headers))
        return answer


@contextmanager
def running(
    name: str,
    *,
    token: str = "",
    source: Path | None = None,
    inspect: Callable[..., None] = _ignore,
    **environ: str,
) -> Iterator[Server]:
    """Run a function, and stop it afterwards; `environ` is all it gets of SYNCCTL_* settings."""
    source = source or ROOT / "functions" / name / "main.py"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [str(Path(sys.executable).parent / "functions-framework"), "--source", str(source)]
        command += ["--target", name, "--host", "127.0.0.1", "--port", "0"]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=ROOT, env=_environ(environ, token), stdout=file, stderr=subprocess.STDOUT
            )
        try:
            yield Server(_port(process, log), log, token, process, inspect)
        finally:
            process.terminate()
            process.wait(_TIMEOUT_SECONDS)
        inspect("the function's output", log.read_bytes())


def _environ(given: Mapping[str, str], token: str) -> dict[str, str]:
    kept: dict[str, str] = {k: v for k, v in os.environ.items() if not k.startswith("SYNCCTL_")}  # noqa: TID251 - a child gets what we have
    return {
        **kept,
        **given,
        "GUNICORN_LOG_LEVEL": "info",
        **({"SYNCCTL_AUTH_TOKENS": token} if token else {}),
    }


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port, as gunicorn announces it; the worker then loads the function while connections wait."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(rb"Listening at: http://127\.0\.0\.1:(\d+)", log.read_bytes()):
            return int(found[1])
        time.sleep(0.02)
    raise AssertionError(f"The function did not start:\n{log.read_text()}")
