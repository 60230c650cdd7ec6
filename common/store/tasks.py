"""A task's rows until its end: created once, updated while it runs, advanced to the next attempt."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Self

from msgspec import Struct, to_builtins

from common.failures import Failure
from common.protocol.commands import Command
from common.protocol.estimates import Estimate
from common.store.database import Database, Row
from common.store.encoding import as_json, clean, started_by_json
from common.store.waiting import Waits, WaitsFor


class TaskState(StrEnum):
    """The states of a task; the last four are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """Whether the state can never change again."""
        return self not in {TaskState.PENDING, TaskState.RUNNING}


class Task(Struct, frozen=True):
    """A task as requests, annotations and the sidecar's environment name it."""

    command: Command
    task_id: str
    package: str
    version: str
    sync_id: str = ""
    storage_key: str = ""
    started_by: str = ""
    started_at: int = 0
    """When its row was created, in Unix seconds: the timestamp of all its rows in the caller's tables."""
    attempt: int = 1
    """Which start of the task this is, from 1; 0 stands for the current one."""


_TASK_COLUMNS = frozenset(Task.__struct_fields__) - {"command"}


def task_of(row: Row) -> Task:
    """Return the Task of any row that has its columns; without a column `attempt`, its first attempt."""
    return Task(command=Command(row["command"]), **{name: row[name] for name in _TASK_COLUMNS & row.keys()})


class TaskRow(Struct, frozen=True):
    """What a repeated or competing request needs to know of a task."""

    task_id: str
    state: TaskState
    request_hash: str
    pod_name: str
    reason: str
    started_at: int
    age_seconds: int
    ran: bool
    """Whether its pod has ever run."""
    attempt: int
    data_plane: str | None = None
    """Where its pod is or will be; None in rows from before data planes were known."""

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of create_task, find_task or find_active."""
        return cls(**{**row, "state": TaskState(row["state"])})


class StoredTask(Struct, frozen=True):
    """A task, its state, and where its pod is (None in rows from before data planes were known)."""

    task: Task
    state: TaskState
    pod_name: str
    data_plane: str | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of task_to_cancel."""
        return cls(task_of(row), TaskState(row["state"]), row["pod_name"], row["data_plane"])


def find(db: Database, task_id: str) -> StoredTask | None:
    """Return a task, if it is known."""
    rows = db.run("task_to_cancel", task_id=task_id)
    return StoredTask.of(rows[0]) if rows else None


def begin(
    db: Database,
    task: Task,
    *,
    pod_name: str,
    request_hash: str,
    given_hash: str | None = None,
    prefix: str = "",
    data_plane: str | None = None,
) -> tuple[TaskRow | None, bool]:
    """Write the rows of a new task. Return its row and True, or the row in the way and False.

    Sweeps of other data planes leave the row alone, if it has one. `given_hash` is of the caller's configuration.
    """
    fields = {"sync_id": task.sync_id, "storage_key": task.storage_key, "package": task.package}
    fields |= {"version": task.version, "command": str(task.command)}
    created = db.run(
        "create_task", task_id=task.task_id, pod_name=pod_name, request_hash=request_hash, given_hash=given_hash,
        started_by=task.started_by, table_name_prefix=prefix, data_plane=data_plane, **fields,
    )  # fmt: skip
    if not created:
        found = db.run("find_task", task_id=task.task_id) or _active(db, task, fields)
        return (TaskRow.of(found[0]) if found else None), False
    row = TaskRow.of(created[0])
    _announce(db, task, row.started_at)
    return row, True


def _active(db: Database, task: Task, fields: dict[str, str]) -> list[Row]:
    if task.command is Command.READ:
        return db.run("find_active_read", sync_id=task.sync_id)
    return db.run("find_active", **fields)


def active_read(db: Database, sync_id: str) -> str | None:
    """Return the id of the sync's active read, if there is one."""
    found = db.run("find_active_read", sync_id=sync_id)
    return str(found[0]["task_id"]) if found else None


def given_up(db: Database, task: Task, *, ignore_running: bool) -> str | None:
    """Return the id of the active read that stands in the way of this one, if its caller has given it up."""
    found = db.run("given_up_read", sync_id=task.sync_id, task_id=task.task_id, ignore_running=ignore_running)
    return str(found[0]["task_id"]) if found else None


def _announce(db: Database, task: Task, started_at: int) -> None:
    if task.command is Command.READ:
        db.run(
            "announce_read", sync_id=task.sync_id, task_id=task.task_id, package=task.package,
            version=task.version, started_at=started_at, started_by=started_by_json(task.started_by),
        )  # fmt: skip
    elif task.command is Command.DISCOVER:
        db.run(
            "announce_discover", package=task.package, version=task.version, storage_key=task.storage_key,
            started_at=started_at,
        )  # fmt: skip


def progress(
    db: Database,
    task: Task,
    streams: dict[str, Any] | None,
    *,
    rates: dict[str, Any] | None = None,
    ours: bool = True,
) -> bool:
    """Record that the task runs, and how far it is. Return False if the task (or this attempt) is concluded."""
    if ours:
        db.run("report_progress", task_id=task.task_id, attempt=task.attempt, streams=as_json(streams))
        report_rates(db, task, rates)
        if is_over(db, task):
            return False
    if task.command is Command.READ:
        db.run("heartbeat_read", task_id=task.task_id)
    return True


def report_estimate(db: Database, task: Task, estimate: Estimate) -> None:
    """Record what the source says that the whole read will send. Raise TablesMissing on an earlier version's tables."""
    db.run("report_estimate", task_id=task.task_id, attempt=task.attempt, estimate=as_json(to_builtins(estimate)))


def report_rates(db: Database, task: Task, rates: dict[str, Any] | None) -> None:
    """Record how fast a read goes; None changes nothing."""
    if rates is not None:
        db.run("report_rates", task_id=task.task_id, attempt=task.attempt, rates=as_json(rates))


def is_over(db: Database, task: Task) -> bool:
    """Return whether a task, or this attempt of it, is concluded."""
    return bool(over(db, [task]))


def over(db: Database, some: Sequence[Task]) -> set[str]:
    """Return the ids of the tasks that are concluded, or whose attempt is."""
    asked = {"task_ids": [task.task_id for task in some], "attempts": [task.attempt for task in some]}
    return {row["task_id"] for row in db.run("tasks_over", **asked)}


def mark_running(db: Database, task_ids: Sequence[str]) -> None:
    """Mark tasks RUNNING, and forget what their pods waited for."""
    db.run("mark_running", task_ids=task_ids)


def note_waits(db: Database, waits: Mapping[str, Waits], *, running: bool = False) -> None:
    """Note by taskId why pending tasks have no pod yet, or what their pods wait for.

    With `running`, also for tasks whose sidecar reports already.
    """
    kinds, texts = [str(one.kind) for one in waits.values()], [clean(one.text) for one in waits.values()]
    db.run("note_waits", task_ids=list(waits), kinds=kinds, reasons=texts, running=running)


def begin_attempt(
    db: Database, task: Task, failure: Failure, *, pod_name: str, data_plane: str, reason: str, pause: float
) -> bool:
    """Make the attempt after `task.attempt` the current one. Return False if the task is over, or no longer at it."""
    known = as_json(failure.as_json())
    parameters = {"task_id": task.task_id, "attempt": task.attempt, "pod_name": pod_name, "data_plane": data_plane}
    waits = {"reason": clean(reason), "waits_for": str(WaitsFor.RETRY)}
    return bool(db.run("begin_attempt", failure=known, pause_seconds=pause, **waits, **parameters))


def release_attempts(db: Database, some: Sequence[Task]) -> None:
    """Note that these attempts have got what they resume from."""
    asked = {"task_ids": [task.task_id for task in some], "attempts": [task.attempt for task in some]}
    db.run("release_attempts", **asked)
