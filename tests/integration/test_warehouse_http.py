"""The warehouse's HTTP: Bulker's routes, words and status codes."""

import pytest

from tests.support.warehouse import TOKEN, Running, running_warehouse


@pytest.fixture
def warehouse(tmp_path):
    with running_warehouse(tmp_path / "w.duckdb") as running:
        yield running


def test_a_request_is_answered_as_bulker_answers(warehouse: Running):
    """200 with the counts; the rows are in the table."""
    status, answer = warehouse.try_bulk("plants", [{"id": 1}, {"id": 2}])
    assert (status, answer) == (
        200,
        {
            "message": "ok",
            "state": {
                "representation": {"name": "plants"},
                "status": "COMPLETED",
                "processedRows": 2,
                "successfulRows": 2,
                "processingTimeSec": 0,
            },
        },
    )
    assert warehouse.warehouse.count("plants") == 2
    assert warehouse.warehouse.tables() == ["plants"]


@pytest.mark.parametrize("mode", ["replace_table", "batch", "stream"])
def test_an_empty_body_changes_nothing(warehouse: Running, mode):
    """Only the message comes back, the table keeps its rows, and none is made."""
    warehouse.bulk("plants", [{"id": 1}])
    assert warehouse.try_bulk("plants", b"", mode, schema={"id": 4, "more": 1}) == (200, {"message": "ok"})
    assert warehouse.sql("FROM plants") == [(1,)]
    assert warehouse.try_bulk("beds", b"", mode) == (200, {"message": "ok"})
    assert warehouse.warehouse.count("beds") is None


def test_a_token_is_asked_for_and_never_repeated(warehouse: Running):
    """401 without one and with a wrong one, with or without the word Bearer; the right one passes either way."""
    path = "/bulk/s?tableName=t"
    missing = (401, {"error": "Authorization header with Bearer token is required"})
    assert warehouse.request("POST", path, b"{}\n", token="") == missing
    for header in ("Bearer wrong-one", "wrong-one", f"Bearer {TOKEN}2", "Bearer t\xf6ken"):
        status, answer = warehouse.request("POST", path, b"{}\n", {"Authorization": header}, token="")
        assert status == 401
        assert answer["error"].startswith("Invalid token")
        assert "wrong-one" not in answer["error"]
    assert warehouse.request("POST", path, b'{"a":1}\n', {"Authorization": TOKEN}, token="")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/bulk/s?mode=batch", 400, "missing required parameter: tableName"),
        ("POST", "/bulk/s?tableName=t&mode=replace_partition", 500, "error# s: create stream error: "),
        ("POST", "/post/s", 400, "missing required parameter: tableName"),
        ("GET", "/bulk/s?tableName=t", 405, "method not allowed"),
        ("POST", "/bulk/?tableName=t", 404, "destination not found"),
        ("POST", "/other", 404, "destination not found"),
    ],
)
def test_unusable_requests_are_refused(warehouse: Running, method, path, status, words):
    """Each with its status and a sentence, as JSON."""
    found, answer = warehouse.request(method, path, b"{}\n" if method == "POST" else b"")
    assert (found, list(answer)) == (status, ["error"])
    assert answer["error"].startswith(words)


def test_health_needs_no_token(warehouse: Running):
    """Clients wait by them until the server is up."""
    for path in ("/ready", "/health"):
        assert warehouse.request("GET", path, token="") == (200, {"status": "pass"})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"id":2}\n\n{"id":3}\n', "unmarhsal error: line 2 is blank"),
        (b'{"id":2}\n[3]\n', "unmarhsal error: line 2 is not a JSON object"),
        (b'{"id":2}\n{"id":3\n{"id":4}\n', "unmarhsal error: line 2 is not a JSON object"),
        (b'{"id":2}\nABORT\n', "aborted: "),
        (b'{"id":2}\n{"id":"' + b"x" * 1_048_576 + b'"}\n', "scanner error: token too long"),
    ],
)
@pytest.mark.parametrize("mode", ["replace_table", "batch"])
def test_one_unusable_line_takes_the_whole_request_back(warehouse: Running, mode, body, words):
    """400 in Bulker's words, and the table as it was."""
    warehouse.bulk("plants", [{"id": 1}])
    status, answer = warehouse.try_bulk("plants", body, mode)
    assert status == 400
    assert answer["error"].startswith(words)
    assert warehouse.sql("FROM plants") == [(1,)]


def test_a_bad_schema_header_is_refused(warehouse: Running):
    """400 in Bulker's words."""
    status, answer = warehouse.request("POST", "/bulk/s?tableName=t", b"{}\n", {"X-Jitsu-Schema": "{"})
    assert status == 400
    assert answer["error"].startswith("schema unmarshal error: ")


def test_an_event_is_appended(warehouse: Running):
    """/post takes one JSON object, on however many lines."""
    for event in (b'{"level":"INFO","at":{"n":1}}', b'{\r\n "level": "WARN",\n "at": {"n":\n2}\n}\n'):
        assert warehouse.request("POST", "/post/s?tableName=task_log", event) == (200, {"message": "ok"})
    assert warehouse.sql("""SELECT level, "at"->>'n' FROM task_log""") == [("INFO", "1"), ("WARN", "2")]


@pytest.mark.parametrize(
    "event", [b"", b"  \n", b"[1]", b'{"a":1}\n{"a":2}', b'{"a":"\xff"}', b'{"a":' + b"1" * 1_048_576]
)
def test_what_is_not_one_event_is_refused(warehouse: Running, event):
    """400, and nothing is stored."""
    assert warehouse.request("POST", "/post/s?tableName=events", event)[0] == 400
    assert warehouse.warehouse.count("events") is None


def test_several_requests_share_a_connection(warehouse: Running):
    """The next request begins where the body of the last one ended, chunked or not."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", warehouse.server.port, timeout=30)
    for body in ([b'{"id":1}\n', b'{"id":2}\n'], b'{"id":3}\n', [], b""):
        connection.request(
            "POST",
            "/bulk/s?tableName=t&mode=batch",
            body,
            {"Authorization": f"Bearer {TOKEN}"},
            encode_chunked=isinstance(body, list),
        )
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (200, None), answer.read()
        answer.read()
    connection.close()
    assert warehouse.sql("FROM t ORDER BY ALL") == [(1,), (2,), (3,)]
