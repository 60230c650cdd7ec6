"""Streams of one read that begin at different places: each table holds each row once, or the row says otherwise."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import Refused
from common.protocol.catalogs import decode_catalog
from common.protocol.resume import later_states
from common.store import Database, states
from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.in_process_sidecar import InProcessSidecar, legacy, shared
from tests.support.local_system import PACKAGE, LocalSystem, local_system, python, read_task
from tests.support.sidecar_process import catalog, record, state, status

CASE = CASES / "state-stream-without-a-state"
Make = Callable[..., InProcessSidecar]
BOTH = catalog("plants", "beds", incremental=True)
IDS = [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.fault(108)
def test_state_stream_without_a_state(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """A switched sync mode, then a state that a console deletes: the stream replaces its table, the other one adds."""
    first, then = ({"catalog": json.loads((CASE / f"{name}.json").read_text())} for name in ("first", "then"))
    with local_system(tmp_path, database, bulker.url, {PACKAGE: python(CASE / "connector.py")}) as place:

        def read(number: int, body: Any) -> None:
            task = place.run(read_task(task=f"t{number}", body=body))
            assert task["state"] == "SUCCESS", task
            assert [bulker.rows(table) for table in ("beds", "plants")] == [IDS, IDS]

        read(0, first)
        read(1, then)
        requests = len(bulker.requests)
        read(2, then)
        assert len(bulker.requests) == requests
        database.rows("DELETE FROM source_state WHERE stream = 'plants'")
        read(3, then)
        # A caller that keeps states itself, and has one for a single stream.
        given = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "beds"}, "stream_state": {"last": 2}}}]
        task = place.run(read_task(task="t4", body=then | {"state": given}))
    assert [len(bulker.rows(table)) for table in ("beds", "plants")] == [4, 3]
    assert (task["state"], "note" in task["streams"]["plants"]) == ("SUCCESS", False)


@pytest.fixture
def make(tmp_path: Path, bulker: FakeBulker) -> Make:
    """A read of `plants` and `beds` with this state; `beds` sends rows and is complete."""

    def made(given: Any, streams: Any = None, **settings: Any) -> InProcessSidecar:
        return InProcessSidecar(tmp_path, bulker.url, streams or BOTH, state=given, **settings)

    return made


def _beds(reading: InProcessSidecar, bulker: FakeBulker) -> tuple[str, bool]:
    """How the rows of beds are written, and whether its account has a note."""
    reading.feed(record("beds", {"id": 1}), status("beds", "COMPLETE"), status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert bulker.committed("plants") == []
    return bulker.committed("beds")[0].mode, "note" in reading.streams["beds"]


def _part(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"stream_descriptor": {"name": name} | more, "stream_state": value}


def _message(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "STREAM", "stream": _part(name, value, **more)}


PLANTS = _message("plants", {"c": 7})
MARKER = {"__ab_full_refresh_sync_complete": True}


def _global(content: Any, **streams: Any) -> list[Any]:
    return [shared(content, streams=streams)["state"]]


@pytest.mark.parametrize(
    "given",
    [
        [PLANTS],
        PLANTS,
        [PLANTS, _message("beds", None)],
        [PLANTS, _message("beds", {})],
        [PLANTS, _message("beds", {"cursor": None})],
        [PLANTS, _message("beds", MARKER)],
        [PLANTS, _message("weeds", {"c": 7})],
        [PLANTS, _message("beds", {"c": 7}, namespace="garden")],
        _global({"lsn": 7}, plants={"c": 7}),
        _global({}, plants={"c": 7}),
        _global({"lsn": 7}, plants={"c": 7}, beds=None),
        _global({"lsn": 7}, plants={"c": 7}, beds=MARKER),
        _global({}, plants={"c": 7}, beds={}),
        {"plants": {"c": 7}},
        {"plants": {"c": 7}, "beds": {}},
        {"plants": "2026-01-01", "beds": None},
        {"bookmarks": {"plants": {"c": 7}}, "currently_syncing": None},
        [{"type": "LEGACY", "data": {"plants": {"c": 7}, "beds": MARKER}}],
        {"type": "LEGACY", "data": {"plants": {"c": 7}}},
    ],
)
@pytest.mark.fault(108)
def test_a_stream_that_the_state_does_not_name_replaces_its_table(make: Make, bulker: FakeBulker, given: Any) -> None:
    """However the state of the others is kept; so in a later attempt, whatever the first one was given."""
    for attempt in (1, 2):
        bulker.requests.clear()
        assert _beds(make(given, attempt=attempt), bulker) == ("replace_table", False)


@pytest.mark.parametrize(
    "given",
    [
        [_message("beds", {"c": 7})],
        [_message("beds", 7), PLANTS],
        _message("beds", {"c": 7}),
        _global(None, beds={"c": 7}),
        _global({"lsn": 7}, plants=None, beds={"c": 7}),
        {"beds": {"c": 7}},
        {"bookmarks": {"beds": {"c": 7}}},
    ],
)
def test_a_stream_that_the_state_names_adds_to_its_table(make: Make, bulker: FakeBulker, given: Any) -> None:
    """So in a later attempt: what the first one stored and acknowledged under this state stays."""
    for attempt in (1, 2):
        bulker.requests.clear()
        assert _beds(make(given, attempt=attempt), bulker) == ("batch", False)


@pytest.mark.parametrize(
    "given",
    [
        _global({"lsn": 7}),
        _global({"lsn": 7}, beds=None),
        _global({"lsn": 7}, plants=None, beds=None),
        [{"type": "GLOBAL", "global": {"shared_state": 7, "stream_states": [{"stream_descriptor": {"name": "beds"}}]}}],
        [{"type": "GLOBAL", "global": {"shared_state": {"lsn": 7}, "stream_states": None}}],
        _global({"lsn": 7}, plants={"c": 7}, beds={}),
        [{"type": "GLOBAL", "global": {"shared_state": {"lsn": 7}, "stream_states": [5]}}],
        [{"type": "GLOBAL", "global": 5}],
        {"cursor": 7},
        {"plants": None, "n": 5},
        {"cdc": False, "streams": [{"stream_name": "plants", "cursor": "7"}]},
        [{"type": "NEWER", "position": 7}],
        [7],
        {"c": json.loads('{"c":' * 1200 + "1" + "}" * 1200)},
    ],
)
@pytest.mark.fault(108)
@pytest.mark.fault(291)
def test_a_state_that_does_not_show_where_a_stream_begins_adds_and_says_so(
    make: Make, bulker: FakeBulker, given: Any
) -> None:
    """Replacing could lose rows, so they are added; the stream's account and the log have a note."""
    reading = make(given)
    assert _beds(reading, bulker) == ("batch", True)
    assert "are there twice if the source began from nothing" in reading.streams["beds"]["note"]
    assert any("WARN Stream beds: " in line for line in reading.log)


def test_a_name_without_its_namespace_may_be_the_stream_s(make: Make, bulker: FakeBulker) -> None:
    """Whether the source takes it for this stream cannot be known."""
    streams = catalog("plants", "beds", incremental=True)
    streams["streams"][1]["stream"]["namespace"] = "garden"
    reading = make(_global({"lsn": 7}, beds={"c": 7}), streams)
    reading.feed(record("beds", {"id": 1}, "garden"), status("beds", "COMPLETE"), status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert ([bulk.mode for bulk in bulker.requests], "note" in reading.streams["garden.beds"]) == (["batch"], True)


@pytest.mark.parametrize("name", ["beds", "garden.beds"])
@pytest.mark.fault(291)
def test_a_name_with_its_namespace_is_the_stream_s(make: Make, bulker: FakeBulker, name: str) -> None:
    """In a LEGACY state, whose members are of no fixed form: the stream goes on beside another that is named, too."""
    streams = catalog("plants", "beds", incremental=True)
    streams["streams"][1]["stream"]["namespace"] = "garden"
    reading = make({"plants": {"c": 7}, name: {"c": 7}}, streams)
    reading.feed(record("beds", {"id": 1}, "garden"), status("beds", "COMPLETE"), status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert ([bulk.mode for bulk in bulker.requests], "note" in reading.streams["garden.beds"]) == (["batch"], False)


def test_the_first_state_of_a_stream_that_begins_is_saved_even_if_empty(make: Make) -> None:
    """It replaces none that the run began from; an empty one for the stream that goes on does."""
    reading = make([PLANTS]).feed(
        record("beds", {"id": 1}), state("beds", {}), state("plants", {}),
        status("beds", "COMPLETE"), status("plants", "COMPLETE"),
    )  # fmt: skip
    assert (reading.end().state, reading.saves) == ("SUCCESS", [("beds", {})])


@pytest.mark.parametrize("given", [[PLANTS], _global({"lsn": 7}, plants={"c": 7}), {"plants": {"c": 7}}, {}])
@pytest.mark.parametrize(
    "kept",
    [
        state("beds", {"c": 2}),
        shared({"lsn": 8}, streams={"plants": {"c": 7}, "beds": {"c": 2}}),
        legacy({"plants": {"c": 7}, "beds": {"c": 2}}),
    ],
)
@pytest.mark.fault(108)
def test_a_later_attempt_replaces_nothing_that_the_first_one_stored_under_a_state(
    make: Make, bulker: FakeBulker, given: Any, kept: Any
) -> None:
    """The first one began beds from nothing, and saved a state; whatever it was given, of whatever kind."""
    first = make(given, commit_seconds=0)
    first.feed(record("beds", {"id": 1}), record("beds", {"id": 2}), kept).end(exit_code=None)
    saved = [(key, json.dumps(value).encode()) for key, value in first.saves]
    later = later_states(decode_catalog(json.dumps(BOTH).encode()), json.dumps(given).encode(), saved)
    second = make(json.loads(later or b"{}"), attempt=2)
    second.feed(record("beds", {"id": 3}), status("beds", "COMPLETE"), status("plants", "COMPLETE"))
    assert second.end().state == "SUCCESS"
    assert [bulk.mode for bulk in bulker.committed("beds")] == ["replace_table", "batch"]
    assert (bulker.rows("beds"), "note" in second.streams["beds"]) == (IDS, False)


def _appending(*names: str, mode: str, keys: bool = True, word: Any = "append") -> dict[str, Any]:
    streams = catalog(*names, incremental=mode == "incremental", keys=[["id"]] if keys else None)
    for stream in streams["streams"]:
        stream["destination_sync_mode"] = word
        stream["primary_key"] = [["id"]]
    return streams


@pytest.mark.parametrize(
    ("mode", "word", "keys", "modes"),
    [
        ("incremental", "append", [], ["replace_table", "batch"]),
        ("incremental", "append_dedup", ["id"], ["replace_table", "batch"]),
        ("incremental", "overwrite", ["id"], ["replace_table", "batch"]),
        ("incremental", None, ["id"], ["replace_table", "batch"]),
        ("full_refresh", "append", [], ["batch", "batch"]),
        ("full_refresh", "append_dedup", ["id"], ["replace_table", "replace_table"]),
        ("full_refresh", "overwrite", ["id"], ["replace_table", "replace_table"]),
        ("full_refresh", ["append"], ["id"], ["replace_table", "replace_table"]),
        ("full_refresh", " Append", [], ["batch", "batch"]),
        ("incremental", "APPEND", [], ["replace_table", "batch"]),
    ],
)
@pytest.mark.fault(110)
def test_append_means_append(
    make: Make, bulker: FakeBulker, mode: str, word: Any, keys: list[str], modes: list[str]
) -> None:
    """No key is sent, whoever chose it: each version of a row stays. A full refresh adds all its rows to the table's."""
    streams = _appending("plants", mode=mode, word=word)
    beginnings: list[Any] = [{}, [PLANTS]]
    for given in beginnings:
        reading = make(given, streams).feed(record("plants", {"id": 1}), record("plants", {"id": 1}))
        assert reading.feed(status("plants", "COMPLETE")).end().state == "SUCCESS"
    assert [(bulk.mode, bulk.query.get("pk", [])) for bulk in bulker.requests] == [(one, keys) for one in modes]


def test_a_full_refresh_that_appends_adds_whole_or_not_at_all(make: Make, bulker: FakeBulker) -> None:
    """States on its way end no request, since the next run reads everything again; a cut one adds nothing."""
    streams = _appending("plants", mode="full_refresh")
    cut = make({}, streams, commit_seconds=0, commit_bytes=1)
    cut.feed(record("plants", {"id": 1}), state("plants", {"page": 1}), record("plants", {"id": 2}))
    assert (cut.end(exit_code=1).state, bulker.committed("plants"), cut.saves) == ("FAILED", [], [])
    whole = make({}, streams, commit_seconds=0, commit_bytes=1)
    whole.feed(record("plants", {"id": 1}), state("plants", {"page": 1}), record("plants", {"id": 2}))
    whole.feed(status("plants", "COMPLETE"))
    assert (whole.end().state, [len(bulk.rows) for bulk in bulker.committed("plants")]) == ("SUCCESS", [2])
    assert "note" not in whole.streams["plants"]


def test_a_later_attempt_that_appends_says_that_rows_may_be_there_twice(make: Make) -> None:
    """An earlier attempt may have added its whole stream before another one failed."""
    reading = make({}, _appending("plants", mode="full_refresh"), attempt=2)
    reading.feed(record("plants", {"id": 1}), status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert "an earlier attempt" in reading.streams["plants"]["note"]


def _read(place: LocalSystem, task: str, *names: str, **query: str) -> dict[str, Any]:
    return place.run(read_task(task=task, body={"catalog": catalog(*names, incremental=True)}, **query))


@pytest.mark.fault(128)
def test_a_full_sync_forgets_the_states_of_its_streams_alone(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker
) -> None:
    """The others go on from theirs in the next read, wherever a state is kept; a state of both kinds comes not back."""
    with local_system(tmp_path, database, bulker.url, {PACKAGE: python(CASE / "connector.py")}) as place:
        _read(place, "t0", "beds", "plants")
        database.rows(
            "INSERT INTO source_state VALUES ('sync-1', '_GLOBAL_STATE', '{\"shared_state\": {\"n\": 1}}', now() - interval '1 day')"
        )
        database.rows("INSERT INTO syncctl_state (sync_id, stream, state) VALUES ('sync-1', 'weeds', '\"\\u0000\"')")
        _read(place, "t1", "beds", fullSync="true")
        requests = len(bulker.requests)
        _read(place, "t2", "beds", "plants")
        assert len(bulker.requests) == requests
        assert sorted(bulk.table for bulk in bulker.requests) == ["beds", "beds", "plants"]
        kept = database.rows("SELECT stream FROM source_state UNION ALL SELECT stream FROM syncctl_state ORDER BY 1")
    assert [row["stream"] for row in kept] == ["beds", "plants", "weeds"]


TOGETHER = '{"shared_state": {"lsn": 7}, "stream_states": [%s]}'
PARTS = ", ".join(
    f'{{"stream_descriptor": {{"name": "{name}"}}, "stream_state": {{"last": 3}}}}' for name in ("beds", "plants")
)


@pytest.mark.parametrize(
    ("key", "saved", "before", "names", "refused"),
    [
        ("_GLOBAL_STATE", TOGETHER % PARTS, [], ["beds"], "plants"),
        ("_GLOBAL_STATE", TOGETHER % PARTS, [], ["beds", "plants"], ""),
        ("_GLOBAL_STATE", TOGETHER % PARTS, ["g.beds", "g.plants"], ["g.beds", "g.plants"], ""),
        ("_GLOBAL_STATE", TOGETHER % PARTS, ["g.beds", "g.plants", "plants"], ["g.beds", "g.plants"], "plants"),
        ("_GLOBAL_STATE", TOGETHER % "", ["beds", "plants"], ["beds"], "plants"),
        ("_GLOBAL_STATE", TOGETHER % "", ["beds"], ["beds"], ""),
        ("_GLOBAL_STATE", TOGETHER % "", [], ["beds"], "streams that are not known"),
        ("_LEGACY_STATE", '{"n": 7}', ["beds", "plants"], ["beds"], "plants"),
        ("_LEGACY_STATE", '{"n": 7}', ["beds", "plants"], ["beds", "plants"], ""),
    ],
)
@pytest.mark.fault(128)
def test_a_state_of_streams_that_are_not_selected_is_not_forgotten(
    tmp_path: Path, database: TestDatabase, key: str, saved: str, before: list[str], names: list[str], refused: str
) -> None:
    """The answer says whose it is and what to do; no task is left. With all of its streams it is forgotten."""
    with Database(database.url) as db:
        db.transact(lambda db: states.save(db, "sync-1", key, saved.encode()))
    if before:
        database.rows(
            "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state, streams)"
            " VALUES ('t0', 'read', 'sync-1', 'p', '1', 'p0', 'h', 'SUCCESS', CAST(:s AS jsonb))",
            s=json.dumps({name: {} for name in before}),
        )
    streams = catalog(*(name.rpartition(".")[2] for name in names), incremental=True)
    for one, name in zip(streams["streams"], names, strict=True):
        one["stream"]["namespace"] = name.rpartition(".")[0]
    task = read_task(body={"catalog": streams}, fullSync="true")
    with local_system(tmp_path, database, "http://127.0.0.1:9", {PACKAGE: python(CASE / "connector.py")}) as place:
        if refused:
            with pytest.raises(Refused, match=refused) as caught:
                place.start(task)
            assert f"the catalog selects {', '.join(names)}" in caught.value.message
            assert '"state": {}' in caught.value.message
        else:
            assert place.start(task) == place.start(task)
        left = [row["stream"] for row in database.rows("SELECT stream FROM source_state")]
    assert left == [key][: bool(refused)]
    assert len(database.rows("SELECT task_id FROM syncctl_task WHERE task_id <> 't0'")) == (0 if refused else 1)
