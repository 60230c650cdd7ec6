"""Bulker's HTTP as a WSGI application (docs/reference/contract.md E): /bulk and /post take rows; /ready and /health.

A refusal is answered at once, even in the middle of the body; the server drains the rest. `wsgi.input` must return b""
at the regular end of the body only, and raise OSError otherwise, as that of embedded.warehouse.server does.
"""

import hmac
import io
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from common.errors import BadRequest, MethodNotAllowed, NotFound, SyncError, Unauthorized
from embedded.warehouse import bulk_request
from embedded.warehouse.bulk_request import BulkRequest
from embedded.warehouse.lines import LINE_BYTES, PIECE_BYTES, Read

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

_log = logging.getLogger(__name__)


class BulkResult(Struct, frozen=True):
    """How many rows a request had, and how many are stored or replaced by a later one of the same key.

    `refusal`: why the first of the others is refused.
    """

    processed: int
    stored: int
    refusal: str = ""


class WarehouseApp:
    """The application. `save` stores the rows of a body, or none and raises SyncError."""

    def __init__(self, token: str, save: Callable[[BulkRequest, Read], BulkResult]) -> None:
        self._token = token.encode()
        self._save = save

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, answer = HTTPStatus.OK, self._route(environ)
        except SyncError as error:
            if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.error("A request for the warehouse failed: %s", error)
            status, answer = error.status, {"error": error.message}
        except Exception as error:  # noqa: BLE001 - every answer is JSON
            _log.error("A request for the warehouse failed: %s", type(error).__name__)
            status, answer = HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "The warehouse failed; its log says more."}
        body = msgspec.json.encode(answer)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _route(self, environ: Environ) -> dict[str, Any]:
        kind, _, destination = environ.get("PATH_INFO", "").strip("/").partition("/")
        if kind in {"health", "ready"} and not destination:
            return {"status": "pass"}
        self._authorize(environ.get("HTTP_AUTHORIZATION", ""))
        if kind not in {"bulk", "post"} or not destination:
            raise NotFound("destination not found: use POST /bulk/{id} or POST /post/{id}")
        if environ["REQUEST_METHOD"] != "POST":
            raise MethodNotAllowed(f"method not allowed: use POST /{kind}/{{id}}")
        return self._bulk(environ, destination) if kind == "bulk" else self._post(environ)

    def _authorize(self, header: str) -> None:
        given = header.removeprefix("Bearer ").strip()
        if not self._token:
            return
        if not given:
            raise Unauthorized("Authorization header with Bearer token is required")
        if not hmac.compare_digest(given.encode(), self._token):
            raise Unauthorized("Invalid token: give the warehouse's own")

    def _store(self, request: BulkRequest, read: Read) -> BulkResult:
        try:
            return self._save(request, read)
        except SyncError as exc:
            if exc.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            raise SyncError(f"stream complete error: {exc.message}") from exc

    def _bulk(self, environ: Environ, destination: str) -> dict[str, Any]:
        request = bulk_request.parse(destination, environ["QUERY_STRING"], environ.get("HTTP_X_JITSU_SCHEMA", ""))
        result = self._store(request, _reader(environ))
        if not result.processed:
            return {"message": "ok"}
        state = {
            "representation": {"name": request.table},
            "status": "COMPLETED",
            "processedRows": result.processed,
            "successfulRows": result.stored,
            "processingTimeSec": 0,
        }
        refused = result.processed - result.stored
        # Bulker refuses requests, not rows; these two tell a sender that rows are refused, not lost.
        state |= {"refusedRows": refused, "refusal": result.refusal} if refused else {}
        return {"message": "ok", "state": state}

    def _post(self, environ: Environ) -> dict[str, Any]:
        request = bulk_request.parse_event(environ["QUERY_STRING"])
        event = _whole(_reader(environ))
        result = self._store(request, io.BytesIO(event).read)
        if not result.stored:
            raise BadRequest("stream consume error: the event cannot be stored; the warehouse's log says why")
        return {"message": "ok"}


def _reader(environ: Environ) -> Read:
    """Return a reader of the body that raises errors in Bulker's words."""
    read: Read = environ["wsgi.input"].read

    def guarded(size: int) -> bytes:
        try:
            return read(size)
        except TimeoutError as exc:
            raise BadRequest("stream consume error: the request took too long; send fewer rows at once") from exc
        except (OSError, ValueError) as exc:
            raise BadRequest("stream consume error: the body broke off; nothing was stored") from exc

    return guarded


def _whole(read: Read) -> bytes:
    """Return a JSON document on one line: line feeds are only between its tokens."""
    pieces: list[bytes] = []
    size = 0
    while piece := read(PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > LINE_BYTES:
            raise BadRequest(f"scanner error: token too long: an event has at most {LINE_BYTES:,} bytes")
    event = b"".join(pieces).replace(b"\n", b" ")
    if not event.strip():
        raise BadRequest("unmarhsal error: the body is empty; send one JSON object")
    return event
