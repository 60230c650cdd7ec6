"""Refusals of Postgres that no waiting mends: missing rights, wrong passwords, sessions that cannot write."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from common.errors import StoreRefused, SyncError
from common.pods import waiting
from common.store import Database
from common.tasks.cancel import cancel
from common.tasks.requests import CancelQuery
from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import (
    PACKAGE,
    REPLAY,
    LocalSystem,
    connector,
    local_system,
    other_task,
    python,
    read_task,
)
from tests.support.logins import grants, login, user_of
from tests.support.sidecar_process import SidecarProcess, lines, log, record, state, status

CASE = CASES / "postgres-user-without-a-right"
STATES = [log("words"), record("beds", {"id": 1}), state("beds", {"n": 1}), state("beds", {"n": "\0"})]
SPEAKS = f"""
command = sys.argv[1]
if command == "spec": out(type="SPEC", spec={{"connectionSpecification": {{}}}})
if command == "check": out(type="CONNECTION_STATUS", connectionStatus={{"status": "SUCCEEDED"}})
if command == "discover": out(type="CATALOG", catalog={{"streams": []}})
if command == "read":
    for message in {STATES!r}: out(**message)
    out(type="CONTROL", control={{"type": "CONNECTOR_CONFIG", "emitted_at": 1.5, "connectorConfig": {{"config": {{"a": 1}}}}}})
    out(**{status("beds", "COMPLETE")!r})
"""


def body() -> dict[str, Any]:
    return {"catalog": json.loads((CASE / "catalog.json").read_text()), "config": {"kind": "a"}}


@contextmanager
def system(folder: Path, database: TestDatabase, bulker: FakeBulker, code: str, **urls: str) -> Iterator[LocalSystem]:
    with local_system(folder, database, bulker.url, {PACKAGE: code}, **urls) as made:
        yield made


@pytest.mark.fault(121)
@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ("ALL ON newjitsu.source_state", "permission denied for table source_state (SELECT, INSERT, UPDATE, DELETE)"),
        ("DELETE ON newjitsu.source_state", "permission denied for table source_state (DELETE)"),
        ("INSERT ON newjitsu.task_log", "permission denied for table task_log (INSERT)"),
        ("UPDATE ON newjitsu.source_task", "permission denied for table source_task (UPDATE)"),
        ("ALL ON syncctl.syncctl_task", "permission denied for table syncctl_task"),
        ("USAGE ON SCHEMA newjitsu", "permission denied for schema newjitsu"),
        ("USAGE ON SCHEMA syncctl", "permission denied for schema syncctl"),
    ],
)
def test_postgres_user_without_a_right(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, taken: str, words: str
) -> None:
    """Each right that operate.md lists, taken away: the read ends before a row is sent, and is not retried."""
    code = python(REPLAY, str(CASE))
    with login(database, grants("sync_tasks"), "sync_tasks") as url:
        database.rows(f"REVOKE {taken} FROM {user_of(url)}")
        with system(tmp_path, database, bulker, code, SYNCCTL_SIDECAR_DATABASE_URL=url) as place:
            task = place.run(read_task(body=body()))
    assert (task["state"], task["failure"]["kind"], task["attempt"]) == ("FAILED", "postgres_refused", 1)
    assert words in task["reason"]
    assert "operate.md" in task["failure"]["advice"]
    assert not re.search("stayed away|nothing is lost|Traceback", str(task))
    assert bulker.requests == []
    [row] = database.rows("SELECT status, description FROM source_task")
    assert (row["status"], words in row["description"]) == ("FAILED", True)


@pytest.mark.fault(121)
@pytest.mark.parametrize(
    ("command", "table"), [("spec", "source_spec"), ("check", "source_check"), ("discover", "source_catalog")]
)
def test_a_result_that_may_not_be_written_is_refused_at_once(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, command: str, table: str
) -> None:
    """The sweep writes the reason, whose user may."""
    with login(database, grants("sync_tasks"), "sync_tasks") as url:
        database.rows(f"REVOKE UPDATE ON newjitsu.{table} FROM {user_of(url)}")
        with system(tmp_path, database, bulker, connector(tmp_path, SPEAKS), SYNCCTL_SIDECAR_DATABASE_URL=url) as place:
            task = place.run(other_task(command))
    assert (task["state"], task["failure"]["kind"]) == ("FAILED", "postgres_refused")
    assert f"permission denied for table {table} (UPDATE)" in task["reason"]


@pytest.mark.fault(121)
def test_a_right_that_is_taken_away_meanwhile_ends_the_stream_with_its_name(
    sidecar: SidecarProcess, database: TestDatabase, bulker: FakeBulker
) -> None:
    """Postgres's words, in the reason and in the log, as soon as the source has ended."""
    with login(database, grants("sync_tasks"), "sync_tasks") as url:
        sidecar.environment["DATABASE_URL"] = url
        sidecar.give(catalog=body()["catalog"], config={}, state=[{}])
        with sidecar.start(COMMIT_SECONDS="0", STORE_PATIENCE_SECONDS="300") as process:
            sidecar.stderr.open("wb").close()
            with sidecar.stdout.open("wb", buffering=0) as out:
                out.write(lines([log("begun"), record("beds", {"id": 1})]))
                wait_for(lambda: "INFO begun" in sidecar.log, what="the first line")
                database.rows(f"REVOKE INSERT ON newjitsu.source_state FROM {user_of(url)}")
                out.write(lines([state("beds", {"n": 1}), status("beds", "COMPLETE")]))
            sidecar.leave(0)
            assert process.wait(60) == 0, sidecar.output
    assert sidecar.ours["failure"]["kind"] == "postgres_refused"
    assert "permission denied for table source_state" in sidecar.ours["reason"]
    assert any("permission denied for table source_state" in line for line in sidecar.log)
    assert len(bulker.rows("beds")) == 1


@pytest.mark.fault(121)
def test_operate_lists_the_rights_that_suffice(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """Functions and task pods with exactly those, and everything works; a reader sees, and writes nothing."""
    code = connector(tmp_path, SPEAKS)
    with (
        login(database, grants("sync_functions"), "sync_functions") as functions,
        login(database, grants("sync_tasks"), "sync_tasks") as pods,
        login(database, grants("sync_reader"), "sync_reader") as reader,
    ):
        urls = {"SYNCCTL_DATABASE_URL": functions, "SYNCCTL_SIDECAR_DATABASE_URL": pods}
        with system(tmp_path, database, bulker, code, **urls) as place:
            for task in ("t1", "t2"):
                ended = place.run(read_task(task=task, body=body()))
                assert (ended["state"], ended["reason"]) == ("SUCCESS", "")
            for command in ("spec", "check", "discover"):
                assert place.run(other_task(command))["state"] == "SUCCESS"
            assert place.run(read_task(task="t3", body=body(), fullSync="true"))["state"] == "SUCCESS"
            place.start(read_task(task="t4", body=body()))
            cancel(CancelQuery(task_id="t4"), place.settings)
            assert place.finish("t4")["state"] == "CANCELLED"
        assert database.rows("SELECT count(*) AS n FROM task_log WHERE message = 'words' AND task_id < 't4'") == [
            {"n": 3}
        ]
        with Database(reader, make_tables=False) as db:
            for table in ("source_spec", "source_check", "source_catalog", "source_state", "source_task", "task_log"):
                db.transact(lambda db, table=table: db.execute(f"SELECT * FROM {table}"))  # type: ignore[misc] # the loop's own
            with pytest.raises(StoreRefused, match="permission denied for table source_task"):
                db.transact(lambda db: db.execute("DELETE FROM source_task"))


@pytest.mark.fault(121)
@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ("INSERT ON newjitsu.source_task", "permission denied for table source_task"),
        ("ALL ON syncctl.syncctl_changed_config", "permission denied for table syncctl_changed_config"),
        ("USAGE ON SCHEMA newjitsu", "permission denied for schema newjitsu"),
    ],
)
def test_a_function_without_a_right_answers_so(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, taken: str, words: str
) -> None:
    """With 500, which no caller repeats, and nothing is started."""
    with login(database, grants("sync_functions"), "sync_functions") as url:
        database.rows(f"REVOKE {taken} FROM {user_of(url)}")
        with system(tmp_path, database, bulker, "true", SYNCCTL_DATABASE_URL=url) as place:
            with pytest.raises(SyncError, match=words) as caught:
                place.start(read_task())
            assert (caught.value.status, "SYNCCTL_DATABASE_URL" in str(caught.value)) == (500, True)
            assert list(place.pods.list_pods()) == []


@pytest.mark.fault(111)
def test_a_password_that_is_wrong_is_not_waited_for(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """The sweep, which has another one, gives the reason; with a new Secret the next attempt may have a better one."""
    wrong = database.url.replace("sync:", "sync:not-")
    given = {
        "SYNCCTL_SIDECAR_DATABASE_URL": wrong,
        "SYNCCTL_TASK_RETRIES": "1",
        "SYNCCTL_TASK_RETRY_PAUSE_SECONDS": "0",
    }
    with system(tmp_path, database, bulker, python(REPLAY, str(CASE)), **given) as place:
        task = place.run(read_task(body=body()))
    assert (task["state"], task["failure"]["kind"], task["attempt"]) == ("FAILED", "postgres_login", 2)
    assert "password authentication failed" in task["reason"]
    assert "stayed away" not in str(task)


@pytest.mark.fault(121)
def test_what_no_waiting_mends_is_refused_at_once(database: TestDatabase) -> None:
    """However patient its caller is: a user whose sessions are read-only, and a database that does not exist."""
    with login(database, grants("sync_tasks"), "sync_tasks") as url:
        database.rows(f"ALTER ROLE {user_of(url)} SET default_transaction_read_only = on")
        write = "INSERT INTO source_state VALUES ('s', 'x', '{}', now())"
        with (
            Database(url, patience_seconds=600) as db,
            pytest.raises(StoreRefused, match="default_transaction_read_only"),
        ):
            db.transact(lambda db: db.execute(write))
    missing = Database(database.url.replace(database.name, "no_such"), patience_seconds=600)
    with pytest.raises(StoreRefused, match='database "no_such" does not exist'):
        missing.transact(lambda db: db.run("database_now"))


@pytest.mark.fault(434)
@pytest.mark.parametrize("command", ["read", "check"])
def test_a_pod_that_cannot_reach_postgres_says_so(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The functions can, so the row is there: until the sidecar has given up, it shows what it waits for."""
    monkeypatch.setattr(waiting, "UNREPORTED_SECONDS", 1.0)
    code = connector(tmp_path, SPEAKS)
    nowhere = "postgresql://user@127.0.0.1:9/none"
    with system(tmp_path, database, bulker, code, SYNCCTL_SIDECAR_DATABASE_URL=nowhere) as place:
        started = place.start(read_task(body=body()) if command == "read" else other_task(command))

        # The sweeps see it before its containers run, and then not before it is silent, as on a slow machine.
        place.sweep()

        def silent() -> bool:
            return any(waiting.is_unreported(pod, time.time(), None) for pod in place.pods.list_pods())

        wait_for(silent, 60, what="a silent sidecar")

        def shown() -> str:
            place.sweep()
            return str(database.rows("SELECT reason FROM syncctl_task")[0]["reason"])

        wait_for(lambda: "sidecar: it does not report" in shown(), 60, what="the reason")
        [before] = database.rows("SELECT state, updated_at FROM syncctl_task")
        shown()
        assert database.rows("SELECT state, updated_at FROM syncctl_task") == [before]
        assert before["state"] == "RUNNING"
        cancel(CancelQuery(started.task_id), place.settings)
