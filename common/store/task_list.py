"""What GET /tasks shows of tasks."""

from datetime import datetime
from typing import Any, NamedTuple, Self

import msgspec
from msgspec import Struct

from common.store.database import Database, Row
from common.store.tasks import TaskState

PAGE_BYTES = 2 * 1024 * 1024
"""What the texts of a page's tasks may take; one task is a page of its own, whatever it takes."""


class TaskPage(NamedTuple):
    """Tasks, newest first, and whether there are more that match."""

    tasks: "list[TaskDetails]"
    more: bool


class TaskDetails(Struct, frozen=True, rename="camel"):
    """A task as callers see it, in their words."""

    task_id: str
    command: str
    sync_id: str
    storage_key: str
    package: str
    version: str
    state: TaskState
    reason: str
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None
    started_by: str
    streams: dict[str, Any]
    failure: dict[str, Any] | None
    attempt: int
    attempts: list[dict[str, Any]]
    data_plane: str | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of list_tasks or get_task."""
        decoded = {name: msgspec.json.decode(row[name] or "null") for name in ("streams", "failure", "attempts")}
        return cls(**{**row, **decoded, "state": TaskState(row["state"])})


def newest(
    db: Database,
    limit: int,
    *,
    sync_id: str = "",
    state: str = "",
    command: str = "",
    before_time: datetime | None = None,
    before_id: str = "",
    page_bytes: int = PAGE_BYTES,
) -> TaskPage:
    """Return the newest tasks, those before a task if its time and id are given; empty texts do not filter."""
    rows = db.run(
        "list_tasks", sync_id=sync_id, state=state, command=command, before_time=before_time, before_id=before_id,
        limit=limit + 1, bytes=page_bytes,
    )  # fmt: skip
    shown = rows[:limit]
    found = [row.pop("found") for row in shown]
    return TaskPage([TaskDetails.of(row) for row in shown], bool(found) and found[0] > len(shown))


def find(db: Database, task_id: str) -> tuple[TaskDetails, str | None] | None:
    """Return a task and its result, as it was stored: a decoder would round its numbers, and refuse some."""
    rows = db.run("get_task", task_id=task_id)
    if not rows:
        return None
    result = rows[0].pop("result")
    return TaskDetails.of(rows[0]), result
