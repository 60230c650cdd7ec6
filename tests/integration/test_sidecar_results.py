"""A result of spec, check or discover is there as soon as the connector has printed it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.store import Database, Outcome, Task, TaskState, outcomes
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import wait_for
from tests.support.sidecar_process import TASK, SidecarProcess, lines

SPEC = {"type": "SPEC", "spec": {"connectionSpecification": {}}}
PASSED = {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
REFUSED = {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": "no access"}}
CATALOG = {"type": "CATALOG", "catalog": {"streams": [{"name": "plants"}]}}

SHOWN = {
    "spec": "SELECT 1 AS n FROM source_spec WHERE specs IS NOT NULL AND error = ''",
    "check": "SELECT 1 AS n FROM source_check WHERE status = 'SUCCESS' AND key = 'k'",
    "discover": "SELECT 1 AS n FROM source_catalog WHERE status = 'SUCCESS' AND catalog IS NOT NULL",
}


class Lingering:
    """A connector that has printed something and does not end."""

    def __init__(self, sidecar: SidecarProcess, command: str, pipe: Any, process: Any) -> None:
        self.sidecar, self.command, self.pipe, self.process = sidecar, command, pipe, process

    def print(self, *messages: Any) -> None:
        self.pipe.write(lines(messages))

    def end(self, exit_code: int = 0) -> None:
        self.pipe.close()
        self.sidecar.leave(exit_code)
        assert self.process.wait(30) == 0, self.sidecar.output

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.sidecar.database.rows(sql)


@contextmanager
def _lingering(sidecar: SidecarProcess, command: str) -> Iterator[Lingering]:
    with sidecar.start(COMMAND=command, STORAGE_KEY="k", SYNC_ID="") as process:
        sidecar.stderr.open("wb").close()
        with sidecar.stdout.open("wb", buffering=0) as pipe:
            yield Lingering(sidecar, command, pipe, process)


@pytest.mark.fault(129)
@pytest.mark.parametrize(("command", "message"), [("spec", SPEC), ("check", PASSED), ("discover", CATALOG)])
def test_a_result_is_there_while_its_connector_lingers(sidecar: SidecarProcess, command: str, message: Any) -> None:
    """In the caller's table and ours; the task itself is over only once the connector has ended."""
    with _lingering(sidecar, command) as connector:
        connector.print(message)
        wait_for(lambda: connector.rows(SHOWN[command]), what="the result")
        assert connector.rows("SELECT task_id FROM syncctl_result") == [{"task_id": TASK}]
        assert sidecar.ours["state"] == "RUNNING"
        connector.end()
        assert connector.rows(SHOWN[command])
    assert sidecar.ours["state"] == "SUCCESS"


WITHDRAWN = {
    "spec": "SELECT error AS text FROM source_spec WHERE specs IS NOT NULL",
    "check": "SELECT description AS text FROM source_check WHERE status = 'FAILED'",
    "discover": "SELECT description AS text FROM source_catalog WHERE status = 'FAILED' AND catalog IS NOT NULL",
}


@pytest.mark.fault(251)
@pytest.mark.parametrize("own_tables", [True, False])
@pytest.mark.parametrize(("command", "message"), [("spec", SPEC), ("check", PASSED), ("discover", CATALOG)])
def test_the_exit_still_counts(
    sidecar: SidecarProcess, database: TestDatabase, command: str, message: Any, *, own_tables: bool
) -> None:
    """The row that showed the result then says that the connector did not end well, and why; the result is kept."""
    if own_tables:
        database.rows("UPDATE syncctl_task SET command = :c, storage_key = 'k'", c=command)
    else:
        database.rows("DROP TABLE syncctl_result, syncctl_task CASCADE")
    with _lingering(sidecar, command) as connector:
        connector.print(message)
        wait_for(lambda: connector.rows(SHOWN[command]), what="the result")
        connector.print({"type": "LOG", "log": {"level": "FATAL", "message": "the lock is gone"}})
        connector.end(exit_code=1)
    sidecar.sweep()
    [row] = database.rows(WITHDRAWN[command])
    assert row["text"].endswith(", but then the connector ended with exit code 1: the lock is gone")
    if own_tables:
        assert (sidecar.ours["state"], sidecar.ours["reason"]) == ("FAILED", row["text"].removeprefix("FAILED: "))
        assert database.rows("SELECT task_id FROM syncctl_result") == [{"task_id": TASK}]


@pytest.mark.parametrize("own_tables", [True, False])
def test_the_last_answer_counts(sidecar: SidecarProcess, database: TestDatabase, *, own_tables: bool) -> None:
    """A check that passes and then fails: the row is corrected, also where another controller made the pod."""
    if not own_tables:
        database.rows("DROP TABLE syncctl_result, syncctl_task CASCADE")
    with _lingering(sidecar, "check") as connector:
        connector.print(PASSED)
        wait_for(lambda: connector.rows(SHOWN["check"]), what="the first answer")
        connector.print(REFUSED)
        connector.end()
    [row] = database.rows("SELECT status, description FROM source_check")
    assert row == {"status": "FAILED", "description": "no access"}


def test_a_result_of_a_task_that_is_over_changes_nothing(sidecar: SidecarProcess, database: TestDatabase) -> None:
    """It was cancelled before its connector answered: the row stays FAILED."""
    task = Task(
        command=Command.CHECK, task_id=TASK, package="airbyte/source-garden", version="1.4.0", storage_key="k",
        started_at=int(database.rows("SELECT extract(epoch FROM '2026-09-01T10:00:00Z'::timestamptz)::int AS n")[0]["n"]),
    )  # fmt: skip
    why = Failure(FailureKind.CANCELLED, "The task was cancelled.")
    cancelled = Outcome(TaskState.CANCELLED, reason=why.message, description=why.message, failure=why)
    answer = Outcome(TaskState.SUCCESS, result=b'{"status":"SUCCEEDED"}', check_status="SUCCESS")
    with Database(database.url, make_tables=False) as db:
        db.transact(lambda db: outcomes.conclude(db, task, cancelled))
        db.transact(lambda db: outcomes.publish(db, task, answer))
    assert [row["status"] for row in database.rows("SELECT status FROM source_check")] == ["FAILED"]
    assert database.rows("SELECT * FROM syncctl_result") == []
