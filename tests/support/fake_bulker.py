"""A Bulker that records: a real HTTP server with /bulk's answers, which misbehaves where a test wants it to.

It stands in for a Bulker only where a test must see the requests themselves, or needs a fault that a healthy
one cannot be made to show.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import HttpServer


@dataclass
class Bulk:
    """One request as it came. `complete`: its body ended in order; `over`: nothing more becomes of it."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    lines: list[bytes] = field(default_factory=list)
    complete: bool = False
    over: bool = False
    aborted: bool = False

    @property
    def table(self) -> str:
        return self.query["tableName"][0]

    @property
    def mode(self) -> str:
        return self.query["mode"][0]

    @property
    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]


Answer = Callable[[Bulk], tuple[int, dict[str, Any]] | None]


class FakeBulker:
    """`answer` may return another answer, or sleep, or raise ConnectionError to hang up."""

    def __init__(self, server: HttpServer) -> None:
        self.requests: list[Bulk] = []
        self.posts: list[Any] = []
        self.answer: Answer = lambda _: None
        self.on_line: Callable[[Bulk], tuple[int, dict[str, Any]] | None] = lambda _: None
        self.url = f"http://127.0.0.1:{server.server_address[1]}"

    def committed(self, table: str) -> list[Bulk]:
        """Requests that ended in order and were acknowledged, in order."""
        return [bulk for bulk in self.requests if bulk.table == table and bulk.complete and not bulk.aborted]

    def rows(self, table: str) -> list[Any]:
        """What the table would hold: replace_table starts anew."""
        rows: list[Any] = []
        for bulk in self.committed(table):
            if bulk.mode == "replace_table" and bulk.lines:
                rows = []
            rows += bulk.rows
        return rows


@contextmanager
def fake_bulker() -> Iterator[FakeBulker]:
    """A running recorder."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.recorder = FakeBulker(server)  # type: ignore[attr-defined] # the handler's way to it
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.recorder  # type: ignore[attr-defined] # set by us on the server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(HttpServer):
    def handle_error(self, *_: Any) -> None:
        """A sender that was killed, or hung up on, is what many tests are about: no traceback for that."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*_)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        fake_bulker: FakeBulker = self.server.recorder  # type: ignore[attr-defined] # set by us on the server
        parts = urlsplit(self.path)
        if parts.path.startswith("/post/"):
            fake_bulker.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._say(200, {"message": "ok"})
            return
        bulk = Bulk(parts.path, parse_qs(parts.query, keep_blank_values=True), dict(self.headers))
        fake_bulker.requests.append(bulk)
        self.close_connection = True
        try:
            early = self._read(fake_bulker, bulk)
            answer = early or fake_bulker.answer(bulk) or (200, _ok(bulk))
            bulk.complete = answer[0] == 200
        except ConnectionError:
            return
        finally:
            bulk.over = True
        self._say(*answer)

    def _read(self, bulker: FakeBulker, bulk: Bulk) -> tuple[int, dict[str, Any]] | None:
        rest = b""
        while size := self._size():
            *lines, rest = (rest + self.rfile.read(size)).split(b"\n")
            self.rfile.readline()
            for line in lines:
                if line.startswith(b"ABORT"):
                    bulk.aborted = True
                    return 400, {"error": "aborted: as asked"}
                if not line:
                    return 400, {"error": "unmarhsal error: a blank line"}
                bulk.lines.append(line)
                if early := bulker.on_line(bulk):
                    return early
        self.rfile.readline()
        return None

    def _size(self) -> int:
        """Of the next chunk; raises ConnectionError where the sender is gone."""
        line = self.rfile.readline()
        if not line:
            raise ConnectionError
        return int(line, 16)

    def _say(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests need no access log."""


def _ok(bulk: Bulk) -> dict[str, Any]:
    if not bulk.lines:
        return {"message": "ok"}
    counts = {"processedRows": len(bulk.lines), "successfulRows": len(bulk.lines)}
    return {"message": "ok", "state": {"status": "COMPLETED", **counts, "processingTimeSec": 0}}


def wait_for(
    condition: Callable[[], Any], seconds: float = 20.0, what: str = "the condition", pause: float = 0.02
) -> Any:
    """Polls until the condition holds; returns its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(pause)
    raise AssertionError(f"{what} did not come true within {seconds} s")
