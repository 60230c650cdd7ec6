"""What callers send: query and body to a NewTask or a TaskQuery."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from common import nesting
from common.errors import BadRequest, Refused, SyncError
from common.protocol import catalogs
from common.protocol.commands import Command
from common.tasks import bodies, requests
from common.tasks.requests import LogQuery, NewTask, TaskQuery, WaitQuery

IMAGE = {"package": "airbyte/source-faker", "version": "1.2.3"}
KEYED = IMAGE | {"storageKey": "workspace_service_0123_random"}
READ = IMAGE | {"syncId": "sync-1", "taskId": "task-1"}
STREAM = {"stream": {"name": "users", "json_schema": {}}, "sync_mode": "incremental"}


def _query(*values: dict[str, str], **more: str) -> MultiDict[str, str]:
    return MultiDict([(name, value) for given in (*values, more) for name, value in given.items()])


def _body(**members: Any) -> bytes:
    return json.dumps({"config": {}, "catalog": {"streams": [STREAM]}, **members}).encode()


def _read(body: bytes, **more: str) -> NewTask:
    return requests.parse_read(_query(READ | more), body)


# Query parameters


def test_a_spec_needs_the_image_only():
    """A GET's body means nothing."""
    task = requests.parse_spec(_query(IMAGE, connectorType="airbyte"), b"not json")
    assert task == NewTask(Command.SPEC, "airbyte/source-faker", "1.2.3")


@pytest.mark.parametrize(
    ("parse", "command"), [(requests.parse_check, Command.CHECK), (requests.parse_discover, Command.DISCOVER)]
)
def test_check_and_discover_need_a_key_and_a_config(parse: Callable[..., NewTask], command: Command):
    """Both take the same request."""
    task = parse(_query(KEYED), b'{"config": {"a": 1}}')
    assert task == NewTask(command, "airbyte/source-faker", "1.2.3", storage_key=KEYED["storageKey"], config=b'{"a":1}')


def test_a_read_takes_all_it_is_given():
    """Every parameter and member arrives where it belongs."""
    more = {"tableNamePrefix": "raw_", "startedBy": '{"trigger": "manual"}', "fullSync": "true"}
    task = requests.parse_read(_query(READ, more), _body(state=[{"type": "STREAM"}]))
    assert (task.sync_id, task.task_id, task.table_name_prefix) == ("sync-1", "task-1", "raw_")
    assert (task.started_by, task.full_sync) == ('{"trigger": "manual"}', True)
    assert (task.config, task.state) == (b"{}", b'[{"type":"STREAM"}]')
    assert json.loads(task.catalog or b"") == {"streams": [STREAM]}


def test_all_missing_parameters_are_named_at_once():
    """Absent, empty and blank are the same; what is there is not named."""
    with pytest.raises(BadRequest, match=r"^Missing or empty parameters: version, syncId, taskId\.$"):
        requests.parse_read(_query(package="a/b", version="", syncId=" "), b"")


@pytest.mark.parametrize(
    ("parse", "given", "message"),
    [
        (
            requests.parse_spec,
            {"storageKey": "k"},
            "Unknown parameter 'storageKey'; accepted here are package, ver",
        ),
        (
            requests.parse_check,
            {"syncId": "s"},
            "Unknown parameter 'syncId'; accepted here are package, version, st",
        ),
        (requests.parse_read, {"taskID": "t"}, "Unknown parameter 'taskID'; .* syncId, taskId, tableNamePrefix, start"),
        (requests.parse_read, {"\u202e" * 90: "t"}, r"Unknown parameter '(\\u202e){40}\.\.\.';"),
        (requests.parse_spec, {"connectorType": "singer"}, "connectorType: only airbyte"),
        (requests.parse_read, {"fullSync": "yes"}, "fullSync: expected true or false"),
    ],
)
def test_parameters_that_are_not_known_are_named(parse: Callable[..., NewTask], given: dict[str, str], message: str):
    """With the ones that are, so that a typing error is found."""
    required = {requests.parse_spec: IMAGE, requests.parse_check: KEYED, requests.parse_read: READ}[parse]
    with pytest.raises(BadRequest, match=message):
        parse(_query(required, given), _body())


def test_a_repeated_parameter_is_refused():
    """Also with the same value: which one counts is not ours to guess."""
    with pytest.raises(BadRequest, match=r"^version: given 2 times"):
        requests.parse_spec(_query(IMAGE, {"version": "1.2.3"}))


@pytest.mark.parametrize(
    ("name", "limit"), [("syncId", 200), ("taskId", 200), ("tableNamePrefix", 200), ("startedBy", 4000)]
)
def test_values_have_a_length_and_printable_characters(name: str, limit: int):
    """At the limit is fine, in any script; over it, or with control characters, the field is named, not the value."""
    assert _read(_body(), **{name: "é" * limit})
    for value in ("s3cret" * limit, "s3cret\0", "s3cret\n", "s3cret\x7f", "s3cret\u2028", "s3cret\x85"):
        with pytest.raises(BadRequest, match=f"^{name}: ") as caught:
            _read(_body(), **{name: value})
        assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("task_id", ["2f0c-1", "nightly/2026-01-01", "задача 7", "🚚"])
def test_task_ids_are_the_callers_own(task_id: str):
    """Any printable text names a task."""
    assert _read(_body(), taskId=task_id).task_id == task_id
    assert requests.parse_task_id(_query(), task_id) == (task_id, requests.LOG_LINES, "")
    assert requests.parse_task_id(_query(logs="7", logsBefore="1~x"), task_id) == (task_id, 7, "1~x")


@pytest.mark.parametrize("name", ["syncId", "taskId"])
@pytest.mark.parametrize("value", ["..", ".", "../post/x", "a/../b", "a//b", "/a", "a/"])
def test_ids_that_a_url_would_lose_are_refused(name: str, value: str):
    """What stands between the parts of the system may shorten such a path, and lead to another one."""
    with pytest.raises(BadRequest, match=f"^{name}: has an empty part") as caught:
        _read(_body(), **{name: value})
    assert value not in caught.value.message or value in {".", ".."}


@pytest.mark.fault(65)
def test_an_illegal_image_is_refused_for_good():
    """With 422, before the body is looked at."""
    with pytest.raises(Refused, match=r"^package: "):
        requests.parse_spec(_query(package="a b", version="1"))
    with pytest.raises(Refused, match=r"^version: "):
        requests.parse_check(_query(KEYED | {"version": "1;2"}), b"")


# Bodies


def test_members_leave_as_they_came_without_white_space():
    """Numbers keep every digit, escapes and order stay."""
    body = b'{ "config" : { "b" : 9223372036854775807 , "a":[1.0,1e2,123456789012345678901234567890, "\\u00e9 x"] } }'
    task = requests.parse_check(_query(KEYED), body)
    assert task.config == b'{"b":9223372036854775807,"a":[1.0,1e2,123456789012345678901234567890,"\\u00e9 x"]}'


@pytest.mark.parametrize(
    ("state", "expected"), [(None, None), ({}, b"{}"), ([], b"[]"), ({"cursor": 1}, b'{"cursor":1}')]
)
def test_an_empty_state_is_not_an_absent_one(state: Any, expected: bytes | None):
    """null and absence mean "go on from the saved state", {} means "begin anew"."""
    assert _read(_body(state=state)).state == expected
    assert _read(_body()).state is None


def test_a_catalog_may_select_nothing_and_hold_what_we_do_not_know():
    """Consoles send more than we use."""
    assert _read(_body(catalog={"streams": []})).catalog == b'{"streams":[]}'
    stream = {
        "name": "a",
        "namespace": None,
        "json_schema": {"x": [1]},
        "supported_sync_modes": ["incremental"],
        "y": {},
    }
    entry = {"stream": stream, "sync_mode": "full_refresh", "cursor_field": ["a"], "destination_sync_mode": "overwrite"}
    task = _read(_body(catalog={"streams": [entry], "z": 1}))
    assert catalogs.decode_catalog(task.catalog or b"").streams[0].stream.name == "a"


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        ({}, r"^catalog\.streams: expected an array"),
        ({"streams": {}}, r"^catalog\.streams: expected an array"),
        ({"streams": [STREAM, 1]}, r"^catalog\.streams\[1\]: expected an object"),
        ({"streams": [{"sync_mode": "incremental"}]}, r"^catalog\.streams\[0\]\.stream: expected an object"),
        ({"streams": [STREAM | {"stream": {"name": 5}}]}, r"^catalog\.streams\[0\]\.stream\.name: expected a string"),
        ({"streams": [STREAM | {"stream": {}}]}, r"^catalog\.streams\[0\]\.stream\.name: expected a string\.$"),
        ({"streams": [STREAM | {"stream": {"name": ""}}]}, r"stream\.name: expected a string that is not empty"),
        ({"streams": [STREAM | {"stream": {"name": "a\0"}}]}, r"stream\.name: holds a control character"),
        ({"streams": [STREAM | {"stream": {"name": "a", "namespace": 1}}]}, r"stream\.namespace: expected a string"),
        ({"streams": [STREAM | {"stream": {"name": "a", "namespace": "\n"}}]}, r"stream\.namespace: holds a control"),
        ({"streams": [STREAM | {"stream": {"name": "a", "json_schema": []}}]}, r"stream\.json_schema: expected an"),
        ({"streams": [STREAM | {"sync_mode": "append"}]}, r"sync_mode: expected full_refresh or incremental"),
        ({"streams": [STREAM | {"sync_mode": ["x"]}]}, r"sync_mode: expected full_refresh or incremental"),
        ({"streams": [{"stream": {"name": "a"}}]}, r"sync_mode: expected full_refresh or incremental"),
        ({"streams": [STREAM | {"primary_key": ["id"]}]}, r"^catalog\.streams\[0\]\.primary_key\[0\]: expected"),
    ],
)  # fmt: skip
def test_a_bad_catalog_is_named_by_its_path(catalog: Any, message: str):
    """Down to the member that is wrong."""
    with pytest.raises(BadRequest, match=message):
        _read(_body(catalog=catalog))


def test_a_stream_with_files_is_refused_by_name():
    """With 422; one that says that it has none is read."""
    assert _read(_body(catalog={"streams": [STREAM | {"include_files": False}]})).catalog
    with pytest.raises(Refused, match=r"include_files is set for 'users', and files are not kept"):
        _read(_body(catalog={"streams": [STREAM | {"include_files": True}]}))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "^The body is empty"),
        (b" \n ", "^The body is empty"),
        (b"{", "not usable JSON"),
        (b"{} {}", "not usable JSON"),
        (b"\xef\xbb\xbf{}", "not usable JSON"),
        (b"[]", "^The body is not a JSON object; expected one with config, catalog"),
        (b"null", "not a JSON object"),
        (b'"{}"', "not a JSON object"),
        (b"{}", r"^Missing from the body: config, catalog\.$"),
        (b'{"config": null, "catalog": null}', r"^Missing from the body: config, catalog\.$"),
        (b'{"config": []}', r"^Missing from the body: catalog\.$"),
        (_body(config=[]), "^config: expected an object"),
        (_body(config="x"), "^config: expected an object"),
        (_body(catalog=[]), "^catalog: expected an object"),
        (_body(state="x"), "^state: expected an object, an array of state messages, or null"),
        (_body(state=0), "^state: "),
        (_body(workspaceId="w"), "Unknown member 'workspaceId' of the body; accepted are config, catalog, state"),
        (b'{"config": {"a": NaN}}', "not usable JSON"),
        (b'{"config": {"a": -Infinity}}', "not usable JSON"),
        (b'{"config": {"a": 1e999}}', "not usable JSON"),
        (b'{"config": {"a": ' + b"9" * 5000 + b"}}", "not usable JSON"),
        (b'{"config": {"a": "\\ud800"}}', "not usable JSON"),
        (b'{"config": {"a": "\\udc00x"}}', "not usable JSON"),
        (b'{"config": {"a": "\n"}}', "not usable JSON"),
        (b'{"config": {"a": "\xff"}}', r"not UTF-8\.$"),
        (b'{"config": {"a": "\xed\xa0\x80"}}', r"not UTF-8\.$"),
        ('{"config": {}}'.encode("utf-16"), "not usable JSON"),
        (b'{"config": {}, "config": {}}', "member 'config' twice"),
        (b'{"config": {"a": [{"b": 1, "\\u0062": "s3cret"}]}}', "member 'b' twice"),
        (b"[" * nesting.MAX_DEPTH, "not usable JSON"),  # a decoder finds what is wrong, on every Python
        (b"[" * (nesting.MAX_DEPTH + 1), "nested deeper than 200 levels"),
        (b"[" * 10_000, "nested deeper than 200 levels"),
        (b'{"config": {"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}}", "nested deeper than 200 levels"),
        (b'{"a":' * 1_000_000, "nested deeper than 200 levels"),
    ],
)
def test_bad_bodies_are_refused_with_the_reason(body: bytes, message: str):
    """None of them is anything but a 400."""
    with pytest.raises(BadRequest, match=message) as caught:
        _read(body)
    assert "s3cret" not in caught.value.message


def test_the_depth_limit_is_exact():
    """The last level that is accepted, and the first that is not."""

    def nested(levels: int) -> bytes:
        return b'{"config":{"a":' + b"[" * (levels - 2) + b"]" * (levels - 2) + b"}}"

    assert requests.parse_check(_query(KEYED), nested(bodies.MAX_DEPTH)).config
    with pytest.raises(BadRequest, match="nested deeper"):
        requests.parse_check(_query(KEYED), nested(bodies.MAX_DEPTH + 1))


def test_colons_quotes_and_backslashes_in_texts_are_no_duplicates():
    """The check for repeated members looks outside of strings."""
    config = {'a":"b': ":", "\\": '\\":{', "c:c": [":", {"": {}}], "\0": "\0"}
    task = requests.parse_check(_query(KEYED), json.dumps({"config": config}).encode())
    assert json.loads(task.config or b"") == config


def test_payloads_do_not_show():
    """A repr may end in a log."""
    assert "hunter2" not in repr(_read(_body(config={"password": "hunter2"})))


# Lists of tasks


def test_a_list_of_tasks_takes_filters_and_a_page():
    """Nothing is required."""
    assert requests.parse_tasks(_query()) == TaskQuery(limit=50)
    given = {"syncId": "s", "status": "RUNNING", "command": "read", "limit": "500", "cursor": "1~t"}
    assert requests.parse_tasks(_query(given)) == TaskQuery("s", "RUNNING", "read", 500, "1~t")
    given = {"package": "a/b", "startedBy": "me", "from": "2026-11-30T02:00:00Z", "to": "2026-11-30T03:30:00.5+01:00"}
    begin, end = datetime(2026, 11, 30, 2, tzinfo=UTC), datetime(2026, 11, 30, 2, 30, 0, 500_000, tzinfo=UTC)
    assert requests.parse_tasks(_query(given)) == TaskQuery(package="a/b", started_by="me", begin=begin, end=end)


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "running"), ("status", "DONE"), ("command", "write"), ("cursor", "\0"), ("sync_id", "s")]
    + [("limit", value) for value in ("0", "501", "-1", "1.5", "x", "\u0661", "9" * 90)]
    + [("package", "A B"), ("startedBy", "x" * 4001)]
    + [
        ("from", text)
        for text in ("2026-11-30", "2026-11-30T02:00:00", "2026-11-30T02:00:00 01:00", "2026-13-30T02:00:00Z", "now")
    ]
    + [("to", "0001-01-01T00:00:00+14:00"), ("to", "2026-11-30T25:00:00Z"), ("to", "20261130T020000Z")],
)
def test_bad_filters_are_named(name: str, value: str):
    """With what is expected."""
    with pytest.raises((BadRequest, Refused), match=name):
        requests.parse_tasks(_query({name: value}))


def test_a_time_that_ends_before_it_begins_is_refused():
    """Nothing could be between them."""
    with pytest.raises(BadRequest, match="from: is not before `to`"):
        requests.parse_tasks(_query({"from": "2026-11-30T02:00:00Z", "to": "2026-11-30T02:00:00Z"}))


def test_a_part_of_a_log_is_chosen():
    """The level is a minimum: standard error is among the errors, and what no level is known for is never hidden."""
    assert requests.parse_task_logs(_query(), "t") == LogQuery("t", limit=100)
    given = {"after": "1~x", "level": "WARN", "q": "a b", "since": "2026-11-30T02:00:00Z", "limit": "1000"}
    since = datetime(2026, 11, 30, 2, tzinfo=UTC)
    found = requests.parse_task_logs(_query(given), "t", prefers_text=True)
    assert found == LogQuery("t", "1~x", "", ("TRACE", "DEBUG", "INFO"), "a b", since, 1000, as_text=True)
    assert requests.parse_task_logs(_query(format="json"), "t", prefers_text=True) == LogQuery("t", limit=100)
    assert requests.parse_task_logs(_query(format="text"), "t") == LogQuery("t", limit=0, as_text=True)
    assert requests.parse_task_logs(_query(level="TRACE"), "t").hidden == ()
    assert requests.parse_task_logs(_query(level="FATAL"), "t").hidden == (
        "TRACE",
        "DEBUG",
        "INFO",
        "WARN",
        "ERROR",
        "ERRSTD",
    )


@pytest.mark.parametrize(
    "given",
    [
        {"level": "warn"},
        {"level": "ERRSTD"},
        {"q": "x" * 101},
        {"q": "a\nb"},
        {"since": "yesterday"},
        {"limit": "1001"},
        {"format": "csv"},
        {"after": "1~x", "before": "1~y"},
        {"before": "1~y", "format": "text"},
        {"lines": "5"},
    ],
    ids=str,
)
def test_a_part_of_a_log_that_cannot_be_is_refused_by_name(given: dict[str, str]):
    """With what is expected."""
    with pytest.raises(BadRequest, match=next(iter(given))):
        requests.parse_task_logs(_query(given), "t")


def test_one_task_takes_no_filters():
    """A parameter there is a misunderstanding."""
    with pytest.raises(BadRequest, match="Unknown parameter 'status'"):
        requests.parse_task_id(_query(status="RUNNING"), "t")


# Whatever comes

_NAMES = st.sampled_from(["package", "version", "syncId", "taskId", "storageKey", "startedBy", "fullSync", "limit"])
_QUERIES = st.lists(st.tuples(_NAMES | st.text(max_size=5), st.text(max_size=20)), max_size=5).map(MultiDict)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["streams", "stream", "name", "sync_mode"]) | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
_MEMBERS = st.dictionaries(st.sampled_from(["config", "catalog", "state"]) | st.text(max_size=3), _JSON, max_size=4)
_BODIES = st.binary(max_size=60) | _JSON.map(lambda value: json.dumps(value).encode()) | _MEMBERS.map(
    lambda value: json.dumps(value).encode()
)  # fmt: skip


@given(_QUERIES, _BODIES, st.booleans())
def test_no_input_gives_anything_but_a_task_or_the_callers_error(query: Any, body: bytes, complete: bool):
    """Neither another exception nor a 5xx."""
    for parse, required in (
        (requests.parse_spec, IMAGE),
        (requests.parse_check, KEYED),
        (requests.parse_discover, KEYED),
        (requests.parse_read, READ),
    ):
        try:
            task = parse(_query(required) if complete else query, body)
        except SyncError as error:
            status = error.status
        else:
            assert isinstance(task, NewTask)
            continue
        assert 400 <= status < 500


@given(_QUERIES)
def test_no_query_gives_anything_but_a_list_or_the_callers_error(query: Any):
    """The same for the functions without a body."""
    try:
        assert isinstance(requests.parse_tasks(query), TaskQuery)
    except SyncError as error:
        status = error.status
    else:
        return
    assert 400 <= status < 500


@given(st.dictionaries(st.text(), _JSON, max_size=3))
def test_any_config_arrives_equal(config: dict[str, Any]):
    """What JSON can say is handed on; what it cannot (NaN, lone surrogates) is refused."""
    body = json.dumps({"config": config}).encode()
    try:
        task = requests.parse_check(_query(KEYED), body)
    except BadRequest:
        with pytest.raises((ValueError, UnicodeEncodeError)):
            json.dumps(config, ensure_ascii=False, allow_nan=False).encode()
        return
    assert json.loads(task.config or b"") == config


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"wait": "30"}, WaitQuery(30)),
        ({"wait": "1", "since": "745.9.0192f0c1-2a"}, WaitQuery(1, "745.9.0192f0c1-2a")),
        ({"wait": "1", "since": "2026-11-24T11:05:00.1239+01:00"}, WaitQuery(1, "2026-11-24T10:05:00.123Z")),
        ({"wait": "31"}, "wait: expected a whole number from 1 to 30."),
        ({"wait": "0"}, "wait: expected a whole number from 1 to 30."),
        ({"since": "745.9."}, "since: only says from when to wait; send wait as well, in seconds."),
        (
            {"wait": "2", "since": "yesterday"},
            "since: expected the `revision` of an earlier answer, or a task's `updatedAt`.",
        ),
    ],
)
def test_what_can_be_waited_for(given: dict[str, str], expected: WaitQuery | str | None):
    """Seconds, and a revision or a time in any spelling; anything else is named, and nothing is looked at."""
    assert requests.parse_task_id(_query(given), "t1")[0] == "t1"
    if isinstance(expected, str):
        with pytest.raises(BadRequest) as refused:
            requests.wait_query(_query(given))
        assert refused.value.message == expected
    else:
        assert requests.wait_query(_query(given)) == expected
