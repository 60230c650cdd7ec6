"""HTTP for every function: authenticate, check, run one use case, answer JSON.

Apart from the functions' signatures and static_files the only code that knows Flask.
"""

import importlib
import io
import logging
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import flask
import msgspec
from flask import Response
from msgspec import structs
from werkzeug.exceptions import HTTPException

from common import routes
from common.errors import BadRequest, MethodNotAllowed, NotFound, SyncError, Unavailable, UriTooLong
from common.request import Payload, Query, Request, Tagged, Text
from common.request_body import Body
from common.request_head import refusal
from common.routes import Method, Route, Rules

if TYPE_CHECKING:
    from common.settings import Settings
    from common.tasks.requests import NewTask

__all__ = ["Method", "Payload", "Request", "Route", "Rules", "Text", "answer", "dispatch", "hand_out", "route", "start"]
_log = logging.getLogger(__name__)

MAX_QUERY_BYTES = 64 * 1024
"""Of the query as sent: the longest accepted startedBy, percent-encoded, fits."""

_COMPRESS_FROM = 4096
"""Bytes of an answer from which on it is worth it."""
_LOOKS = frozenset({"GET", "HEAD"})
_INTERNAL = "The function failed for a reason that is not in the request; its log has the details. Try again later."
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

UseCase = Callable[[Request], Payload | Text]

_parsing = threading.Lock()
"""A body that is decoded takes up to 60 times its size: one at a time. The interpreter decodes one at a time anyway."""

_HEALTH = Route("health", ("GET",), safe=True)
_OPENAPI = Route("openapi.json", ("GET",), safe=True)
_OPEN = {"/health": _HEALTH, "/openapi.json": _OPENAPI}
"""What every function answers without a token and without settings."""


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


def answer(request: flask.Request, route: Route, use_case: UseCase) -> Response:
    """Authenticate and check a request, run the use case, and answer JSON, or text where that was asked for."""
    route = _OPEN.get(request.path.removesuffix("/"), route)
    body = Body(request.stream, request.content_length, request.environ)
    try:
        response = _response(_run(request, body, route, use_case))
    except SyncError as error:
        response = _sync_error(error, route)
    except HTTPException as error:
        response = _http_error(error)
    except Exception:  # noqa: BLE001 - the caller gets JSON, the log the traceback
        _log.exception("A request failed unexpectedly.", extra={"action": route.name})
        response = _json({"ok": False, "error": _INTERNAL}, HTTPStatus.INTERNAL_SERVER_ERROR)
    _compress(request, response)
    return _without_body(request, body, response)


def hand_out(request: flask.Request, route: Route, found: Callable[[flask.Request], Response]) -> Response:
    """Answer what nobody needs a token for: health and the API's description, as every function, and what is found."""
    if request.path.removesuffix("/") in _OPEN:
        return answer(request, route, _nothing)
    return _without_body(request, Body(request.stream, request.content_length, request.environ), found(request))


def dispatch(request: flask.Request, route: Route, rules: Rules) -> Response:
    """Answer a request by the use case that the rules name for its path and method."""
    lacks_end = _raw_path(request).endswith("/")

    def use_case(request: Request) -> Payload | Text:
        if lacks_end and request.names and request.method not in _LOOKS:
            # A browser sends /NAME/state/.. as /NAME/: what was to forget a state would delete the sync.
            raise BadRequest(
                "The path of this change ends in a slash: a name is missing there, or one such as `..`, which clients "
                "take out of a path. Send no slash at its end."
            )
        name, names = routes.choose(rules, route, request.method, request.names)
        module, _, function = name.partition(":")
        run: UseCase = getattr(importlib.import_module(module), function)
        return run(structs.replace(request, names=names))

    return answer(request, route, use_case)


def start(request: flask.Request, route: Route, parse: "Callable[[Query, bytes], NewTask]") -> Response:
    """Answer a request that starts a task."""

    def use_case(request: Request) -> Payload:
        with _parsing:
            task = parse(request.query, request.body)
        if not request.settings.syncs_enabled:
            raise Unavailable("Tasks are switched off here (SYNCCTL_SYNCS_ENABLED).")
        from common.tasks.start import start as start_task

        return start_task(task, request.settings).answer()

    return answer(request, route, use_case)


def _nothing(_: Request) -> Payload:
    raise NotFound("There is nothing at this path.")


def _without_body(request: flask.Request, body: Body, response: Response) -> Response:
    """Return the answer; functions-framework would read the rest of the body into memory, whatever its size."""
    request.stream = io.BytesIO()
    response.call_on_close(body.discard)
    return response


def _run(request: flask.Request, body: Body, route: Route, use_case: UseCase) -> Payload | Text:
    """Check in the order of the original: health, token, path, method, and only then the content."""
    if route in _OPEN.values():
        _check_method(request, route)
        return {"status": "pass"} if route is _HEALTH else _document()
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
    content = _read(body, headers, route, current) if route.takes_body(request.method) else b""
    names = routes.split(_raw_path(request), route.name) if route.subpaths else ()
    return use_case(Request(request.args, content, subpath, current, headers, request.method, names))


def _document() -> Any:
    """Return docs/reference/openapi.json, which `python -m tools.openapi` also writes beside this module."""
    return msgspec.Raw((Path(__file__).parent / "openapi.json").read_bytes())


def _raw_path(request: flask.Request) -> str:
    """Return the path as sent: gunicorn and cheroot keep it, each under a name of its own."""
    given = str(request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI") or request.path)
    return given.partition("?")[0] if given.startswith("/") else urlsplit(given).path


def _authenticate(headers: Mapping[str, str], route: Route, settings: "Settings") -> None:
    from common import auth

    if route.anonymous_events and settings.events_without_token and "authorization" not in headers:
        from common.sweep import events

        if events.is_event(headers):
            return
    auth.authenticate(headers.get("authorization"), settings)


def _read(body: Body, headers: Mapping[str, str], route: Route, settings: "Settings") -> bytes:
    if not route.anonymous_events:
        return body.read(
            settings.max_body_bytes,
            "Select fewer streams or send fewer documents at once, or raise SYNCCTL_MAX_BODY_BYTES.",
        )
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
    response = _json({"ok": False, "error": error.message, **error.details}, error.status)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed or route.allowed)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http_error(error: HTTPException) -> Response:
    """Answer Flask's and Werkzeug's own errors, whose texts may repeat the request."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    internal = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return _json({"ok": False, "error": _INTERNAL} if internal else refusal(status.phrase), status)


def _response(found: Payload | Text) -> Response:
    if isinstance(found, Text):
        return Response(_encoded(found.parts), HTTPStatus.OK, _HEADERS, content_type=found.content_type)
    response = _json(found)
    if isinstance(found, Tagged):
        response.headers["ETag"] = f'W/"{found.tag}"'
        if not found:
            response.data, response.status_code = b"", HTTPStatus.NOT_MODIFIED
    return response


def _compress(request: flask.Request, response: Response) -> None:
    """Compress a long answer for who takes that, as browsers do: lists repeat their names.

    Strangers cannot measure it: without the token they get no such answer.
    """
    if response.is_streamed or len(response.data) < _COMPRESS_FROM or "Content-Encoding" in response.headers:
        return
    response.headers["Vary"] = "Accept-Encoding"
    if request.accept_encodings.quality("gzip"):
        response.data = zlib.compress(response.data, level=1, wbits=31)
        response.headers["Content-Encoding"] = "gzip"


def _encoded(parts: Iterator[str]) -> Iterator[bytes]:
    """Encode what is sent by and by. An error breaks the connection off: nobody takes what has come for the whole."""
    try:
        for part in parts:
            yield part.encode("utf-8", "replace")
    except SyncError as error:
        _log.error("An answer broke off: %s", error.message)
        raise


def _json(payload: Payload, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(payload), status, _HEADERS, content_type="application/json")
