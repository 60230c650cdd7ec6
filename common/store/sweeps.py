"""What a sweep reads of tasks, and the record of the sweep itself. Times are the database's."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from msgspec import Struct, field, structs

from common.store import outcomes
from common.store.database import Database, Row
from common.store.outcomes import Outcome
from common.store.tasks import Task, TaskState, task_of


class SweptTask(Struct, frozen=True):
    """A task's row at its present attempt; lengths of time in seconds, up to now."""

    task: Task
    state: TaskState
    pod_name: str
    reason: str = ""
    proposal: Outcome | None = None
    """What the sidecar says that the attempt came to."""
    table_name_prefix: str = ""
    adopted: bool = False
    """Whether another controller has started it."""
    age_seconds: float = 0.0
    idle_seconds: float = 0.0
    """Since the row last changed."""
    attempt_seconds: float | None = None
    """Since a later attempt could begin; None in a first one."""
    waits_seconds: float | None = None
    """Until a prepared attempt may begin, negative once it may; None if it has begun."""
    finished_seconds: float | None = None
    silent_seconds: float | None = None
    """Since the sidecar last reported; None if it never did."""
    heard: bool = True
    """Whether the sidecar has reported a row of its source's."""

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of active_tasks or tasks_of_pods."""
        own = {name: row[name] for name in _OWN if name in row}
        proposal = outcomes.proposed(row["proposal"])
        return cls(task=task_of(row), state=TaskState(row["state"]), proposal=proposal, **own)


_OWN = [name for name in SweptTask.__struct_fields__ if name not in {"task", "state", "proposal"}]


class SweepStats(Struct, frozen=True, rename="camel"):
    """What a sweep saw and did. `active`: pods and rows that go on."""

    pods: int = 0
    active: int = 0
    concluded: int = 0
    deleted: int = 0
    unreadable: int = 0
    orphaned_rows: int = 0

    def __add__(self, other: "SweepStats") -> "SweepStats":
        both = zip(structs.astuple(self), structs.astuple(other), strict=True)
        return SweepStats(*(one + another for one, another in both))


class LastSweep(SweepStats, frozen=True, rename="camel", kw_only=True):
    """The record of a sweep as callers see it."""

    swept_at: datetime = field(name="at")
    age_seconds: float
    seconds: float
    data_plane: str | None


def expected_pods(db: Database, data_plane: str) -> set[str]:
    """Return the names of the pods that should be in this data plane."""
    return {row["pod_name"] for row in db.run("active_pods", data_plane=data_plane)}


def of_pods(db: Database, pod_names: Sequence[str], task_ids: Sequence[str]) -> list[SweptTask]:
    """Return the tasks of these pods, by the pods' names and by the tasks that they name themselves."""
    return [SweptTask.of(row) for row in db.run("tasks_of_pods", pod_names=pod_names, task_ids=task_ids)]


def active_of(db: Database, pod_names: Sequence[str], data_plane: str) -> list[SweptTask]:
    """Return the active tasks that these pods of this data plane should be running."""
    return [SweptTask.of(row) for row in db.run("active_tasks", pod_names=pod_names, data_plane=data_plane)]


def now(db: Database) -> float:
    """Return the time in Unix seconds."""
    return float(db.run("database_now")[0]["now"])


def seconds_since(db: Database, data_plane: str) -> float | None:
    """Return the seconds since this data plane was last swept, if it was."""
    rows = db.run("last_sweep", data_plane=data_plane)
    return float(rows[0]["age_seconds"]) if rows else None


def record(db: Database, data_plane: str, seconds: float, stats: SweepStats) -> None:
    """Keep what the last sweep of this data plane came to."""
    db.run("record_sweep", data_plane=data_plane, seconds=seconds, **structs.asdict(stats))


def oldest(db: Database) -> LastSweep | None:
    """Return the sweep since when all active tasks were looked at; None if a data plane with active tasks has none."""
    rows = db.run("oldest_sweep")
    return LastSweep(**rows[0]) if rows and rows[0]["swept_at"] else None
