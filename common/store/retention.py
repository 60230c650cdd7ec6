"""Removes tasks that ended long ago, with their results and log lines, in steps of bounded size.

A pass goes over all tasks, sync by sync, as far as each sweep gets; then it rests for an hour. One sweeper at a time
goes on with it. A task goes in one transaction, once none of its log lines is left.
"""

import time
from collections.abc import Collection

from msgspec import Struct, structs

from common.store import runs, totals
from common.store.database import Database, Row

_SWEEP_SECONDS = 0.3
"""How long the steps of one sweep may take; the last one may end later."""
_LOCK_SECONDS = 0.3
_REST_SECONDS = 3600
_END = "infinity"


class Keep(Struct, frozen=True):
    """What is not removed; 0: without limit."""

    days: int
    """Since a task's end."""
    tasks_per_sync: int
    caller_tables: bool
    """The caller's rows, except for the log lines of tasks that go."""


class Batch(Struct, frozen=True):
    """What one step may look at or remove."""

    syncs: int = 50
    tasks: int = 100
    log_lines: int = 1_000


class Removed(Struct, frozen=True):
    """How much went."""

    tasks: int = 0
    log_lines: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.tasks + other.tasks, self.log_lines + other.log_lines)


def remove(db: Database, keep: Keep, running: Collection[str] = ()) -> Removed:
    """Go on with the pass for a third of a second; `running`: tasks whose pods are there, which stay.

    Raise Locked if another session holds what is to go, and StoreRefused if a right is missing: nothing of that step is
    removed.
    """
    deadline = time.monotonic() + _SWEEP_SECONDS
    removed = Removed()
    with db.waiting_for_locks(_LOCK_SECONDS):
        while (done := db.transact(lambda db: step(db, keep, running))) is not None:
            removed += done
            if time.monotonic() > deadline:
                break
    return removed


def rest(db: Database) -> None:
    """Begin the next pass in an hour."""
    db.run("rest_retention", seconds=_REST_SECONDS)


def step(db: Database, keep: Keep, running: Collection[str], batch: Batch = Batch()) -> Removed | None:  # noqa: B008 - frozen
    """Do the next part of the pass, in the caller's transaction; None if it rests, or another sweeper is at it."""
    position = db.run("lock_retention")
    if not position:
        return None
    first = position[0]["sync_id"]
    sync_ids = [first, *runs.sync_ids(db, batch.syncs, after=first)]
    old = db.run(
        "old_tasks", sync_ids=sync_ids, created_at=position[0]["created_at"], task_id=position[0]["task_id"],
        days=keep.days or None, tasks_per_sync=keep.tasks_per_sync, running=list(running), most=batch.tasks,
    )  # fmt: skip
    removed, whole = _remove(db, [row for row in old if not row["needed"]], keep, batch)
    if not whole:
        pass  # the same tasks come again, with fewer lines
    elif len(old) == batch.tasks:
        _move(db, old[-1])
    elif len(sync_ids) > batch.syncs:
        _move(db, {"sync_id": sync_ids[-1], "created_at": _END, "task_id": ""})
    else:
        _end(db, keep)
    return removed


def _remove(db: Database, old: list[Row], keep: Keep, batch: Batch) -> tuple[Removed, bool]:
    """Remove log lines, and the tasks once none is left; return also whether it came to that.

    What another controller has written of its tasks stays.
    """
    if not old:
        return Removed(), True
    ours = {row["task_id"] for row in old if row["ours"]}
    tasks = db.run("lock_old_tasks", task_ids=[row["task_id"] for row in old])
    task_ids = [row["task_id"] for row in tasks]
    own = [row for row in tasks if row["task_id"] in ours]
    own_ids, sync_ids = [row["task_id"] for row in own], [row["sync_id"] for row in own]
    [lines] = db.run("remove_log_lines", task_ids=own_ids, sync_ids=sync_ids, most=batch.log_lines)
    removed = Removed(log_lines=lines["removed"])
    if removed.log_lines == batch.log_lines:
        return removed, False
    if not keep.caller_tables:
        db.run("remove_callers_rows", task_ids=own_ids)
    totals.fold(db, task_ids)
    db.run("remove_tasks", task_ids=task_ids)
    return structs.replace(removed, tasks=len(tasks)), True


def _move(db: Database, last: Row) -> None:
    db.run("move_retention", **{name: last[name] for name in ("sync_id", "created_at", "task_id")})


def _end(db: Database, keep: Keep) -> None:
    """End the pass with what is little, and may be removed at once."""
    if keep.days:
        db.run("remove_sweeps", days=keep.days)
    # They have bounds of their own, which count when others are written: perhaps never again.
    db.run("forget_unused_configs")
    db.run("forget_state_changes", sync_id="", most=0)
    rest(db)
