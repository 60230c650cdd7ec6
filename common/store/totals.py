"""What tasks have come to, all together: sums that go on when retention removes the tasks' rows.

A task is added to the sums once, after its end (`fold`); its row says so (`counted`). What is shown are the sums and
what the rows without that mark come to, so a number is neither late nor ever goes back.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct, structs

from common.protocol.commands import Command
from common.store.database import Database
from common.store.tasks import TaskState

BOUNDS = {
    "start_delay": (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600),
    "duration": (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400, 172800),
}
"""The upper bounds of the histograms' buckets, in seconds, as Prometheus' `le`; the last bucket, +Inf, has none."""
_BATCH = 1000
MOST_SYNCS, _MOST_TASKS = 5_000, 50_000
"""Of a scrape: the syncs whose newest reads are the newest."""


class Retry(Struct, frozen=True):
    """Why an attempt ended that was followed by another one."""

    kind: str = ""
    origin: str = ""


class Measure(Struct, frozen=True):
    """What one task comes to: a row of the view syncctl_task_measure; lengths of time in seconds."""

    task_id: str
    command: str
    state: TaskState
    sync_id: str
    created_at: datetime
    finished_at: datetime | None
    kind: str
    origin: str
    start_delay: float | None
    duration: float | None
    retries: list[Retry]
    pending_seconds: float | None
    rows: int
    bytes: int


class Ended(Struct, frozen=True, order=True):
    """How tasks ended; `kind` and `origin` of their failures, "" without one."""

    command: str
    state: str
    kind: str
    origin: str
    tasks: int


class Seconds(Struct, frozen=True, order=True):
    """A bucket of a histogram: not those below it too. `state` is "" of a start's delay."""

    measure: str
    command: str
    state: str
    le: str
    tasks: int
    seconds: float


class Retries(Struct, frozen=True, order=True):
    """How many attempts that ended so were followed by another one."""

    kind: str
    origin: str
    retries: int


class SyncTotal(Struct, frozen=True):
    """What the reads of a sync stored, and its last ones."""

    sync_id: str
    rows: int
    bytes: int
    last_run_at: datetime
    """When the newest one that has ended began."""
    last_state: TaskState
    """How it ended."""
    last_success_at: datetime | None

    def __add__(self, other: "SyncTotal") -> "SyncTotal":
        newer = max(self, other, key=lambda one: one.last_run_at)
        successes = [one.last_success_at for one in (self, other) if one.last_success_at]
        return structs.replace(
            newer, rows=self.rows + other.rows, bytes=self.bytes + other.bytes,
            last_success_at=max(successes, default=None),
        )  # fmt: skip


class DataPlaneSweep(Struct, frozen=True):
    """The last sweep of a data plane; None in the record of a version that knew none."""

    data_plane: str | None
    swept_at: datetime
    seconds: float
    pods: int
    unreadable: int


class Sums(Struct, frozen=True):
    """Sums over tasks that have ended."""

    ended: list[Ended]
    seconds: list[Seconds]
    retries: list[Retries]
    syncs: list[SyncTotal]

    @classmethod
    def of(cls, tasks: Iterable[Measure]) -> "Sums":
        """Return what these tasks come to; of those that go on, what stays as it is: their starts and retries."""
        return add(cls([], [], [], []), tasks)


class Totals(Sums, frozen=True):
    """The stored sums, what is not in them yet, and the last sweeps."""

    uncounted: list[Measure]
    sweeps: list[DataPlaneSweep]
    since: datetime
    """When the sums began."""
    now: datetime

    def all(self) -> Sums:
        """Return the sums over all tasks."""
        return add(self, self.uncounted)


def add(sums: Sums, tasks: Iterable[Measure]) -> Sums:
    """Return the sums with these tasks."""
    ended = Counter({(one.command, one.state, one.kind, one.origin): one.tasks for one in sums.ended})
    counts = Counter({(one.measure, one.command, one.state, one.le): one.tasks for one in sums.seconds})
    seconds = {(one.measure, one.command, one.state, one.le): one.seconds for one in sums.seconds}
    retries = Counter({(one.kind, one.origin): one.retries for one in sums.retries})
    syncs = {one.sync_id: one for one in sums.syncs}
    for task in tasks:
        retries.update((retry.kind, retry.origin) for retry in task.retries)
        for key, took in _took(task):
            counts[key] += 1
            seconds[key] = seconds.get(key, 0.0) + took
        if not task.state.final:
            continue
        ended[task.command, task.state, task.kind, task.origin] += 1
        if task.command == Command.READ:
            own = _sync_total(task)
            syncs[task.sync_id] = syncs[task.sync_id] + own if task.sync_id in syncs else own
    return Sums(
        ended=sorted(Ended(*key, count) for key, count in ended.items()),
        seconds=sorted(Seconds(*key, count, seconds[key]) for key, count in counts.items()),
        retries=sorted(Retries(*key, count) for key, count in retries.items()),
        syncs=sorted(syncs.values(), key=lambda one: one.sync_id),
    )


def _took(task: Measure) -> Iterable[tuple[tuple[str, str, str, str], float]]:
    """Yield the buckets that a task is in, and the seconds that it took."""
    if task.start_delay is not None:
        yield ("start_delay", task.command, "", le("start_delay", task.start_delay)), task.start_delay
    if task.duration is not None:
        yield ("duration", task.command, task.state, le("duration", task.duration)), task.duration


def le(measure: str, seconds: float) -> str:
    """Return the bound of the bucket that a length of time is in."""
    bounds = BOUNDS[measure]
    position = bisect_left(bounds, seconds)
    return str(bounds[position]) if position < len(bounds) else "+Inf"


def _sync_total(task: Measure) -> SyncTotal:
    success = task.finished_at if task.state is TaskState.SUCCESS else None
    return SyncTotal(task.sync_id, task.rows, task.bytes, task.created_at, task.state, success)


def fold(db: Database, task_ids: Sequence[str]) -> int:
    """Add those of these tasks to the sums that have ended and are not in them yet, in the caller's transaction.

    Return how many. What deletes rows of tasks calls this before, in the same transaction.
    """
    marked = [row["task_id"] for row in db.run("mark_counted", task_ids=task_ids)]
    if not marked:
        return 0
    # A statement of its own: it sees the rows as they are now that they are locked.
    [row] = db.run("measures", task_ids=marked)
    _store(db, Sums.of(msgspec.json.decode(row["measures"], type=list[Measure])))
    return len(marked)


def fold_ended(db: Database, grace_seconds: float) -> int:
    """Add the tasks to the sums that have ended since the last time, the oldest thousand; return how many.

    A cancelled task's numbers may come within `grace_seconds` of its end.
    """
    return fold(db, [row["task_id"] for row in db.run("uncounted", grace_seconds=grace_seconds, limit=_BATCH)])


def _store(db: Database, sums: Sums) -> None:
    """Add to the stored sums, in the order of their keys, so that two who do so never wait for each other."""
    commands, states, kinds, origins, tasks = _columns(Ended, sums.ended)
    db.run("add_ended", commands=commands, states=states, kinds=kinds, origins=origins, tasks=tasks)
    measures, commands, states, les, tasks, seconds = _columns(Seconds, sums.seconds)
    db.run(
        "add_seconds", measures=measures, commands=commands, states=states, les=les, tasks=tasks, seconds=seconds
    )  # fmt: skip
    kinds, origins, retries = _columns(Retries, sums.retries)
    db.run("add_retries", kinds=kinds, origins=origins, retries=retries)
    sync_ids, rows, sizes, runs, states, successes = _columns(SyncTotal, sums.syncs)
    db.run(
        "add_syncs", sync_ids=sync_ids, rows=rows, bytes=sizes, runs=runs, states=states, successes=successes
    )  # fmt: skip


def _columns(kind: type[Struct], rows: Sequence[Struct]) -> list[list[object]]:
    """Return the fields' values, a list each."""
    return [[getattr(row, name) for row in rows] for name in kind.__struct_fields__]


def read(db: Database) -> Totals:
    """Return all that is known, in one statement."""
    [row] = db.run("totals", syncs=MOST_SYNCS, tasks=_MOST_TASKS)
    return msgspec.json.decode(row["totals"], type=Totals)
