"""A sink of CloudEvents: keeps what it is sent, and answers as a test wants."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from cloudevents.http import CloudEvent, from_http

from tests.support import canaries
from tests.support.http_server import HttpServer


class FakeSink:
    """Its `url`; each event that it accepted, read by the official library; `answer` gives an event's status."""

    def __init__(self) -> None:
        self.events: list[CloudEvent] = []
        self.refused: list[CloudEvent] = []
        self.answer: Callable[[CloudEvent], int] = lambda _event: 202
        self._lock = threading.Lock()
        self._server: HttpServer | None = None
        self._address = ("127.0.0.1", 0)
        self.open()

    def open(self) -> None:
        """Listens, at the same port as before."""
        self._server = HttpServer(self._address, self._handler())
        self._address = ("127.0.0.1", self._server.server_port)
        self.url = f"http://127.0.0.1:{self._server.server_port}/namespace/name"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Refuses connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def ids(self, task_id: str = "") -> list[str]:
        """Of accepted events, in order; of one task or of all."""
        return [one["id"] for one in self.events if one["id"].startswith(task_id)]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                canaries.refuse("an event", str(self.headers), body)
                assert self.path == "/namespace/name"
                event = from_http(dict(self.headers), body)
                status = sink.answer(event)
                with sink._lock:
                    (sink.events if status < 300 else sink.refused).append(event)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        return Handler


@contextmanager
def fake_sink() -> Iterator[FakeSink]:
    """A running sink."""
    sink = FakeSink()
    try:
        yield sink
    finally:
        sink.close()
