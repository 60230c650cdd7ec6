"""GET /tasks: a page is bounded in bytes, whatever connectors have written into the rows of their tasks."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, tasks
from common.store.task_list import FEW_STREAMS
from common.tasks import requests
from common.tasks.query import list_tasks
from tests.support.databases import TestDatabase

_STREAM = {"status": "FAILED", "emitted": 0, "sent": 0, "stored": 0, "refused": 0, "bytes": 0, "error": "x" * 2000}
_PAGE_BYTES = 2 * 1024 * 1024


def _conclude(database: TestDatabase, number: int, streams: int) -> None:
    task = Task(
        command=Command.READ, task_id=f"t{number:02}", package="p", version="1", sync_id=f"s{number}",
        started_at=1_790_000_000 + number,
    )  # fmt: skip
    outcome = Outcome(
        TaskState.FAILED,
        streams={f"stream {one}": _STREAM for one in range(streams)},
        failure=Failure(FailureKind.SOURCE_ERROR, "x"),
    )
    with Database(database.url) as db:
        db.transact(lambda db: tasks.begin(db, task, pod_name=f"pod-{number}", request_hash="h"))
        db.transact(lambda db: outcomes.conclude(db, task, outcome))


def _pages(database: TestDatabase, limit: int = 50) -> Iterator[list[dict[str, Any]]]:
    settings = Settings.load({"SYNCCTL_DATABASE_URL": database.url})
    cursor: str | None = ""
    while cursor is not None:
        answer = list_tasks(settings, requests.TaskQuery(limit=limit, cursor=cursor))
        yield msgspec.to_builtins(answer["tasks"])
        cursor = answer["next"]


@pytest.mark.fault(282)
def test_a_page_of_tasks_with_long_errors_is_cut_and_the_next_ones_have_the_rest(database: TestDatabase) -> None:
    """As many streams as a list shows, with an error each, are 40 KB a task; a limit of 500 tasks makes them 20 MB."""
    for number in range(70):
        _conclude(database, number, streams=FEW_STREAMS)
    pages = list(_pages(database, limit=500))
    assert [task["taskId"] for page in pages for task in page] == [f"t{number:02}" for number in reversed(range(70))]
    assert len(pages) > 1
    assert all(len(msgspec.json.encode(page)) < 1.1 * _PAGE_BYTES for page in pages)


def test_a_task_that_fits_no_page_is_one_by_itself(database: TestDatabase) -> None:
    """It is in nobody's way."""
    for number in range(3):
        _conclude(database, number, streams=1)
    database.rows("UPDATE syncctl_task SET reason = repeat('x', 3000000) WHERE task_id = 't01'")
    assert [[task["taskId"] for task in page] for page in _pages(database)] == [["t02"], ["t01"], ["t00"]]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_by_number_end_where_the_tasks_end(database: TestDatabase, limit: int) -> None:
    """The last page has no cursor, full or not."""
    for number in range(3):
        _conclude(database, number, streams=1)
    pages = list(_pages(database, limit))
    assert [len(page) for page in pages] == {1: [1, 1, 1], 2: [2, 1], 3: [3]}[limit]
