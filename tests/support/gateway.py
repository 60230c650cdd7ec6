"""What stands between a browser and an edition: it forwards, and where a test says so it is slow, away or wrong."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.http_server import HttpServer


class Seen(NamedTuple):
    """A request of the browser, and the status of its answer."""

    method: str
    path: str
    tag: str
    status: int


class Answer(NamedTuple):
    """What the gateway answers by itself."""

    status: int
    body: str = '{"ok": false, "error": "The test says so."}'
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "application/json"


class Gateway:
    """`instead` may answer a path by itself, raise ConnectionError to break off, or wait; `seen` are all requests.

    `body` changes the JSON that the edition answers.
    """

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.seen: list[Seen] = []
        self.instead: Callable[[str], Answer | None] = lambda _: None
        self.body: Callable[[bytes], bytes] = lambda body: body
        self.url = ""

    def api(self) -> list[Seen]:
        """Requests for data, not for the page's own files."""
        return [one for one in self.seen if one.path != "/" and not one.path.startswith("/console")]

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> http.client.HTTPResponse:
        """The edition's answer, which its caller reads and closes."""
        connection = http.client.HTTPConnection(self.target.hostname or "", self.target.port)
        connection.request(method, path, body or None, headers | {"Connection": "close"})
        return connection.getresponse()


@contextmanager
def gateway(target: str) -> Iterator[Gateway]:
    """A running gateway before an edition's address."""
    between = Gateway(target)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = 0
            with suppress(OSError, http.client.HTTPException):
                instead = between.instead(self.path)
                status = self._own(instead) if instead else self._forwarded(body)
            between.seen.append(Seen(self.command, self.path, self.headers.get("If-None-Match", ""), status))
            self.close_connection = True

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the library's names

        def _own(self, answer: Answer) -> int:
            self._send(answer.status, [("Content-Type", answer.kind), *answer.headers], answer.body.encode())
            return answer.status

        def _forwarded(self, body: bytes) -> int:
            asked = dict(self.headers) | {"Accept-Encoding": "identity"}  # so that `body` can read it
            with between.forward(self.command, self.path, asked, body) as answer:
                headers = [
                    (name, value)
                    for name, value in answer.getheaders()
                    if name not in {"Connection", "Content-Length", "Transfer-Encoding"}
                ]
                self._send(answer.status, headers, self._changed(answer))
                return answer.status

        def _changed(self, answer: http.client.HTTPResponse) -> bytes:
            body = answer.read()
            return between.body(body) if answer.getheader("Content-Type", "").startswith("application/json") else body

        def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HttpServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    between.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield between
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
