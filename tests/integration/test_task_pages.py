"""GET /tasks: a page is bounded in bytes, whatever connectors have written into the rows of their tasks."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, tasks
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
    """A thousand streams with an error each make 50 tasks 100 MB."""
    for number in range(12):
        _conclude(database, number, streams=300)
    pages = list(_pages(database))
    assert [task["taskId"] for page in pages for task in page] == [f"t{number:02}" for number in reversed(range(12))]
    assert len(pages) > 1
    assert all(len(msgspec.json.encode(page)) < 1.1 * _PAGE_BYTES for page in pages)


def test_a_task_that_fits_no_page_is_one_by_itself(database: TestDatabase) -> None:
    """It is in nobody's way."""
    for number, streams in enumerate((1, 1200, 1)):
        _conclude(database, number, streams)
    assert [[task["taskId"] for task in page] for page in _pages(database)] == [["t02"], ["t01"], ["t00"]]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_by_number_end_where_the_tasks_end(database: TestDatabase, limit: int) -> None:
    """The last page has no cursor, full or not."""
    for number in range(3):
        _conclude(database, number, streams=1)
    pages = list(_pages(database, limit))
    assert [len(page) for page in pages] == {1: [1, 1, 1], 2: [2, 1], 3: [3]}[limit]
