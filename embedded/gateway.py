"""All functions behind one port, by path (`/read`, `/tasks/<id>`), as the gateway of a cluster routes them."""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import functions_framework
import msgspec
from cheroot.server import HTTPRequest

from embedded.serving import ClosedConnection, ClosingServer

FUNCTIONS = ("spec", "check", "discover", "read", "tasks", "cancel", "sweeper")
_THREADS = 24
_CLOSE_SECONDS = 5
_MAX_HEADER_BYTES = 128 * 1024
"""Of request line and headers: twice the longest query that a function accepts."""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_log = logging.getLogger(__name__)


class _Request(HTTPRequest):
    """A request whose refusals by cheroot itself (malformed, headers too long) are JSON too."""

    def simple_response(self, status: str | int, msg: str = "") -> None:  # noqa: ARG002 - may quote the request
        phrase = str(status).partition(" ")[2]
        body = msgspec.json.encode({"ok": False, "error": f"The request cannot be used: {phrase}."})
        self.close_connection = True
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        with suppress(OSError):  # the sender is gone
            self.conn.wfile.write(f"{head}Connection: close\r\n\r\n".encode() + body)


class _Connection(ClosedConnection):
    RequestHandlerClass = _Request


class _Server(ClosingServer):
    ConnectionClass = _Connection
    max_request_header_size = _MAX_HEADER_BYTES

    def __init__(self, listener: socket.socket, wsgi: Wsgi) -> None:
        super().__init__(listener.getsockname(), wsgi, numthreads=_THREADS)
        self._listener = listener

    def bind(self, *_: object) -> socket.socket:
        """Use the socket that is bound already."""
        self.socket = self._listener
        return self._listener


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
        """Stop listening, and let running requests end."""
        self._server.stop()
        self._thread.join(_CLOSE_SECONDS)

    def _route(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # As gunicorn does in a cluster; cheroot would keep an encoded slash.
        path = environ["PATH_INFO"] = unquote(environ["REQUEST_URI"].partition("?")[0], "latin-1")
        name = path.strip("/").partition("/")[0]
        # An unknown path is a 404 of any function; tasks would take it for a task's id.
        application: Wsgi = self._applications.get(name) or self._applications["spec"]
        return application(environ, start_response)
