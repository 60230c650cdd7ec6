"""What a task waits for, with its age: in GET /tasks/<taskId> and in the list, by a real Postgres."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Task, runs, tasks
from common.store.runs import Wanted
from common.store.waiting import Waits, WaitsFor
from common.tasks.query import get_task, list_tasks
from common.tasks.requests import TaskQuery
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.in_process_sidecar import InProcessSidecar
from tests.support.sidecar_process import catalog, record

READ = Task(Command.READ, "t1", "p", "1", "s1", started_at=1_790_000_000)
FAILURE = Failure(FailureKind.BULKER_AWAY, "away")
MINUTE = (
    "UPDATE syncctl_task SET waits_since = now() - interval '65 seconds', attempt_at = now() - interval '90 seconds'"
)


def shown(database: TestDatabase) -> Any:
    """`waiting` of t1, the same in both answers."""
    settings = Settings.load({"SYNCCTL_DATABASE_URL": database.url})
    one = msgspec.json.decode(msgspec.json.encode(get_task(settings, "t1")["task"]))["waiting"]
    listed = msgspec.json.decode(msgspec.json.encode(list_tasks(settings, TaskQuery())))["tasks"]
    [same] = [task["waiting"] for task in listed if task["taskId"] == "t1"]
    assert (one and one.keys()) == (same and same.keys())
    return one


def note(db: Database, kind: WaitsFor, text: str, *, running: bool = False) -> None:
    db.transact(lambda db: tasks.note_waits(db, {"t1": Waits(kind, f"The pod waits: {text}")}, running=running))


@pytest.mark.fault(607)
def test_a_task_waits_for_one_thing_after_another_and_each_has_its_age(database: TestDatabase, db: Database) -> None:
    """Other words for the same thing do not begin it again; what runs waits for nothing."""
    db.transact(lambda db: tasks.begin(db, READ, pod_name="pod", request_hash="h"))
    database.rows(MINUTE)
    assert (shown(database)["for"], shown(database)["seconds"] // 10) == ("pod", 9)
    note(db, WaitsFor.NODE, "no node takes it (0/3)")
    first = shown(database)
    assert (first["for"], first["seconds"] < 60) == ("node", True)
    database.rows(MINUTE)
    note(db, WaitsFor.NODE, "no node takes it (0/4)")
    assert (shown(database)["for"], shown(database)["seconds"] // 10) == ("node", 6)
    note(db, WaitsFor.IMAGE, "source: ErrImagePull")
    assert (shown(database)["for"], shown(database)["seconds"] < 60) == ("image", True)
    db.transact(lambda db: tasks.progress(db, READ, {}))
    assert shown(database) is None
    # Its sidecar runs already, and one of its containers waits.
    note(db, WaitsFor.IMAGE, "the image of source is being pulled", running=True)
    assert (shown(database)["for"], shown(database)["seconds"] < 60) == ("image", True)
    db.transact(lambda db: tasks.mark_running(db, ["t1"]))
    assert shown(database) is None


def test_a_retrys_pause_has_its_end(database: TestDatabase, db: Database) -> None:
    """Once it is over, the attempt waits for its pod."""
    db.transact(lambda db: tasks.begin(db, READ, pod_name="pod", request_hash="h"))
    db.transact(
        lambda db: tasks.begin_attempt(
            db, READ, FAILURE, pod_name="p2", data_plane="here", reason="The pod waits: attempt 2 of 3", pause=60.0
        )
    )
    [row] = database.rows('SELECT to_char(resume_at, \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\') AS until FROM syncctl_task')
    waiting = shown(database)
    assert (waiting["for"], waiting["until"]) == ("retry", row["until"])
    second = msgspec.structs.replace(READ, attempt=2)
    db.transact(lambda db: tasks.release_attempts(db, [second]))
    assert (shown(database)["for"], "until" in shown(database)) == ("pod", False)


def test_a_run_waits_for_its_discovery(database: TestDatabase, db: Database) -> None:
    """Which is named."""
    db.transact(lambda db: tasks.begin(db, READ, pod_name="", request_hash=runs.BEGUN))
    db.transact(lambda db: runs.begin(db, "t1", Wanted("garden"), "d1", "Discovers streams first: task d1", None))
    waiting = shown(database)
    assert (waiting["for"], waiting["task"]) == ("discovery", "d1")


@pytest.mark.parametrize(
    ("reset", "until"), [(1_790_000_000_000, "2026-09-21T14:13:20.000Z"), (None, None)], ids=["known", "unknown"]
)
def test_a_read_waits_for_its_sources_rate_limit(
    tmp_path: Path, bulker: FakeBulker, database: TestDatabase, db: Database, reset: int | None, until: str | None
) -> None:
    """From the status that says so to the stream's next record; with its end, if the source knows it."""
    db.transact(lambda db: tasks.begin(db, READ, pod_name="pod", request_hash="h"))
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"), config={})
    reason: dict[str, Any] = {"type": "RATE_LIMITED"} | ({"rate_limited": {"quota_reset": reset}} if reset else {})
    body = {"stream_descriptor": {"name": "plants"}, "status": "RUNNING", "reasons": [reason]}
    for messages, expected in (
        ([record("plants", {"id": 1})], None),
        (
            [{"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": body}}],
            "rate_limit",
        ),
        ([record("plants", {"id": 2})], None),
    ):
        accounts = reading.feed(*messages).read.progress()
        db.transact(lambda db, accounts=accounts: tasks.progress(db, READ, accounts))  # type: ignore[misc]
        waiting = shown(database)
        assert (waiting and waiting["for"]) == expected
        assert not waiting or waiting.get("until") == until
