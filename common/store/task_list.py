"""What GET /tasks shows of tasks."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Self

import msgspec
from msgspec import Struct, structs

from common.store import progress, waiting
from common.store.database import Database, Row
from common.store.task_json import Attempt, StreamProgress, StreamTotals, TaskFailure, TaskProgress, Waiting
from common.store.task_log import Position
from common.store.tasks import TaskState

PAGE_BYTES = 2 * 1024 * 1024
"""What the texts of a page's tasks may take; one task is a page of its own, whatever it takes."""


FEW_STREAMS = 20
"""A list has the streams of a task that has at most so many; of any other its totals alone."""


class TaskPage(NamedTuple):
    """Tasks, newest first, and whether there are more that match; None and False where the caller has them already."""

    tag: str
    tasks: "list[TaskDetails] | None"
    more: bool


class TaskFilter(Struct, frozen=True):
    """Which tasks to list, and from where on; what is empty or None does not filter."""

    sync_id: str = ""
    state: str = ""
    command: str = ""
    package: str = ""
    started_by: str = ""
    begin: datetime | None = None
    """They were accepted then or later, and before `end`."""
    end: datetime | None = None
    before_time: datetime | None = None
    before_id: str = ""


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
    streams: dict[str, StreamProgress] | None
    """None in a list, if they are more than FEW_STREAMS."""
    totals: StreamTotals
    failure: TaskFailure | None
    attempt: int
    attempts: list[Attempt]
    data_plane: str | None
    waiting: Waiting | None
    """What an active task waits for (common.store.waiting)."""
    progress: TaskProgress | None
    """How far an active read is (common.store.progress); None too where its streams are left out."""

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of list_tasks or get_task."""
        decoded = {name: msgspec.json.decode(row[name] or "null") for name in _JSON}
        streams, state = decoded["streams"] or {}, TaskState(row["state"])
        live = {"waiting": waiting.of(row, streams.values()), "progress": None}
        if not state.final and decoded["streams"] is not None:
            live["progress"] = progress.of_task(streams, decoded["estimate"])
            decoded["streams"] = progress.with_progress(streams)
        shown = {**row, **decoded, **live, "state": state}
        return cls(**{name: shown[name] for name in cls.__struct_fields__})


_JSON = ("streams", "totals", "failure", "attempts", "estimate")


ANY = TaskFilter()


class FoundTask(NamedTuple):
    """A task, and JSON as it was stored: a decoder would round numbers of a result, and refuse some."""

    details: TaskDetails
    result: str | None
    schema_changes: str | None
    """Of a declared sync's run: what its source offers otherwise than at the run before."""
    wanted: str | None
    """Of a declared sync's run: what it was asked for (common.store.runs.Wanted)."""
    rates: str | None
    """Of a read: rows over time (sidecar/read/rates.py)."""


def newest(
    db: Database, limit: int, wanted: TaskFilter = ANY, *, page_bytes: int = PAGE_BYTES, known: str = ""
) -> TaskPage:
    """Return the newest tasks that are wanted, and their tag; the tag alone if that is the `known` one."""
    filters = structs.asdict(wanted)
    rows = db.run("list_tasks", **filters, limit=limit + 1, few=FEW_STREAMS, bytes=page_bytes, known=known)
    tag = rows[0]["tag"]
    if tag == known:
        return TaskPage(tag, None, more=False)
    shown = [row for row in rows if row.pop("tag") and row["task_id"] is not None][:limit]
    found = [row.pop("found") for row in shown]
    return TaskPage(tag, [TaskDetails.of(row) for row in shown], more=bool(found) and found[0] > len(shown))


def tag(db: Database, task_id: str, log_lines: int, before: Position | None = None) -> str | None:
    """Return what tells a task as it is now, with that part of its log, from all that it was; None if it is unknown."""
    time, line_id = before or (None, None)
    rows = db.run("task_tag", task_id=task_id, limit=log_lines, line_time=time, line_id=line_id)
    return str(rows[0]["tag"]) if rows else None


class Version(Struct, frozen=True):
    """Which state of a task a caller has seen; `revision` is another one after any change of what it is shown."""

    task_id: str
    revision: str
    updated_at: datetime
    over: bool


def versions(db: Database, task_ids: Sequence[str]) -> dict[str, Version]:
    """Return the versions of these tasks as they are now, by id, of those that exist."""
    return {row["task_id"]: Version(**row) for row in db.run("task_versions", task_ids=list(task_ids))}


def find(db: Database, task_id: str) -> FoundTask | None:
    """Return a task, if it is known."""
    rows = db.run("get_task", task_id=task_id)
    if not rows:
        return None
    stored = {name: rows[0].pop(name) for name in ("result", "schema_changes", "wanted", "rates")}
    return FoundTask(TaskDetails.of(rows[0]), **stored)
