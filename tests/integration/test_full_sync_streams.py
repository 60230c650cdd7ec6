"""A full sync of some streams of a read: theirs alone begin from nothing, and the others resume."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from common.errors import Conflict, Refused
from common.store import Database, states
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, read_task
from tests.support.sidecar_process import catalog

# Each read sends the state that it was given as its row, and saves one of the kind that its configuration names.
SHOWS = """
args = dict(zip(sys.argv[2::2], sys.argv[3::2]))
kind = json.load(open(args["--config"]))["kind"]
names = [one["stream"]["name"] for one in json.load(open(args["--catalog"]))["streams"]]
given = json.load(open(args["--state"]))
parts = [{"stream_descriptor": {"name": name}, "stream_state": {"n": 1}} for name in names]
for name in names:
    out(type="RECORD", record={"stream": name, "data": {"given": json.dumps(given)}, "emitted_at": 1})
    if kind == "STREAM": out(type="STATE", state={"type": "STREAM", "stream": parts[names.index(name)]})
if kind == "GLOBAL": out(type="STATE", state={"type": "GLOBAL", "global": {"shared_state": {"lsn": 7}, "stream_states": parts}})
if kind == "LEGACY": out(type="STATE", state={"type": "LEGACY", "data": {"n": 1}})
for name in names:
    out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": name}, "status": "COMPLETE"}})
"""


@pytest.fixture
def place(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, SHOWS)}) as running:
        yield running


def _task(task: str, kind: str, *forget: str) -> Any:
    body = {"config": {"kind": kind}, "catalog": catalog("beds", "plants", incremental=True)}
    return structs.replace(read_task(task, body=body), full_sync=bool(forget), forget=forget)


def _given(bulker: FakeBulker) -> Any:
    return json.loads(bulker.requests[-1].rows[0]["given"])


def _names(given: Any) -> list[str]:
    parts = [one["stream"] for one in given] if given[0]["type"] == "STREAM" else given[0]["global"]["stream_states"]
    return [part["stream_descriptor"]["name"] for part in parts]


@pytest.mark.fault(371)
@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL"])
def test_only_these_streams_begin_from_nothing(place: LocalSystem, bulker: FakeBulker, kind: str) -> None:
    """Their tables are replaced, those of the others stay; what all streams share stays, too."""
    for task in ("t0", "t1"):
        assert place.run(_task(task, kind))["state"] == "SUCCESS"
    assert _names(_given(bulker)) == ["beds", "plants"]
    before = len(bulker.requests)
    assert place.run(_task("t2", kind, "plants"))["state"] == "SUCCESS"
    given = _given(bulker)
    assert _names(given) == ["beds"]
    assert kind == "STREAM" or given[0]["global"]["shared_state"] == {"lsn": 7}
    modes = {bulk.table: bulk.query["mode"][0] for bulk in bulker.requests[before:]}
    assert modes == {"beds": "batch", "plants": "replace_table"}
    place.run(_task("t3", kind))
    assert _names(_given(bulker)) == ["beds", "plants"]


def test_without_the_last_part_nothing_is_left(place: LocalSystem, bulker: FakeBulker) -> None:
    for task, forget in (("t0", ()), ("t1", ("beds", "plants"))):
        place.run(_task(task, "GLOBAL", *forget))
    assert _given(bulker) == {}


@pytest.mark.fault(371)
def test_a_state_that_does_not_tell_streams_apart_is_kept(place: LocalSystem, database: TestDatabase) -> None:
    place.run(_task("t0", "LEGACY"))
    with pytest.raises(Refused, match=r"plants: .*_LEGACY_STATE"):
        place.start(_task("t1", "LEGACY", "plants"))
    assert [row["stream"] for row in database.rows("SELECT stream FROM source_state")] == ["_LEGACY_STATE"]
    assert [row["task_id"] for row in database.rows("SELECT task_id FROM syncctl_task")] == ["t0"]


def test_a_repeated_request_is_the_same_only_with_the_same_streams(place: LocalSystem, database: TestDatabase) -> None:
    with Database(database.url) as db:
        db.transact(lambda db: states.save(db, "sync-1", "plants", b'{"n":5}'))
    assert place.start(_task("t0", "STREAM", "plants")) == place.start(_task("t0", "STREAM", "plants"))
    with pytest.raises(Conflict, match="another request"):
        place.start(_task("t0", "STREAM", "beds"))
    place.finish("t0")


@pytest.mark.fault(376)
@pytest.mark.parametrize("full", [False, True])
def test_a_full_sync_ends_what_an_ended_read_may_save(
    place: LocalSystem, database: TestDatabase, *, full: bool
) -> None:
    """A state that came later would be one of rows that the full sync has replaced."""
    place.run(_task("t0", "STREAM"))
    place.start(structs.replace(_task("t1", "STREAM"), full_sync=full))
    closed = {row["task_id"]: row["states_closed"] for row in database.rows("SELECT * FROM syncctl_task")}
    assert closed == {"t0": full, "t1": False}
    place.finish("t1")
