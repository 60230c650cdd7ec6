"""Sums over tasks: each task is in them once, whatever counts it, and stays there when its row goes."""

import json
import threading
from typing import Any

import pytest
from msgspec import structs

from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.store import Database, Outcome, Task, TaskState, outcomes, queries, tasks, totals
from common.store.totals import Ended, Retries, Sums, SyncTotal
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import wait_for

READ = Task(Command.READ, "r1", "airbyte/source-garden", "1", "s1")
CHECK = Task(Command.CHECK, "c1", "airbyte/source-garden", "1", storage_key="k1")
LOST = Failure(FailureKind.NODE_LOST, "The node is gone.")
REFUSED = Failure(FailureKind.ROWS_REFUSED, "Two rows were refused.")
STREAMS = {name: {"status": "SUCCESS", "stored": 5, "sent": 6, "bytes": 100} for name in ("plants", "beds")}
FORGET = "TRUNCATE syncctl_task CASCADE"


def begin(db: Database, task: Task) -> None:
    db.transact(lambda db: tasks.begin(db, task, pod_name=f"pod-{task.task_id}", request_hash="h", data_plane="here"))


def end(db: Database, task: Task, state: TaskState, failure: Failure | None = None, streams: Any = None) -> None:
    outcome = Outcome(state, failure=failure, streams=streams)
    assert db.transact(lambda db: outcomes.conclude(db, task, outcome))


def sums(db: Database) -> Sums:
    return db.transact(totals.read).all()


def fold(db: Database, *task_ids: str) -> int:
    return db.transact(lambda db: totals.fold(db, task_ids))


@pytest.fixture
def garden(db: Database) -> Database:
    """A read that was started again and ended PARTIAL, one of another sync that succeeded, a check, a read that runs."""
    begin(db, READ)
    db.transact(lambda db: tasks.progress(db, READ, STREAMS))
    assert db.transact(
        lambda db: tasks.begin_attempt(db, READ, LOST, pod_name="p", data_plane="here", reason="", pause=0.0)
    )
    end(db, structs.replace(READ, attempt=2), TaskState.PARTIAL, REFUSED, STREAMS)
    other, runs = structs.replace(READ, task_id="r2", sync_id="s2"), structs.replace(READ, task_id="r3", sync_id="s3")
    for task in (other, CHECK, runs):
        begin(db, task)
    end(db, other, TaskState.SUCCESS, streams=STREAMS)
    end(db, CHECK, TaskState.FAILED, Failure(FailureKind.CONFIG_ERROR, "No."))
    db.transact(lambda db: tasks.progress(db, runs, STREAMS))
    return db


def test_counting_changes_no_number(garden: Database, database: TestDatabase) -> None:
    """Neither does a second count of the same tasks, nor the end of their rows; a task that goes on is not counted."""
    before = sums(garden)
    assert before.ended == [
        Ended("check", "FAILED", "config_error", "user", 1),
        Ended("read", "PARTIAL", "rows_refused", "destination", 1),
        Ended("read", "SUCCESS", "", "", 1),
    ]
    assert before.retries == [Retries("node_lost", "platform", 1)]
    assert [(one.sync_id, one.rows, one.bytes, one.last_state) for one in before.syncs] == [
        ("s1", 10, 200, "PARTIAL"),
        ("s2", 10, 200, "SUCCESS"),
    ]
    assert [bool(one.last_success_at) for one in before.syncs] == [False, True]
    counted = [(one.measure, one.command, one.state, one.tasks) for one in before.seconds]
    assert counted == [("duration", "read", "PARTIAL", 1), ("start_delay", "read", "", 2)]
    assert fold(garden, "r1", "c1", "r3", "unknown") == 2
    assert garden.transact(lambda db: totals.fold_ended(db, 0)) == 1
    assert fold(garden, "r1", "r2", "c1") == 0
    assert sums(garden) == before
    database.rows("DELETE FROM syncctl_task WHERE task_id <> 'r3'")
    assert sums(garden) == before
    end(garden, structs.replace(READ, task_id="r3"), TaskState.SUCCESS)
    assert [one.tasks for one in sums(garden).ended] == [1, 1, 2]


def test_a_sync_beyond_those_that_are_shown_comes_back_with_its_sums(
    garden: Database, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is read again: its counters never begin at zero, to jump when the task is counted."""
    monkeypatch.setattr(totals, "MOST_SYNCS", 1)
    fold(garden, "r1", "r2", "c1")
    database.rows(
        "UPDATE syncctl_sync_total SET last_run_at = last_run_at - CASE sync_id WHEN 's1' THEN 2 ELSE 1 END * interval '1 day'"
    )
    assert [one.sync_id for one in sums(garden).syncs] == ["s2"]
    again = structs.replace(READ, task_id="again")
    begin(garden, again)
    end(garden, again, TaskState.SUCCESS, streams=STREAMS)
    shown = [(one.sync_id, one.rows) for one in sums(garden).syncs]
    assert shown == [("s1", 20), ("s2", 10)]
    fold(garden, "again")
    assert [(one.sync_id, one.rows) for one in sums(garden).syncs] == [("s1", 20)]


def test_sums_of_later_tasks_are_added(garden: Database, database: TestDatabase) -> None:
    """To those of before; a sync's last state is that of its newest read, whichever is counted last."""
    fold(garden, "r1", "r2", "c1")
    for number, (state, failure) in enumerate([(TaskState.FAILED, REFUSED), (TaskState.SUCCESS, None)]):
        task = structs.replace(READ, task_id=f"later{number}")
        begin(garden, task)
        age = f"- interval '{number + 1} hour'"
        database.rows(f"UPDATE syncctl_task SET created_at = now() {age} WHERE task_id = '{task.task_id}'")
        end(garden, task, state, failure, STREAMS)
    expected = sums(garden)
    fold(garden, "later1")
    fold(garden, "later0")
    assert sums(garden) == expected
    [first, _] = expected.syncs
    assert (first.rows, first.bytes, first.last_state) == (30, 600, "PARTIAL")
    assert first.last_success_at
    database.rows(FORGET)
    assert garden.transact(totals.read).uncounted == []
    assert [one.tasks for one in sums(garden).ended] == [1, 1, 1, 2]


@pytest.mark.fault(541)
def test_two_who_count_at_once_count_a_task_once(garden: Database, database: TestDatabase) -> None:
    """The second waits for the first one's transaction, and finds nothing left."""
    before, counts = sums(garden), list[int]()

    def second() -> None:
        with Database(database.url) as db:
            counts.append(fold(db, "r1", "r2", "c1"))

    thread = threading.Thread(target=second)

    def first(db: Database) -> int:
        count = totals.fold(db, ["c1", "r2", "r1"])
        thread.start()
        assert wait_for(
            lambda: database.rows(
                "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )
        return count

    assert garden.transact(first) == 3
    thread.join(30)
    assert counts == [0]
    assert sums(garden) == before


@pytest.mark.fault(542)
def test_a_count_that_is_taken_back_is_made_later(garden: Database) -> None:
    """The sums and the row's mark are one transaction: a crash in between counts nothing twice, and loses nothing."""
    before = sums(garden)

    def dies(db: Database) -> None:
        assert totals.fold(db, ["r1", "r2"]) == 2
        raise RuntimeError

    with pytest.raises(RuntimeError):
        garden.transact(dies)
    assert sums(garden) == before
    assert fold(garden, "r1", "r2") == 2
    assert sums(garden) == before


def test_a_cancelled_read_is_counted_when_its_sidecar_had_time(db: Database) -> None:
    """Its rows are known only after its end."""
    begin(db, READ)
    end(db, READ, TaskState.CANCELLED, Failure(FailureKind.CANCELLED, "Stopped."))
    assert db.transact(lambda db: totals.fold_ended(db, 60)) == 0
    db.transact(lambda db: db.run("account_cancelled", task_id="r1", attempt=1, streams=json.dumps(STREAMS)))
    assert db.transact(lambda db: totals.fold_ended(db, 0)) == 1
    [sync] = sums(db).syncs
    assert (sync.rows, sync.last_state) == (10, "CANCELLED")


def test_sums_begin_with_the_tables(empty_database: TestDatabase) -> None:
    """Tasks that had ended before are in none: the day of an upgrade does not look like one of many failures. Their syncs are known."""
    with Database(empty_database.url) as db:
        db.install()
        latest = max(queries.migrations())
        assert latest >= 15
        for view_or_table in ("VIEW syncctl_task_measure", "TABLE syncctl_task_total", "TABLE syncctl_task_seconds",
                              "TABLE syncctl_retry_total", "TABLE syncctl_sync_total"):  # fmt: skip
            empty_database.rows(f"DROP {view_or_table}")
        empty_database.rows("ALTER TABLE syncctl_task DROP COLUMN counted")
        empty_database.rows("DELETE FROM syncctl_migration WHERE version = 15")
        empty_database.rows(
            "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state, created_at,"
            " started_at, finished_at, streams) SELECT 't' || n, 'read', 's' || n % 3, 'p', '1', 'pod' || n, 'h',"
            " CASE WHEN n < 4 THEN 'SUCCESS' WHEN n < 7 THEN 'FAILED' ELSE 'RUNNING' END, d, d, d, :streams::jsonb"
            " FROM generate_series(1, 7) AS n, LATERAL (SELECT '2026-01-01'::timestamptz + n * interval '1 day' AS d) AS days",
            streams=json.dumps(STREAMS),
        )
        db.install()
        found = sums(db)
        assert found.ended == []
        assert [(one.sync_id, one.rows, one.last_state) for one in found.syncs] == [
            (f"s{number}", 0, "FAILED") for number in range(3)
        ]
        days = [(one.last_run_at.day, one.last_success_at and one.last_success_at.day) for one in found.syncs]
        assert days == [(7, 4), (5, 2), (6, 3)]
        assert fold(db, *(f"t{number}" for number in range(8))) == 0
        end(db, structs.replace(READ, task_id="t7", sync_id="s1"), TaskState.SUCCESS)
        assert [one.tasks for one in sums(db).ended] == [1]


def test_an_index_finds_what_is_to_be_counted(database: TestDatabase, db: Database) -> None:
    """Among months of tasks neither a sweep nor a scrape goes through all of them."""
    database.rows(
        "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state, counted,"
        " started_at, finished_at) SELECT 't' || n, 'read', 's' || n % 20, 'p', '1', 'pod' || n, 'h', 'SUCCESS', n > 30,"
        " now(), now() FROM generate_series(1, 5000) AS n"
    )
    database.rows("ANALYZE syncctl_task")
    some = {"task_ids": [f"t{number}" for number in range(50)]}
    asked: dict[str, dict[str, Any]] = {
        "totals": {"syncs": 10, "tasks": 1000}, "uncounted": {"grace_seconds": 60, "limit": 100},
        "measures": some, "mark_counted": some,
    }  # fmt: skip
    for name, parameters in asked.items():
        sql = "EXPLAIN " + queries.load("queries.sql")[name]
        plan = "\n".join(row["QUERY PLAN"] for row in db.transact(lambda db: db.execute(sql, **parameters)))  # noqa: B023
        assert "Seq Scan on syncctl_task t" not in plan, plan
        assert "Seq Scan on syncctl_task " not in plan, plan
    assert [one.tasks for one in sums(db).ended] == [30]


def test_a_sync_total_keeps_the_newest() -> None:
    """Whichever is added to which."""
    from datetime import UTC, datetime

    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    one = SyncTotal("s", 1, 10, days[1], TaskState.FAILED, days[0])
    other = SyncTotal("s", 2, 20, days[0], TaskState.SUCCESS, days[2])
    both = SyncTotal("s", 3, 30, days[1], TaskState.FAILED, days[2])
    assert one + other == other + one == both
