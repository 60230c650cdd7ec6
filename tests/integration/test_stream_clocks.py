"""A clock per stream, estimates, and what GET /tasks/<taskId> makes of them: the real sidecar, row and answer."""

import math
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, progress, tasks
from common.tasks.query import get_task, list_tasks
from common.tasks.requests import TaskQuery
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.in_process_sidecar import InProcessSidecar
from tests.support.logins import grants, login
from tests.support.sidecar_process import SYNC, TASK, SidecarProcess, catalog, lines, record, state, status

READ = Task(Command.READ, TASK, "airbyte/source-garden", "1.4.0", SYNC)


def estimate(stream: str | None, rows: Any = None, size: Any = None, kind: Any = "STREAM") -> dict[str, Any]:
    """A TRACE ESTIMATE."""
    body = {"name": stream, "type": kind, "row_estimate": rows, "byte_estimate": size}
    return {"type": "TRACE", "trace": {"type": "ESTIMATE", "emitted_at": 1.5, "estimate": body}}


def rows(stream: str, count: int) -> list[dict[str, Any]]:
    return [record(stream, {"id": number}) for number in range(count)]


def shown(database: TestDatabase, task_id: str = TASK) -> dict[str, Any]:
    """What GET /tasks/<taskId> answers."""
    settings = Settings.load({"SYNCCTL_DATABASE_URL": database.url})
    answer: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(get_task(settings, task_id)["task"]))
    return answer


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.fault(601)
def test_each_stream_has_a_clock_from_its_own_start_to_its_own_end(
    sidecar: SidecarProcess, database: TestDatabase
) -> None:
    """Neither the source's own time before it nor the other streams are in it."""
    sidecar.give(catalog=catalog("plants", "beds", "trees"), config={})
    with sidecar.start() as process, sidecar.stderr.open("wb"), sidecar.stdout.open("wb", buffering=0) as pipe:
        pipe.write(lines([status("plants", "STARTED"), status("plants", "RUNNING"), *rows("plants", 10)]))
        wait_for(lambda: shown(database)["streams"].get("plants", {}).get("emitted") == 10)
        first = shown(database)["streams"]
        assert first["plants"]["rowsPerSecond"] > 0
        assert (first["plants"]["timedBy"], "endedAt" in first["plants"]) == ("status", False)
        assert "startedAt" not in first["beds"]
        pipe.write(lines([status("plants", "COMPLETE"), status("beds", "STARTED"), *rows("beds", 5)]))
        wait_for(lambda: shown(database)["streams"]["beds"]["emitted"] == 5)
        second = shown(database)["streams"]
        assert second["plants"]["startedAt"] == first["plants"]["startedAt"]
        assert "rowsPerSecond" not in second["plants"]
        pipe.write(lines([status("beds", "COMPLETE"), status("trees", "STARTED"), status("trees", "COMPLETE")]))
        sidecar.leave(0)
        pipe.close()
        assert process.wait(60) == 0
    task = shown(database)
    plants, beds, trees = (task["streams"][name] for name in ("plants", "beds", "trees"))
    assert at(plants["startedAt"]) <= at(plants["lastRecordAt"]) <= at(plants["endedAt"]) <= at(beds["startedAt"])
    assert plants["endedAt"] == second["plants"]["endedAt"]
    assert plants["seconds"] == pytest.approx(at(plants["endedAt"]) - at(plants["startedAt"]), abs=0.01)
    assert at(beds["endedAt"]) <= at(trees["startedAt"]) <= at(trees["endedAt"])
    assert "lastRecordAt" not in trees
    assert task["progress"] is None


@pytest.mark.fault(602)
def test_streams_without_statuses_are_timed_by_their_records(tmp_path: Path, bulker: FakeBulker) -> None:
    """From the first to the last one, also where streams come by turns; the end is known when the read ends."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants", "beds", "trees"), config={})
    reading.feed(*rows("plants", 2)).feed(*rows("beds", 1))
    between = (reading.read.progress() or {})["plants"]
    assert (between["timedBy"], "endedAt" in between) == ("records", False)
    assert between["seconds"] == 0
    time.sleep(0.01)
    reading.feed(*rows("plants", 1)).end()
    plants, beds, trees = (reading.streams[name] for name in ("plants", "beds", "trees"))
    assert plants["startedAt"] == between["startedAt"]
    assert plants["endedAt"] == plants["lastRecordAt"] > beds["endedAt"] == beds["lastRecordAt"]
    assert plants["seconds"] > beds["seconds"] == 0
    assert "startedAt" not in trees


def test_a_stream_that_starts_again_goes_on_with_its_clock(tmp_path: Path, bulker: FakeBulker) -> None:
    """As with its counts. A last word that is repeated, as some sources do at their end, ends it no later."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"), config={})

    def after(*messages: Any) -> dict[str, Any]:
        time.sleep(0.002)
        found: dict[str, Any] = (reading.feed(*messages).read.progress() or {})["plants"]
        return found

    first = after(status("plants", "STARTED"), *rows("plants", 2), status("plants", "INCOMPLETE"))
    again = after(status("plants", "STARTED"))
    ended = after(*rows("plants", 2), status("plants", "COMPLETE"))
    repeated = after(status("plants", "COMPLETE"), status("plants", "WEIRD"))
    assert "endedAt" in first
    assert "endedAt" not in again
    assert first["startedAt"] == ended["startedAt"]
    assert repeated["endedAt"] == ended["endedAt"] > first["endedAt"]
    reading.end()


@pytest.mark.fault(603)
@pytest.mark.parametrize(
    ("rows_of", "size", "expected"),
    [(100, None, 20), (100, 7, 20), (10, None, 99), (0, 950, 20), (-5, True, None), ("40", "x", None),
     (1e400, float("nan"), None), (None, None, None), ([], {}, None), (10**30, 0.5, None), (80.9, None, 25)],
)  # fmt: skip
def test_percent_follows_a_streams_estimate(
    tmp_path: Path, bulker: FakeBulker, rows_of: Any, size: Any, expected: int | None
) -> None:
    """By rows, else by bytes; one that is too low shows 99 and no time left; nonsense is ignored."""
    accounts, _ = _progress(tmp_path, bulker, estimate("plants", rows_of, size))
    assert accounts["plants"].get("percent") == expected
    assert ("secondsLeft" in accounts["plants"]) == (expected in {20, 25})


@pytest.mark.fault(604)
def test_an_estimate_of_a_stream_that_is_not_selected_changes_nothing(tmp_path: Path, bulker: FakeBulker) -> None:
    """Some sources estimate all that they have; no stream is made of it, and a later estimate replaces an earlier one."""
    odd = [estimate("weeds", 5), estimate(None, 5), estimate("plants", 5, kind="GALAXY"), estimate("plants", 40)]
    accounts, task = _progress(tmp_path, bulker, estimate("plants", 20), *odd, estimate("plants", "?"))
    assert list(accounts) == ["plants", "beds"]
    assert (accounts["plants"]["estimatedRows"], accounts["plants"]["percent"]) == (40, 50)
    assert "percent" not in task  # of beds nothing is known


def test_a_read_of_several_streams_has_percent_once_all_are_estimated(tmp_path: Path, bulker: FakeBulker) -> None:
    """What came beyond one stream's estimate does not count for another's; what has ended counts as it came."""
    both = [estimate("plants", 10), estimate("beds", 60)]
    accounts, task = _progress(tmp_path, bulker, *both)
    assert (accounts["plants"]["percent"], task["percent"]) == (99, 25)
    ended = {**accounts, "plants": {**accounts["plants"], "endedAt": accounts["plants"]["lastRecordAt"]}}
    assert progress.of_task({**ended, "beds": {**ended["beds"], "emitted": 30}}, None) == {
        "rowsPerSecond": accounts["plants"]["rowsPerSecond"], "percent": 62,
        "secondsLeft": math.ceil(accounts["plants"]["seconds"] * 30 / 50),
    }  # fmt: skip


@pytest.mark.fault(605)
def test_the_whole_read_has_percent_by_its_own_estimate(sidecar: SidecarProcess, database: TestDatabase) -> None:
    """Type SYNC counts for the task. What counts only while it goes on ends with it, if the sidecar is lost, too."""
    sidecar.give(catalog=catalog("plants", "beds"), config={})
    messages = [estimate("x", 200, kind="SYNC"), estimate("plants", 40), status("plants", "STARTED")]
    task = _follow(sidecar, database, [*messages, *rows("plants", 20)], 20)
    assert task["progress"]["percent"] == 10
    assert task["progress"]["secondsLeft"] > 0
    assert task["progress"]["rowsPerSecond"] == task["streams"]["plants"]["rowsPerSecond"] > 0
    failure = Failure(FailureKind.NODE_LOST, "The node is lost.")
    with Database(database.url) as db:
        db.transact(lambda db: outcomes.conclude(db, READ, Outcome(TaskState.FAILED, "lost", failure=failure)))
    task = shown(database)
    assert (task["progress"], task["streams"]["plants"]["status"]) == (None, "FAILED")
    assert "startedAt" in task["streams"]["plants"]
    assert not task["streams"]["plants"].keys() & {"rowsPerSecond", "percent", "secondsLeft"}


@pytest.mark.fault(606)
def test_a_resumed_attempts_clocks_and_percent_are_of_what_it_reads_itself(
    sidecar: SidecarProcess, database: TestDatabase
) -> None:
    """The second attempt begins at its own STARTED, with its own estimate, though it goes on from a state."""
    sidecar.give(catalog=catalog("plants", incremental=True), config={})
    whole = [
        estimate("x", 9, kind="SYNC"),
        estimate("plants", 30),
        status("plants", "STARTED"),
        *rows("plants", 20),
        state("plants", {"n": 20}),
    ]
    with Database(database.url) as db:
        assert sidecar.play(whole, exit_code=1) == 0
        # As the sweep would go on from here; the harness has concluded the row.
        database.rows(
            "UPDATE syncctl_task SET state = 'RUNNING', finished_at = NULL, failure = NULL, estimate = '{\"rows\": 9}'"
        )
        first = shown(database)["streams"]["plants"]
        failure = Failure(FailureKind.SOURCE_KILLED, "killed")
        db.transact(
            lambda db: tasks.begin_attempt(db, READ, failure, pod_name="p2", data_plane="here", reason="x", pause=0.0)
        )
    waiting = shown(database)
    assert (waiting["streams"], waiting["progress"], sidecar.ours["estimate"]) == ({}, None, None)
    sidecar.exit_code_file.unlink()  # init removes what an earlier attempt has left
    rest = [estimate("plants", 10), status("plants", "STARTED"), *rows("plants", 5)]
    second = _follow(sidecar, database, rest, 5, ATTEMPT="2")["streams"]["plants"]
    assert at(second["startedAt"]) >= at(first["endedAt"])
    assert (second["emitted"], second["percent"]) == (5, 50)


@pytest.mark.fault(664)
def test_a_sidecar_works_on_tables_of_the_version_before(sidecar: SidecarProcess, database: TestDatabase) -> None:
    """Its functions have not made the columns for a whole read's estimate, and for its rows over time."""
    database.rows(
        "ALTER TABLE syncctl.syncctl_task DROP COLUMN estimate, DROP COLUMN waits_for, DROP COLUMN waits_since,"
        " DROP COLUMN rates"
    )
    sidecar.give(catalog=catalog("plants"), config={})
    messages = [estimate(None, 5, kind="SYNC"), status("plants", "STARTED"), *rows("plants", 5)]

    def reported() -> bool:
        return bool(sidecar.ours["streams"].get("plants", {}).get("emitted") == 5)

    with sidecar.start() as process, sidecar.stderr.open("wb"), sidecar.stdout.open("wb", buffering=0) as pipe:
        pipe.write(lines(messages))
        wait_for(reported)
        pipe.write(lines([status("plants", "COMPLETE")]))
        sidecar.leave(0)
        pipe.close()
        assert process.wait(60) == 0
    assert sidecar.ours["state"] == "SUCCESS"
    assert b"could not be written" not in sidecar.output


@pytest.mark.fault(663)
def test_rows_over_time_are_kept_after_the_end(sidecar: SidecarProcess, database: TestDatabase) -> None:
    """What is shown while it runs are full steps; once it has ended, all rows are in it. Another attempt begins again."""
    sidecar.give(catalog=catalog("plants", "beds"), config={})
    with sidecar.start() as process, sidecar.stderr.open("wb"), sidecar.stdout.open("wb", buffering=0) as pipe:
        pipe.write(lines([status("plants", "STARTED"), *rows("plants", 7)]))
        wait_for(lambda: sum((shown(database)["rates"] or {"emitted": []})["emitted"]) == 7, 60)
        pipe.write(lines([status("plants", "COMPLETE"), *rows("beds", 5), status("beds", "COMPLETE")]))
        sidecar.leave(0)
        pipe.close()
        assert process.wait(60) == 0
    task = shown(database)
    rates = task["rates"]
    assert (task["state"], sum(rates["emitted"]), sum(rates["stored"])) == ("SUCCESS", 12, 12)
    assert 0 < len(rates["emitted"]) == len(rates["stored"]) <= 120
    assert rates["stepSeconds"] >= 1
    assert at(rates["startedAt"]) <= at(task["streams"]["plants"]["startedAt"])
    settings = Settings.load({"SYNCCTL_DATABASE_URL": database.url})
    [listed] = list_tasks(settings, TaskQuery())["tasks"]
    assert "rates" not in listed
    with Database(database.url) as db:
        db.transact(lambda db: tasks.report_rates(db, READ, {"stepSeconds": 9}))  # it has ended
        assert shown(database)["rates"] == rates
        database.rows("UPDATE syncctl_task SET state = 'RUNNING', finished_at = NULL, failure = NULL")
        failure = Failure(FailureKind.SOURCE_KILLED, "killed")
        db.transact(
            lambda db: tasks.begin_attempt(db, READ, failure, pod_name="p2", data_plane="here", reason="x", pause=0.0)
        )
        assert shown(database)["rates"] is None
        db.transact(lambda db: tasks.report_rates(db, READ, {"stepSeconds": 9}))  # an earlier attempt's
        assert shown(database)["rates"] is None


@pytest.mark.fault(664)
def test_a_user_without_a_right_on_the_rates_reads_all_the_same(
    sidecar: SidecarProcess, database: TestDatabase
) -> None:
    """Rights on single columns, granted before the column was there: what is missing is the plot alone."""
    kept = database.rows(
        "SELECT string_agg(attname, ', ') AS names FROM pg_attribute WHERE attrelid = 'syncctl_task'::regclass"
        " AND attnum > 0 AND NOT attisdropped AND attname <> 'rates'"
    )[0]["names"]
    rights = [one for one in grants("sync_tasks") if " syncctl.syncctl_task " not in one]
    rights.append(f"GRANT SELECT, UPDATE ({kept}) ON syncctl.syncctl_task TO sync_tasks")
    sidecar.give(catalog=catalog("plants"), config={})
    with login(database, rights, "sync_tasks") as url:
        sidecar.environment["DATABASE_URL"] = url
        sidecar.play([status("plants", "STARTED"), *rows("plants", 5), status("plants", "COMPLETE")])
    task = shown(database)
    assert (task["state"], task["streams"]["plants"]["stored"], task["rates"]) == ("SUCCESS", 5, None)


def _progress(tmp_path: Path, bulker: FakeBulker, *estimates: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The accounts and the task's progress after 190 bytes in 20 records of the first of two streams."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants", "beds", incremental=True), commit_bytes=1)
    reading.feed(*estimates, status("plants", "STARTED"), *rows("plants", 20), state("plants", {"n": 20}))
    time.sleep(0.002)
    accounts = reading.read.progress() or {}
    assert not [line for line in reading.log if "weeds" in line]
    return progress.with_progress(accounts), progress.of_task(accounts, None) or {}


def _follow(
    sidecar: SidecarProcess, database: TestDatabase, messages: list[Any], emitted: int, **environment: str
) -> dict[str, Any]:
    """What is shown once so many records of the first stream are reported; the sidecar is killed then."""

    def reported() -> bool:
        found = shown(database)["streams"].get("plants", {})
        return bool(found.get("emitted") == emitted and found["seconds"])

    with sidecar.start(**environment), sidecar.stderr.open("wb"), sidecar.stdout.open("wb", buffering=0) as pipe:
        pipe.write(lines(messages))
        wait_for(reported)
        wait_for(lambda: sidecar.ours["estimate"] or not any("SYNC" in str(one) for one in messages))
        return shown(database)
