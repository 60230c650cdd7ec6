"""HTTP for every function: authenticate, check, run one use case, answer JSON.

Apart from the functions' signatures the only code that knows Flask.
"""

import io
import logging
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote_to_bytes

import flask
import msgspec
from flask import Response
from msgspec import Struct
from werkzeug.exceptions import HTTPException

from common.errors import BadRequest, MethodNotAllowed, NotFound, SyncError, Unavailable, UriTooLong
from common.request_body import Body
from common.request_head import refusal

if TYPE_CHECKING:
    from common.settings import Settings
    from common.tasks.requests import NewTask, Query

_log = logging.getLogger(__name__)

MAX_QUERY_BYTES = 64 * 1024
"""Of the query as sent: the longest accepted startedBy, percent-encoded, fits."""

_INTERNAL = "The function failed for a reason that is not in the request; its log has the details. Try again later."
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

_parsing = threading.Lock()
"""A body that is decoded takes up to 60 times its size: one at a time. The interpreter decodes one at a time anyway."""

Method = Literal["GET", "POST"]
Payload = Mapping[str, Any]
"""A JSON object to answer with."""


class Route(Struct, frozen=True):
    """Where a function answers: / and /name; with `subpaths` also /name/<id> and /<id>.

    `methods`: the first is the main one; only if that is POST is the body read. `safe`: the request changes nothing,
    so HEAD is answered too (GET /spec starts a task). `anonymous_events`: CloudEvents need no token if
    SYNCCTL_EVENTS_WITHOUT_TOKEN is set; a body is an event's, and small.
    """

    name: str
    methods: tuple[Method, ...]
    subpaths: bool = False
    safe: bool = False
    anonymous_events: bool = False

    @property
    def allowed(self) -> tuple[str, ...]:
        """The value of the Allow header."""
        return (*self.methods, "HEAD") if self.safe else self.methods

    def subpath(self, path: str) -> str | None:
        """Return the part of a path below the route, "" for the route itself, None for a path of no route."""
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
    name: str, *methods: Method, subpaths: bool = False, safe: bool = False, anonymous_events: bool = False
) -> Route:
    """Return a function's route. While functions-framework loads the function, this also sets up app and server."""
    if flask.has_app_context():
        for kind in (HTTPException, 500):
            flask.current_app.register_error_handler(kind, _http_error)
        from gunicorn import config

        # functions-framework, which starts gunicorn later, leaves this setting at its default.
        config.WorkerClass.default = "common.worker.Worker"
    return Route(name, methods, subpaths, safe, anonymous_events)


def answer(request: flask.Request, route: Route, use_case: Callable[[Request], Payload]) -> Response:
    """Authenticate and check a request, run the use case, and answer JSON whatever happens."""
    if request.path.removesuffix("/") == "/health":
        route = _HEALTH
    body = Body(request.stream, request.content_length, request.environ)
    try:
        response = _json(_run(request, body, route, use_case))
    except SyncError as error:
        response = _sync_error(error, route)
    except HTTPException as error:
        response = _http_error(error)
    except Exception:  # noqa: BLE001 - the caller gets JSON, the log the traceback
        _log.exception("A request failed unexpectedly.", extra={"action": route.name})
        response = _json({"ok": False, "error": _INTERNAL}, HTTPStatus.INTERNAL_SERVER_ERROR)
    # functions-framework would read the rest into memory, whatever its size.
    request.stream = io.BytesIO()
    response.call_on_close(body.discard)
    return response


def start(request: flask.Request, route: Route, parse: "Callable[[Query, bytes], NewTask]") -> Response:
    """Answer a request that starts a task."""

    def use_case(request: Request) -> Payload:
        with _parsing:
            task = parse(request.query, request.body)
        if not request.settings.syncs_enabled:
            raise Unavailable("Tasks are switched off here (SYNCCTL_SYNCS_ENABLED).")
        from common.tasks.start import start as start_task

        started = start_task(task, request.settings)
        return {"ok": True, "status": "ok", "taskId": started.task_id, "startedAt": started.started_at}

    return answer(request, route, use_case)


def _run(request: flask.Request, body: Body, route: Route, use_case: Callable[[Request], Payload]) -> Payload:
    """Check in the order of the original: health, token, path, method, and only then the content."""
    if route is _HEALTH:
        _check_method(request, route)
        return {"status": "pass"}
    from common import logs, settings

    current = settings.current()
    logs.set_up(current.log_format, current.instance_id)
    for text in current.take_warnings():
        _log.warning(text)
    headers = {name.lower(): value for name, value in request.headers.items()}
    _authenticate(headers, route, current)
    subpath = route.subpath(request.path)
    if subpath is None:
        raise NotFound(f"There is nothing at this path; this function answers at /{route.name} and /health.")
    _check_method(request, route)
    _check_query(request.query_string)
    content = _read(body, headers, route, current) if route.methods[0] == "POST" else b""
    return use_case(Request(request.args, content, subpath, current, headers))


def _authenticate(headers: Mapping[str, str], route: Route, settings: "Settings") -> None:
    from common import auth

    if route.anonymous_events and settings.events_without_token and "authorization" not in headers:
        from common.sweep import events

        if events.is_event(headers):
            return
    auth.authenticate(headers.get("authorization"), settings)


def _read(body: Body, headers: Mapping[str, str], route: Route, settings: "Settings") -> bytes:
    if not route.anonymous_events:
        return body.read(settings.max_body_bytes, "Select fewer streams, or raise SYNCCTL_MAX_BODY_BYTES.")
    from common.sweep import events

    if not events.has_body(headers):
        return b""
    read = body.read if "authorization" in headers else body.read_strangers
    return read(events.MAX_BYTES, "Send a CloudEvent by reference.")


def _check_method(request: flask.Request, route: Route) -> None:
    if request.method not in route.allowed:
        raise MethodNotAllowed(f"Use {' or '.join(route.allowed)} here.")


def _check_query(query: bytes) -> None:
    """Refuse what is not UTF-8: Werkzeug would replace it by U+FFFD, and two names could become one."""
    if len(query) > MAX_QUERY_BYTES:
        raise UriTooLong(f"The query is longer than {MAX_QUERY_BYTES} bytes; send less.")
    for parameter in query.split(b"&"):
        try:
            unquote_to_bytes(parameter).decode()
        except UnicodeDecodeError:
            name = parameter.partition(b"=")[0].decode("ascii", "backslashreplace")[:40]
            raise BadRequest(f"{name}: is not UTF-8; percent-encode the bytes of UTF-8 text.") from None


def _sync_error(error: SyncError, route: Route) -> Response:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        cause = type(error.__cause__).__name__  # its text may hold secrets
        _log.error("A request failed: %s", error.message, extra={"action": route.name, "cause": cause})
    response = _json({"ok": False, "error": error.message}, error.status)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(route.allowed)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http_error(error: HTTPException) -> Response:
    """Answer Flask's and Werkzeug's own errors, whose texts may repeat the request."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    internal = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return _json({"ok": False, "error": _INTERNAL} if internal else refusal(status.phrase), status)


def _json(payload: Payload, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(payload), status, _HEADERS, content_type="application/json")
