"""Serve the warehouse with cheroot.

cheroot's own reader holds a whole chunk in memory, waits until a read is full, and closes on a client that still sends,
which then loses the answer. So bodies are read here.
"""

import contextlib
import logging
import threading
import time
from typing import Any, Self

from cheroot.workers.threadpool import ThreadPool
from cheroot.wsgi import Gateway_10

from common.errors import SyncError
from embedded.serving import ClosedConnection, ClosingServer
from embedded.warehouse.warehouse import Warehouse

REQUEST_SECONDS = 1800.0
"""Bulker cuts a request at 30 minutes."""
_DRAIN_SECONDS = 30.0
_DRAIN_BYTES = 1024**3
_IDLE_SECONDS = 60
_TICK_SECONDS = 0.1
_STOP_SECONDS = 1
"""How long an idle connection may delay the end; a commit is waited for, however long it takes."""
_THREADS, _MOST_THREADS = 8, 512
_BACKLOG = 128
_READ_BYTES = 256 * 1024
_LONGEST_CHUNK_HEAD = 1024

_log = logging.getLogger(__name__)


class BrokenBody(OSError):
    """The body is shorter than announced."""


class Body:
    """A request's body; `length` is None for a chunked one.

    `read` returns what has come, b"" at the regular end. It raises BrokenBody or TimeoutError.
    """

    def __init__(self, connection: Any, length: int | None, seconds: float) -> None:
        self._file, self._socket = connection.rfile, connection.socket
        self._is_chunked = length is None
        self._left = length or 0
        self._deadline = time.monotonic() + seconds
        self._is_first = True
        self.is_over = length == 0

    def read(self, size: int = _READ_BYTES) -> bytes:
        if self.is_over:
            return b""
        if self._is_chunked and self._left == 0:
            self._begin_chunk()
            if self._left == 0:
                self.is_over = True
                return b""
        self._wait()
        piece: bytes = self._file.read1(min(size, self._left) if size >= 0 else self._left)
        if not piece:
            raise BrokenBody
        self._left -= len(piece)
        self.is_over = not self._is_chunked and self._left == 0
        return piece

    def drain(self, seconds: float, most_bytes: int) -> None:
        """Read the rest within these bounds. Raise as `read` does."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        while most_bytes > 0 and (piece := self.read()):
            most_bytes -= len(piece)

    def _begin_chunk(self) -> None:
        if not self._is_first and self._line() != b"":
            raise BrokenBody
        self._is_first = False
        try:
            self._left = int(self._line().partition(b";")[0], 16)
        except ValueError as exc:
            raise BrokenBody from exc
        if self._left < 0:
            raise BrokenBody
        if self._left == 0:
            while self._line():  # trailers
                pass

    def _line(self) -> bytes:
        self._wait()
        line: bytes = self._file.readline(_LONGEST_CHUNK_HEAD)
        if not line.endswith(b"\n"):
            raise BrokenBody
        return line.rstrip(b"\r\n")

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


class _Gateway(Gateway_10):
    """One request: give the application its body, and drain what it leaves of it."""

    def __init__(self, req: Any) -> None:
        length = None if req.chunked_read else max(0, int(req.inheaders.get(b"Content-Length", 0)))
        self._body = Body(req.conn, length, req.server.request_seconds)
        # cheroot would read the body a second time, by its own count of what is left.
        req.rfile = self._body
        super().__init__(req)

    def get_environ(self) -> Any:
        return {
            **super().get_environ(),  # type: ignore[no-untyped-call] # cheroot ships no types
            "wsgi.input": self._body,
            "wsgi.input_terminated": True,
        }

    def start_response(self, *given: Any) -> Any:
        # The next request would begin in the middle of this one's body.
        self.req.close_connection = self.req.close_connection or not self._body.is_over
        return super().start_response(*given)

    def respond(self) -> None:
        super().respond()
        # A socket that is closed on unread bytes is reset, and the client may never see the answer.
        with contextlib.suppress(OSError):
            self._body.drain(_DRAIN_SECONDS, _DRAIN_BYTES)
        with contextlib.suppress(OSError):
            self.req.conn.socket.settimeout(self.req.server.timeout)


class _Connection(ClosedConnection):
    rbufsize = _READ_BYTES


class _Pool(ThreadPool):
    """Grow with the requests: a sync keeps one open per stream, often for long and with little to do."""

    def put(self, obj: Any) -> None:
        if self.idle <= self.qsize:
            self.grow(1)
        super().put(obj)


class WarehouseServer(ClosingServer):
    """A context manager that serves the warehouse at `url`, on this machine alone. Port 0 takes any free one.

    On exit a commit ends, while requests whose body is incomplete break off and store nothing.
    """

    ConnectionClass = _Connection

    def __init__(self, warehouse: Warehouse, port: int = 0, request_seconds: float = REQUEST_SECONDS) -> None:
        super().__init__(("127.0.0.1", port), warehouse.wsgi, request_queue_size=_BACKLOG, timeout=_IDLE_SECONDS)
        self.gateway = _Gateway
        self.requests = _Pool(self, min=_THREADS, max=_MOST_THREADS)
        self.shutdown_timeout = _STOP_SECONDS
        self.expiration_interval = _TICK_SECONDS
        self.request_seconds = request_seconds
        self._thread = threading.Thread(target=self.serve, name="warehouse", daemon=True)

    def __enter__(self) -> Self:
        try:
            self.prepare()
        except OSError as exc:
            raise SyncError(f"The warehouse cannot listen on its port: {exc.strerror or exc}; choose another.") from exc
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self.bind_addr[1]
        return port

    @property
    def url(self) -> str:
        """The BULKER_URL of sidecars."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop listening, and return when all requests have ended."""
        self.stop()
        self._thread.join()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:  # noqa: FBT001, FBT002 - cheroot's own signature
        _log.log(level, "The warehouse's server: %s", msg, exc_info=traceback)
