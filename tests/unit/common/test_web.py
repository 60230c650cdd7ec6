"""Requests in, JSON out: the rules that every function shares."""

import gzip
import io
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import flask
import pytest
from flask.testing import FlaskClient
from msgspec import Struct

from common import settings, web
from common.errors import NotFound, QuotaExceeded, SettingsError, StoreUnavailable
from common.request import Tagged, Text
from common.settings import Settings
from common.web import Payload, Request, Route

LIMIT = 2000
HEALTH = {"status": "pass"}


class _Function(Struct):
    """A function in its app, and what its use case was called with."""

    client: FlaskClient
    calls: list[Request]
    fails_with: list[Exception]
    answers: list[Payload | Text]


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    settings.use(Settings.model_validate({"auth_tokens": "right", "max_body_bytes": LIMIT}))
    yield
    settings.use(None)


def _function(method: Any, *, subpaths: bool = False) -> _Function:
    """Loads a function as functions-framework does: its route inside the app, its handler at every path."""
    app = flask.Flask("function")
    function = _Function(app.test_client(), [], [], [])
    function.client.environ_base["HTTP_AUTHORIZATION"] = "Bearer right"
    with app.app_context():
        route = web.route("things", method, subpaths=subpaths, safe=method == "GET")

    def use_case(request: Request) -> Payload | Text:
        function.calls.append(request)
        if function.fails_with:
            raise function.fails_with[0]
        return function.answers[0] if function.answers else {"ok": True}

    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]

    def view(**_: str) -> flask.Response:
        return web.answer(flask.request, route, use_case)

    for rule in ("/", "/<path:path>"):
        app.add_url_rule(rule, "view", view, methods=methods)
    return function


@pytest.fixture
def get() -> _Function:
    return _function("GET")


@pytest.fixture
def post() -> _Function:
    return _function("POST")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", ""), ("", ""), ("/things", ""), ("/things/", ""), ("/x", None), ("/things/x", None), ("/thingsx", None)],
)
def test_a_function_answers_at_its_name_and_at_the_root(path: str, expected: str | None):
    """So that paths may be routed with and without rewriting."""
    assert Route("things", ("GET",)).subpath(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ""),
        ("/things", ""),
        ("/things/", ""),
        ("/things/a", "a"),
        ("/a", "a"),
        ("/things/a/b", "a/b"),
        ("/thingsx", "thingsx"),
    ],
)
def test_what_follows_the_route_names_a_thing(path: str, expected: str | None):
    """Also when it holds a slash."""
    assert Route("things", ("GET",), subpaths=True).subpath(path) == expected


@pytest.mark.parametrize("path", ["/health", "/health/"])
def test_health_needs_no_token_and_no_settings(get: _Function, path: str, monkeypatch: pytest.MonkeyPatch):
    """A probe sees whether the process answers, nothing else."""
    settings.use(None)
    monkeypatch.setenv("SYNCCTL_TASK_TIMEOUT_HOURS", "never")
    answer = get.client.get(path, headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json) == (200, HEALTH)
    assert get.client.post(path).headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/things", "/nothing", "/robots.txt"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_token_comes_before_path_and_method(get: _Function, path: str, method: str):
    """Who has none learns nothing else."""
    for header in ("", "Bearer wrong"):
        answer = get.client.open(path, method=method, headers={"Authorization": header})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert not get.calls


def test_an_unknown_path_is_refused_in_json(get: _Function):
    """With the paths that there are."""
    answer = get.client.get("/nothing")
    assert answer.status_code == 404
    assert answer.json == {
        "ok": False,
        "error": "There is nothing at this path; this function answers at /things and /health.",
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_another_method_gets_the_allowed_ones(get: _Function, post: _Function, method: str):
    """Per route; HEAD goes with a GET that only looks."""
    answer = get.client.open("/things", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    answer = post.client.get("/things")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert get.client.head("/things").status_code == 200


def test_every_answer_is_json_that_no_browser_reinterprets(get: _Function):
    """Success and failure alike, also what Flask itself would answer in HTML."""
    for path in ("/things", "/health", "/nothing", "/things//a", "/static/a"):
        answer = get.client.get(path)
        assert answer.content_type == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.json is not None


@pytest.mark.parametrize(("accepted", "compressed"), [("gzip, br", True), ("gzip;q=0", False), ("", False)])
def test_a_long_answer_is_compressed_for_who_takes_that(get: _Function, accepted: str, compressed: bool):
    """A list of a thousand syncs has a megabyte; a browser asks for it each time that something has changed."""
    get.answers.append({"ok": True, "runs": [{"state": "SUCCESS"}] * 1000})
    plain = get.client.get("/things", headers={"Accept-Encoding": "identity"})
    found = get.client.get("/things", headers={"Accept-Encoding": accepted})
    assert found.headers.get("Content-Encoding") == ("gzip" if compressed else None)
    assert found.headers["Vary"] == "Accept-Encoding"
    assert int(found.headers["Content-Length"]) == len(found.data)
    assert (gzip.decompress(found.data) if compressed else found.data) == plain.data
    assert (len(found.data) < len(plain.data) / 10) == compressed


def test_a_short_answer_is_not_compressed(get: _Function):
    """As most are."""
    assert "Content-Encoding" not in get.client.get("/things", headers={"Accept-Encoding": "gzip"}).headers


def test_a_use_case_gets_query_body_and_settings(post: _Function):
    """And nothing of Flask; any content type will do."""
    answer = post.client.post("/things?a=1&a=2", data=b"\x00body", content_type="text/html")
    assert (answer.status_code, answer.json) == (200, {"ok": True})
    call = post.calls[0]
    assert (dict(call.query.lists()), call.body, call.subpath) == ({"a": ["1", "2"]}, b"\x00body", "")
    assert call.settings is settings.current()


def test_our_errors_become_their_status_and_sentence(get: _Function):
    """With Retry-After where waiting helps."""
    get.fails_with.append(NotFound("No such thing."))
    answer = get.client.get("/")
    assert (answer.status_code, answer.json) == (404, {"ok": False, "error": "No such thing."})
    assert "Retry-After" not in answer.headers
    get.fails_with[0] = QuotaExceeded("Full.")
    answer = get.client.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")


def test_an_unexpected_exception_is_logged_once_and_not_shown(get: _Function, caplog: pytest.LogCaptureFixture):
    """The log has the traceback; the caller has a sentence without the exception's text."""
    get.fails_with.append(RuntimeError("password=hunter2"))
    answer = get.client.get("/")
    assert answer.status_code == 500
    assert answer.json is not None
    assert answer.json["ok"] is False
    assert "hunter2" not in answer.text
    assert [(record.levelno, record.exc_info is not None) for record in caplog.records] == [(logging.ERROR, True)]


def test_our_own_500_is_logged_without_its_cause(get: _Function, caplog: pytest.LogCaptureFixture):
    """A driver's text may hold what it was given."""
    error = SettingsError("SYNCCTL_X is missing.")
    error.__cause__ = ValueError("hunter2")
    get.fails_with.append(error)
    assert get.client.get("/").status_code == 500
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "hunter2" not in caplog.text


def test_unusable_settings_are_named(get: _Function, monkeypatch: pytest.MonkeyPatch):
    """To every caller: nobody can be authenticated."""
    settings.use(None)
    monkeypatch.setenv("SYNCCTL_TASK_TIMEOUT_HOURS", "never")
    answer = get.client.get("/")
    assert answer.status_code == 500
    assert answer.json is not None
    assert "SYNCCTL_TASK_TIMEOUT_HOURS" in answer.json["error"]


@pytest.mark.fault(82)
def test_a_long_query_is_refused(get: _Function):
    """414, and the use case never sees it."""
    assert get.client.get("/?a=" + "x" * web.MAX_QUERY_BYTES).status_code == 414
    assert not get.calls


class _Endless(io.RawIOBase):
    """A body without end, as a chunked one can be; counts what was taken from it."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "reads everything"
        self.taken += size
        return b"x" * size


@pytest.mark.parametrize("query", ["syncId=%FF", "a=b&syncId=n%C3", "syncId=x%ED%A0%80"])
def test_a_query_that_is_not_utf_8_is_refused(get: _Function, query: str):
    """Else two different names could come to be one; U+FFFD itself is a character like any other."""
    answer = get.client.get(f"/?{query}")
    assert answer.status_code == 400
    assert answer.json == {"ok": False, "error": "syncId: is not UTF-8; percent-encode the bytes of UTF-8 text."}
    assert not get.calls
    assert get.client.get("/?syncId=%EF%BF%BD").status_code == 200


class _Broken(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        raise RuntimeError(f"hunter2 {size}")


def _stream(function: _Function, stream: io.RawIOBase, **environ: str) -> Any:
    given = {"wsgi.input": stream, "wsgi.input_terminated": True, **environ}
    return function.client.open("/", method="POST", environ_overrides=given)


def test_a_body_up_to_the_limit_is_read_whole(post: _Function):
    """With and without an announced length; one byte more is 413."""
    for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
        assert post.client.post("/", data=b"x" * size).status_code == status
        assert _stream(post, io.BytesIO(b"x" * size)).status_code == status  # type: ignore[arg-type] # any stream will do
    assert [len(call.body) for call in post.calls] == [LIMIT, LIMIT]
    refused = post.client.post("/", data=b"x" * (LIMIT + 1)).text
    assert f"{LIMIT + 1:,} bytes; {LIMIT:,} are allowed" in refused


def test_an_endless_body_ends_at_a_bound(post: _Function, get: _Function):
    """Whatever the answer is, little of the body is read and nothing is kept."""
    for function, header, status in ((post, "right", 413), (post, "wrong", 401), (get, "right", 405)):
        body = _Endless()
        assert _stream(function, body, HTTP_AUTHORIZATION=f"Bearer {header}").status_code == status
        assert body.taken < 32 * 1024 * 1024


def test_a_body_that_breaks_off_is_the_callers_fault(post: _Function):
    """Neither a 500, nor a request cut short that looks whole."""
    answer = _stream(post, _Broken())
    assert (answer.status_code, "hunter2" in answer.text) == (400, False)
    answer = _stream(post, io.BytesIO(b"{}"), CONTENT_LENGTH="100")  # type: ignore[arg-type] # any stream will do
    assert (answer.status_code, answer.json["error"]) == (400, "The body broke off after 2 of 100 bytes.")
    assert not post.calls


def test_nothing_of_a_body_is_left_to_be_read_after_the_answer(post: _Function):
    """functions-framework would read the rest of it into memory, however long it is."""
    with post.client:
        assert _stream(post, _Endless()).status_code == 413
        assert flask.request.get_data() == b""


def test_head_starts_nothing():
    """GET /spec starts a task, so HEAD /spec is refused: proxies and link checkers send HEAD on their own."""
    assert Route("spec", ("GET",)).allowed == ("GET",)
    assert Route("tasks", ("GET",), safe=True).allowed == ("GET", "HEAD")


RULES: web.Rules = {
    "": {"GET": "tests.unit.common.test_web:show"},
    "NAME": {"GET": "tests.unit.common.test_web:show", "PUT": "tests.unit.common.test_web:show"},
    "NAME/state/STREAM": {"GET": "tests.unit.common.test_web:show"},
    "NAME/state/undo": {"POST": "tests.unit.common.test_web:show"},
}


def show(request: Request) -> Payload:
    """A use case."""
    return {"names": request.names, "method": request.method, "body": request.body.decode()}


@pytest.fixture
def dispatched() -> FlaskClient:
    """A function with several paths."""
    app = flask.Flask("function")
    with app.app_context():
        route = web.route("things", "GET", "PUT", "POST", subpaths=True, safe=True)

    def view(**_: str) -> flask.Response:
        return web.dispatch(flask.request, route, RULES)

    for rule in ("/", "/<path:path>"):
        app.add_url_rule(rule, "view", view, methods=["GET", "HEAD", "POST", "PUT", "DELETE"])
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer right"
    return client


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/things", []),
        ("/things/", []),
        ("/", []),
        ("/things/a", ["a"]),
        ("/a", ["a"]),
        ("/things/things", ["things"]),
        ("/things/a%2Fb", ["a/b"]),
        ("/things/a%2F%2Fb", ["a//b"]),
        ("/things/%C3%A4%25?x=/", ["ä%"]),
        ("/things/a/state/s%2Ft.u", ["a", "s/t.u"]),
        ("/things/a/state/undo", ["a", "undo"]),
        ("http://elsewhere/things/a", ["a"]),
    ],
)
def test_a_path_is_split_before_it_is_decoded(path: str, names: list[str], dispatched: FlaskClient):
    """A name may hold slashes, percent-encoded."""
    answer = dispatched.get("/", environ_overrides={"REQUEST_URI": path, "PATH_INFO": unquote(path.partition("?")[0])})
    assert (answer.status_code, answer.json) == (200, {"names": names, "method": "GET", "body": ""})


def test_a_fixed_word_wins_where_it_takes_the_method(dispatched: FlaskClient):
    """A stream may be called undo."""
    assert dispatched.post("/things/a/state/undo").json == {"names": ["a"], "method": "POST", "body": ""}
    assert dispatched.head("/things/a/state/undo").status_code == 200


def test_a_put_has_a_body_and_a_post_beside_a_get_has_none(dispatched: FlaskClient):
    """What is not read means nothing."""
    assert dispatched.put("/things/a", data=b"x").json == {"names": ["a"], "method": "PUT", "body": "x"}
    unread = {"names": ["a"], "method": "POST", "body": ""}
    assert dispatched.post("/things/a/state/undo", data=b"x").json == unread


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("DELETE", "/things/a", 405, "GET, PUT, POST, HEAD"),
        ("POST", "/things/a", 405, "GET, PUT, HEAD"),
        ("PUT", "/things/a/state/undo", 405, "POST"),
        ("GET", "/things/a/nothing", 404, None),
        ("GET", "/things/%FF", 400, None),
    ],
)
def test_what_no_rule_takes_is_refused(
    method: str, path: str, status: int, allowed: str | None, dispatched: FlaskClient
):
    """With the methods that the path has."""
    answer = dispatched.open(path, method=method)
    assert (answer.status_code, answer.headers.get("Allow")) == (status, allowed)


@pytest.mark.fault(583)
def test_a_text_that_cannot_be_read_to_its_end_breaks_off(get: _Function, caplog: pytest.LogCaptureFixture):
    """What has been sent is not taken for the whole: the connection ends in the middle, and the log has the reason."""

    def parts() -> Iterator[str]:
        yield "one \ud800\n"
        raise StoreUnavailable("Postgres cannot be reached.")

    get.answers.append(Text(parts()))
    answer = get.client.get("/things", buffered=False)
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    sent = answer.iter_encoded()
    assert next(iter(sent)) == b"one ?\n"
    with pytest.raises(StoreUnavailable):
        next(iter(sent))
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "An answer broke off: Postgres cannot be reached."
    ]


@pytest.mark.parametrize(
    ("sent", "known"),
    [('W/"0a"', "0a"), ('"0a"', "0a"), (' W/"0a" ', "0a"), ("", ""), ("*", ""), ('W/"0a", W/"0b"', ""), ('"x y"', "")],
)
def test_a_tag_that_comes_back_is_known(get: _Function, sent: str, known: str):
    """As it was given, or as a proxy weakens it; any other header means a whole answer."""
    get.client.get("/things", headers={"If-None-Match": sent})
    assert get.calls[0].known_tag == known


def test_an_answer_that_the_caller_has_is_304(get: _Function):
    """Without a body, with its tag, and as little kept by others as any."""
    get.answers[:] = [Tagged("0a", {"ok": True})]
    assert get.client.get("/things").headers["ETag"] == 'W/"0a"'
    get.answers[:] = [Tagged("0a", {})]
    answer = get.client.get("/things")
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", 'W/"0a"')
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ("text/plain", True),
        ("text/plain;q=0.9, */*", True),
        ("application/json, text/plain, */*", False),
        ("*/*", False),
    ],
)
def test_text_is_preferred_where_it_is_named_first(get: _Function, accept: str, text: bool):
    """Clients that name both mean JSON first."""
    get.client.get("/things", headers={"Accept": accept})
    assert get.calls[0].prefers_text is text
