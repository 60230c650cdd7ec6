"""The one place that knows Flask requests and responses.

A function hands `answer` its request, its route and one use case. What comes back is JSON in every case, also
for what functions-framework would have answered in HTML.
"""

import io
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote_to_bytes

import flask
import msgspec
from flask import Response
from msgspec import Struct
from werkzeug.exceptions import HTTPException

from common.errors import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    SyncError,
    TooLarge,
    Unavailable,
    UriTooLong,
)

if TYPE_CHECKING:
    from common.settings import Settings
    from common.tasks.requests import NewTask, Query

_log = logging.getLogger(__name__)

MAX_QUERY_BYTES = 64 * 1024
"""Of the query as sent: the longest accepted startedBy, percent-encoded, fits."""

_PIECE_BYTES = 64 * 1024
_DISCARD_BYTES = 16 * 1024 * 1024
_INTERNAL = "Something went wrong here that is not the request's fault; the function's log says what. Try again later."
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

Payload = Mapping[str, Any]
"""A JSON object to answer with."""


class Route(Struct, frozen=True):
    """Where a function answers: at / and /name, and with `subpaths` also at what follows (/name/<id> and /<id>).

    `methods`: the first one is the route's own; a body counts only if that is POST. `safe`: the request changes
    nothing, so HEAD is answered too (GET /spec starts a task). `anonymous_events`: CloudEvents may come without a
    token where SYNCCTL_EVENTS_WITHOUT_TOKEN allows it.
    """

    name: str
    methods: tuple[Literal["GET", "POST"], ...]
    subpaths: bool = False
    safe: bool = False
    anonymous_events: bool = False

    @property
    def allowed(self) -> tuple[str, ...]:
        """The value of the Allow header."""
        return (*self.methods, "HEAD") if self.safe else self.methods

    def subpath(self, path: str) -> str | None:
        """Return what follows the route in a path, "" for the route itself; None for a path of another route."""
        path = path.removesuffix("/")
        if path in {"", f"/{self.name}"}:
            return ""
        if not self.subpaths:
            return None
        return path.removeprefix(f"/{self.name}/") if path.startswith(f"/{self.name}/") else path[1:]


_HEALTH = Route("health", ("GET",), safe=True)


class Request(Struct, frozen=True):
    """An authenticated request, as use cases get it; the names of headers are in lower case."""

    query: "Query"
    body: bytes
    subpath: str
    settings: "Settings"
    headers: Mapping[str, str]


def route(
    name: str,
    *methods: Literal["GET", "POST"],
    subpaths: bool = False,
    safe: bool = False,
    anonymous_events: bool = False,
) -> Route:
    """Return a function's route. While functions-framework loads the function, this also makes its app speak JSON."""
    if flask.has_app_context():
        app = flask.current_app
        app.register_error_handler(HTTPException, _http_error)
        app.register_error_handler(500, _http_error)
    return Route(name, methods, subpaths, safe, anonymous_events)


def answer(request: flask.Request, where: Route, use_case: Callable[[Request], Payload]) -> Response:
    """Authenticates, reads, runs the use case, and answers JSON whatever happens."""
    if request.path.removesuffix("/") == "/health":
        where = _HEALTH
    try:
        response = _json(_run(request, where, use_case))
    except SyncError as error:
        response = _sync_error(error, where)
    except HTTPException as error:
        response = _http_error(error)
    except Exception:  # noqa: BLE001 - whatever it is, the caller gets JSON, and the log the rest
        _log.exception("A request failed unexpectedly.", extra={"action": where.name})
        response = _json({"ok": False, "error": _INTERNAL}, HTTPStatus.INTERNAL_SERVER_ERROR)
    _discard_body(request)
    return response


def start(request: flask.Request, where: Route, parse: "Callable[[Query, bytes], NewTask]") -> Response:
    """Answers a request that starts a task."""

    def use_case(call: Request) -> Payload:
        task = parse(call.query, call.body)
        if not call.settings.syncs_enabled:
            raise Unavailable("Tasks are switched off here (SYNCCTL_SYNCS_ENABLED).")
        from common.tasks.start import start as start_task

        started = start_task(task, call.settings)
        return {"ok": True, "status": "ok", "taskId": started.task_id, "startedAt": started.started_at}

    return answer(request, where, use_case)


def _run(request: flask.Request, where: Route, use_case: Callable[[Request], Payload]) -> Payload:
    """In the order of the original: health, then the token, the path, the method, and only then the content."""
    if where is _HEALTH:
        _check_method(request, where)
        return {"status": "pass"}
    from common import logs, settings

    current = settings.current()
    logs.set_up(current.log_format, current.instance_id)
    headers = {name.lower(): value for name, value in request.headers.items()}
    _authenticate(headers, where, current)
    subpath = where.subpath(request.path)
    if subpath is None:
        raise NotFound(f"There is nothing at this path; this function answers at /{where.name} and /health.")
    _check_method(request, where)
    _check_query(request.query_string)
    body = _read_body(request, current.max_body_bytes) if where.methods[0] == "POST" else b""
    return use_case(Request(request.args, body, subpath, current, headers))


def _authenticate(headers: Mapping[str, str], where: Route, settings: "Settings") -> None:
    from common import auth

    if where.anonymous_events and settings.events_without_token and "authorization" not in headers:
        from common.sweep import events

        if events.is_event(headers):
            return
    auth.authenticate(headers.get("authorization"), settings)


def _check_method(request: flask.Request, where: Route) -> None:
    if request.method not in where.allowed:
        raise MethodNotAllowed(f"Use {' or '.join(where.allowed)} here.")


def _check_query(query: bytes) -> None:
    """Werkzeug would put U+FFFD where the query is not UTF-8, and one name could pass for another."""
    if len(query) > MAX_QUERY_BYTES:
        raise UriTooLong(f"The query is longer than {MAX_QUERY_BYTES} bytes; send less.")
    for parameter in query.split(b"&"):
        try:
            unquote_to_bytes(parameter).decode()
        except UnicodeDecodeError:
            name = parameter.partition(b"=")[0].decode("ascii", "backslashreplace")[:40]
            raise BadRequest(f"{name}: is not UTF-8; percent-encode the bytes of UTF-8 text.") from None


def _read_body(request: flask.Request, limit: int) -> bytes:
    """The whole body, chunked or not.

    Not with Flask's MAX_CONTENT_LENGTH: under functions-framework it cuts chunked bodies short without a word.
    """
    too_large = TooLarge(f"The body is larger than {limit} bytes (SYNCCTL_MAX_BODY_BYTES).")
    announced = request.content_length
    if announced is not None and announced > limit:
        raise too_large
    body = bytearray()
    try:
        while len(body) <= limit and (piece := request.stream.read(_PIECE_BYTES)):
            body += piece
    except Exception as error:  # what a server's stream raises is the server's own; its cause is the sender
        raise BadRequest("The body cannot be read: it broke off, or its chunks are malformed.") from error
    if len(body) > limit:
        raise too_large
    if announced is not None and len(body) < announced:
        raise BadRequest(f"The body broke off after {len(body)} of {announced} bytes.")
    return bytes(body)


def _discard_body(request: flask.Request) -> None:
    """Lets a sender finish, within bounds, so that it reads our answer, and leaves no body behind.

    functions-framework reads what is left into memory before it answers, however much it is.
    """
    left = _DISCARD_BYTES
    try:
        while left > 0 and (piece := request.stream.read(_PIECE_BYTES)):
            left -= len(piece)
    except Exception:  # noqa: BLE001 - as in _read_body; the answer stands already
        _log.debug("A body could not be read to its end.", exc_info=True)
    request.stream = io.BytesIO()


def _sync_error(error: SyncError, where: Route) -> Response:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        cause = type(error.__cause__).__name__  # its text may hold what it was given
        _log.error("A request failed: %s", error.message, extra={"action": where.name, "cause": cause})
    response = _json({"ok": False, "error": error.message}, error.status)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(where.allowed)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http_error(error: HTTPException) -> Response:
    """Flask's and Werkzeug's own errors; their texts may repeat what was sent."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    text = _INTERNAL if status >= HTTPStatus.INTERNAL_SERVER_ERROR else f"The request cannot be used: {status.phrase}."
    return _json({"ok": False, "error": text}, status)


def _json(payload: Payload, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(payload), status, _HEADERS, content_type="application/json")
