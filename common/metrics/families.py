"""What the numbers are now, whichever way they leave."""

import platform
from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from msgspec import Struct

from common import VERSION
from common.metrics import definitions as known
from common.metrics.definitions import Metric
from common.protocol.commands import Command
from common.store.tasks import TaskState
from common.store.totals import BOUNDS, Measure, Seconds, Sums, Totals

_ACTIVE = [state for state in TaskState if not state.final]
_FINAL = [state for state in TaskState if state.final]


class Point(Struct, frozen=True):
    """A number, or a histogram."""

    labels: tuple[str, ...]
    """In the order of the metric's."""
    value: float
    """Of a histogram, the sum of what was measured."""
    counts: tuple[int, ...] = ()
    """Of a histogram: how many were in each bucket, and beyond the last bound."""


class Family(Struct, frozen=True):
    """A metric's points. `bounds` are a histogram's, without +Inf."""

    metric: Metric
    points: list[Point]
    bounds: tuple[int, ...] = ()


def families(totals: Totals) -> list[Family]:
    """Return all metrics with what they are now."""
    sums = totals.all()
    return [
        Family(known.BUILD, [Point((VERSION, platform.python_version()), 1)]),
        *_tasks(sums),
        _active(totals.uncounted),
        _oldest_pending(totals.uncounted),
        *_syncs(sums, totals.uncounted),
        *_sweeps(totals),
    ]


def _tasks(sums: Sums) -> Iterable[Family]:
    # A series that begins with its first failure shows no increase: what is sure to come begins with 0.
    finished: dict[tuple[str, str, str, str], int] = {(command, TaskState.SUCCESS, "", ""): 0 for command in Command}
    finished |= {(one.command, one.state, one.kind, one.origin): one.tasks for one in sums.ended}
    yield Family(known.FINISHED, [Point(labels, count) for labels, count in finished.items()])
    yield Family(known.RETRIES, [Point((one.kind, one.origin), one.retries) for one in sums.retries])
    yield Family(known.DURATION, list(_histogram(sums.seconds, "duration")), BOUNDS["duration"])
    yield Family(known.START_DELAY, list(_histogram(sums.seconds, "start_delay")), BOUNDS["start_delay"])


def _histogram(seconds: Iterable[Seconds], measure: str) -> Iterable[Point]:
    """Yield a point for each command and state; what another version counted under other bounds is in the next one."""
    bounds = BOUNDS[measure]
    ours = [one for one in seconds if one.measure == measure]
    for (command, state), group in groupby(ours, key=lambda one: (one.command, one.state)):
        counts, total = [0] * (len(bounds) + 1), 0.0
        for one in group:
            place = next((place for place, bound in enumerate(bounds) if float(one.le) <= bound), len(bounds))
            counts[place] += one.tasks
            total += one.seconds
        yield Point((command, state) if state else (command,), total, tuple(counts))


def _active(tasks: Iterable[Measure]) -> Family:
    found = Counter((task.command, task.state) for task in tasks)
    points = [Point((command, state), found[command, state]) for command in Command for state in _ACTIVE]
    return Family(known.ACTIVE, points)


def _oldest_pending(tasks: Iterable[Measure]) -> Family:
    oldest = dict.fromkeys([str(command) for command in Command], 0.0)
    for task in tasks:
        oldest[task.command] = max(oldest.get(task.command, 0.0), task.pending_seconds or 0.0)
    return Family(known.OLDEST_PENDING, [Point((command,), seconds) for command, seconds in oldest.items()])


def _syncs(sums: Sums, tasks: Iterable[Measure]) -> Iterable[Family]:
    runs = {one.sync_id: one.last_run_at.timestamp() for one in sums.syncs}
    for task in tasks:
        if task.command == Command.READ:
            runs[task.sync_id] = max(runs.get(task.sync_id, 0), task.created_at.timestamp())
    yield Family(known.SYNC_RUN, [Point((sync,), at) for sync, at in runs.items()])

    ended = [(one.sync_id, one.last_success_at) for one in sums.syncs]
    yield Family(known.SYNC_SUCCESS, [Point((sync,), at.timestamp()) for sync, at in ended if at])
    states = [(one, state) for one in sums.syncs for state in _FINAL]
    yield Family(
        known.SYNC_STATE, [Point((one.sync_id, state), float(one.last_state == state)) for one, state in states]
    )
    yield Family(known.SYNC_ROWS, [Point((one.sync_id,), one.rows) for one in sums.syncs])
    yield Family(known.SYNC_BYTES, [Point((one.sync_id,), one.bytes) for one in sums.syncs])


def _sweeps(totals: Totals) -> Iterable[Family]:
    rows = [((one.data_plane or "",), one) for one in totals.sweeps]
    yield Family(known.SWEEP_TIME, [Point(labels, one.swept_at.timestamp()) for labels, one in rows])
    yield Family(known.SWEEP_DURATION, [Point(labels, one.seconds) for labels, one in rows])
    yield Family(known.SWEEP_PODS, [Point(labels, one.pods) for labels, one in rows])
    yield Family(known.SWEEP_UNREADABLE, [Point(labels, one.unreadable) for labels, one in rows])
