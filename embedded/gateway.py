"""All functions behind one port, by path (`/read`, `/tasks/<id>`), as the gateway of a cluster routes them."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import functions_framework
import msgspec
from cheroot.server import HTTPRequest
from cheroot.wsgi import Gateway_10

from common import request_head
from common.request_body import SOCKET
from common.request_head import Head
from common.tasks import wait
from embedded.serving import ClosedConnection, ClosingServer

FUNCTIONS = ("spec", "check", "discover", "read", "tasks", "cancel", "syncs", "metrics", "console", "sweeper")
_THREADS = 24
_CLOSE_SECONDS = 5
_BACKLOG = 128
_ALL = 2**31
"""Of what cheroot has read, and not used yet."""
_ONCE = frozenset({b"Authorization", b"Content-Length", b"Content-Type", b"Host"})
"""Headers of which a request has one at most."""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_log = logging.getLogger(__name__)


class _Headers(dict[bytes, bytes]):
    """Headers, as cheroot reads them: it takes the last of two, and of one that is folded the last line."""

    def __setitem__(self, name: bytes, value: bytes) -> None:
        if name in _ONCE and name in self:
            raise ValueError("A header that a request has once is there twice.")
        super().__setitem__(name, value)


class _Request(HTTPRequest):
    """A request whose refusals by cheroot itself (malformed, headers too long) are JSON too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.inheaders = _Headers()

    def simple_response(self, status: str | int, msg: str = "") -> None:  # noqa: ARG002 - may quote the request
        body = msgspec.json.encode(request_head.refusal(str(status).partition(" ")[2]))
        self.close_connection = True
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        with suppress(OSError):  # the sender is gone
            self.conn.wfile.write(f"{head}Connection: close\r\n\r\n".encode() + body)


class _Connection(ClosedConnection):
    """A connection that waits for a request's head without a thread."""

    RequestHandlerClass = _Request
    head: Head | None = None

    def receive_head(self) -> Head | None:
        """Return the head while a part of it is missing; of one that is too long no more is received."""
        self.socket.settimeout(0)
        self.head = self.head or Head(self.rfile.read1(_ALL) if self.rfile.has_data() else b"")
        if not self.head.receive(self.socket) and not self.head.too_long:
            return self.head
        # Before whatever the socket still holds; cheroot offers no other way to put bytes back.
        self.rfile._read_buf, self.rfile._read_pos = bytes(self.head.received), 0  # noqa: SLF001
        self.head = None
        self.socket.settimeout(self.server.timeout)
        return None

    def refuse(self, status: HTTPStatus) -> None:
        """Answer a client that waits for more than its turn; cheroot then finds the end of the connection."""
        if self.head and self.head.received:
            request_head.refuse(self.socket, status)
        with suppress(OSError):  # the client is gone
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the reason, if a head came too late."""
        if self.head:
            self.server.waiting.pop(self, None)
            self.refuse(HTTPStatus.REQUEST_TIMEOUT)
        super().close()


class _Environ(Gateway_10):
    def get_environ(self) -> dict[str, Any]:  # type: ignore[override] # cheroot's stub has no type for it
        """Add the socket, by which a body's time is limited."""
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call] # as above
        return {**environ, SOCKET: self.req.conn.socket}


class _Server(ClosingServer):
    ConnectionClass = _Connection
    max_request_header_size = request_head.MAX_BYTES

    def __init__(self, listener: socket.socket, wsgi: Wsgi) -> None:
        super().__init__(listener.getsockname(), wsgi, numthreads=_THREADS, request_queue_size=_BACKLOG)
        self.gateway = _Environ
        self._listener = listener
        self.waiting: dict[_Connection, None] = {}

    def bind(self, *_: object) -> socket.socket:
        """Use the socket that is bound already."""
        self.socket = self._listener
        return self._listener

    def process_conn(self, conn: _Connection) -> None:
        """Give a connection to the threads once the head of its request is there."""
        if not (head := conn.receive_head()):
            self.waiting.pop(conn, None)
            super().process_conn(conn)
            return
        self.waiting.setdefault(conn)
        self._connections.put(conn)  # type: ignore[attr-defined] # as above
        # That closes connections which were not used for `timeout`; a byte of a head is no use.
        conn.last_used = time.time() - self.timeout + head.deadline - time.monotonic()
        if len(self.waiting) > request_head.MAX_WAITING:
            next(iter(self.waiting)).refuse(HTTPStatus.SERVICE_UNAVAILABLE)


class Gateway:
    """A running server, which closes `listener`. Each function is an application, as functions-framework loads it."""

    def __init__(self, listener: socket.socket) -> None:
        folder = Path(__file__).parent.parent / "functions"
        self._applications = {
            name: functions_framework.create_app(  # type: ignore[no-untyped-call] # it ships no types
                target=name, source=str(folder / name / "main.py")
            )
            for name in FUNCTIONS
        }
        self._server = _Server(listener, self._route)
        self._server.shutdown_timeout = _CLOSE_SECONDS
        self._server.prepare()
        self.port: int = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve, name="gateway", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and let running requests end; those that wait for a task's change do so now."""
        wait.release()
        self._server.stop()
        self._thread.join(_CLOSE_SECONDS)

    def _route(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # As gunicorn does in a cluster; cheroot would keep an encoded slash.
        path = environ["PATH_INFO"] = unquote(environ["REQUEST_URI"].partition("?")[0], "latin-1")
        name = path.strip("/").partition("/")[0] or "console"
        # An unknown path is a 404 of any function; tasks would take it for a task's id.
        application: Wsgi = self._applications.get(name) or self._applications["spec"]
        return application(environ, start_response)
