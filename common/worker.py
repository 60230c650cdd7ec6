"""gunicorn's threaded worker, as functions-framework starts it, with bounds on requests that no function has seen yet.

Its own takes a thread for a head that never ends, waits on its main thread for a client to close, answers errors in
HTML that quotes the request, and lets any client that comes through Knative's queue-proxy (from 127.0.0.1) choose the
path's SCRIPT_NAME.
"""

import selectors
import socket
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.workers.gthread import TConn, ThreadWorker

from common import request_head
from common.request_head import Head

_CLOSE_SECONDS, _CLOSE_BYTES = 2.0, 1024 * 1024
_STATUSES = {
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
_OURS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)


class _Closing:
    """A connection whose client gets time to read the answer: closed at once, it might lose it."""

    def __init__(self) -> None:
        self.deadline = time.monotonic() + _CLOSE_SECONDS
        self.left_bytes = _CLOSE_BYTES


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """Apart from `handle_request` and `handle_error` all of it runs on the main thread."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.cfg.set("forwarded_allow_ips", "")
        self._heads: dict[TConn, Head] = {}
        self._closing: dict[TConn, _Closing] = {}

    def enqueue_req(self, conn: TConn) -> None:
        """Give a connection to the threads once the head of its request is there."""
        conn.init()
        conn.sock.settimeout(0)
        head = Head(conn.parser.unreader.take_buffered())
        self._heads[conn] = head
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))
        self._receive(conn)
        if len(self._heads) > request_head.MAX_WAITING:
            self._refuse(next(iter(self._heads)), HTTPStatus.SERVICE_UNAVAILABLE)

    def murder_pending(self) -> None:
        """End what has waited too long; called at least once a second."""
        while self._heads and (conn := next(iter(self._heads))) and self._heads[conn].late:
            self._refuse(conn, HTTPStatus.REQUEST_TIMEOUT)
        while (
            self._closing and (conn := next(iter(self._closing))) and self._closing[conn].deadline <= time.monotonic()
        ):
            self._close(conn)

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        """Close a connection that is done without waiting for its client."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
        else:
            self._begin_close(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Refuse two tokens: gunicorn joins them, and other servers take the first or the last."""
        if [name for name, _ in req.headers].count("AUTHORIZATION") > 1:
            raise errors.InvalidHeader("AUTHORIZATION", req=req)
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:  # noqa: ARG002 - gunicorn's signature
        """Answer in JSON, and log the kind of a client's mistake: an error's text quotes the request."""
        if isinstance(exc, errors.ParseException) and not isinstance(exc, _OURS):
            status = _STATUSES.get(type(exc), HTTPStatus.BAD_REQUEST)
            self.log.warning("A request cannot be used: %s.", type(exc).__name__)
        else:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            self.log.error("A request failed outside of its function.", exc_info=exc)
        request_head.refuse(client, status)

    def _receive(self, conn: TConn, _: object = None) -> None:
        head = self._heads[conn]
        if head.receive(conn.sock):
            del self._heads[conn]
            self.poller.unregister(conn.sock)
            conn.parser.unreader.unread(bytes(head.received))
            super().enqueue_req(conn)
        elif head.too_long:
            self._refuse(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _refuse(self, conn: TConn, status: HTTPStatus) -> None:
        if self._heads.pop(conn).received:  # else it is a connection that was opened early, and not used
            request_head.refuse(conn.sock, status)
        self.poller.unregister(conn.sock)
        self._begin_close(conn)

    def _begin_close(self, conn: TConn) -> None:
        self._closing[conn] = _Closing()
        try:
            conn.sock.settimeout(0)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._discard, conn))
        except (OSError, ValueError):  # closed already, by the client or by a thread
            self._close(conn)

    def _discard(self, conn: TConn, _: object) -> None:
        try:
            received = len(conn.sock.recv(_CLOSE_BYTES))
        except BlockingIOError:
            return
        except OSError:
            received = 0
        self._closing[conn].left_bytes -= received
        if not received or self._closing[conn].left_bytes <= 0:
            self._close(conn)

    def _close(self, conn: TConn) -> None:
        del self._closing[conn]
        with suppress(KeyError, ValueError, OSError):  # it may be closed already
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()
