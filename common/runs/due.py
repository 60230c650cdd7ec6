"""Which declared syncs are to be started now, and by which id. Pure.

A run's id is made of what starts it, so that any number of sweeps, events and clicks start it once: the moment of the
schedule, or the task whose success it follows. A sync that goes on is not started again.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from common.runs.declared import Declared
from common.store.runs import LastRuns
from common.syncs import schedule
from common.syncs.schedule import Due, Schedule

_KEPT = 5_000
_LISTED = 20
"""Skipped moments that a run's row names."""


class Trigger(StrEnum):
    """What starts a run."""

    SCHEDULE = "schedule"
    AFTER = "after"
    MANUAL = "manual"


class Start(Struct, frozen=True):
    """A run to begin."""

    task_id: str
    trigger: Trigger
    moment: datetime | None = None
    """Of the schedule."""
    after: str = ""
    """The task that it follows."""
    skipped: tuple[datetime, ...] = ()
    """Moments since the run before that came to nothing."""


class Plan(Struct, frozen=True):
    """What to do about a sync, and when its schedule comes next."""

    start: Start | None = None
    skipped: tuple[datetime, ...] = ()
    """Those since its last scheduled run that came to nothing, the oldest first."""
    more_skipped: bool = False
    next_run: datetime | None = None


def follower_id(name: str, task_id: str) -> str:
    """Return the id of the run that a task's success starts: a part of a hash of the task's, which may be long."""
    return f"{name}-after-{hashlib.sha256(task_id.encode()).hexdigest()[:12]}"


def candidates(one: Declared, known: Mapping[str, LastRuns]) -> Iterator[tuple[str, str]]:
    """Yield the runs that the last successes before this sync start: (the run's id, the id of the task before)."""
    if one.spec.suspend:
        return
    for name in one.spec.after or ():
        last = known.get(name)
        if last and last.success_at and last.success_at > one.created:
            yield follower_id(one.name, last.success_id), last.success_id


def plan(one: Declared, known: Mapping[str, LastRuns], begun: Collection[str], now: datetime) -> Plan:
    """Return what to do about a sync; `known`: by the names of syncs, `begun`: which candidates were begun before."""
    own = known.get(one.name, LastRuns())
    if one.spec.suspend:
        return Plan()
    timed = _timed(one, own, now)
    if own.active:
        return Plan(None, timed.skipped, timed.more_skipped, timed.next_run)
    if timed.start is not None:
        return timed
    for task_id, after in candidates(one, known):
        if task_id not in begun:
            start = Start(task_id, Trigger.AFTER, after=after)
            return Plan(start, timed.skipped, timed.more_skipped, timed.next_run)
    return timed


def _timed(one: Declared, own: LastRuns, now: datetime) -> Plan:
    """By the schedule alone."""
    if one.schedule is None:
        return Plan()
    since = max(one.created, own.moment or one.created)
    following = _following(one.schedule, since)
    if following is None or following > now:
        return Plan(next_run=following)
    minute = now.replace(second=0, microsecond=0)
    due = _due(one.schedule, since, minute, one.deadline_seconds)
    start, skipped = None, due.skipped
    if due.moment is not None and due.moment < now - timedelta(seconds=one.deadline_seconds):
        skipped = (*skipped, due.moment)
    elif due.moment is not None:
        task_id = schedule.task_id(one.name, due.moment)
        start = Start(task_id, Trigger.SCHEDULE, due.moment, skipped=skipped[:_LISTED])
    return Plan(start, skipped, due.more_skipped, _following(one.schedule, minute))


@lru_cache(_KEPT)
def _due(times: Schedule, since: datetime, minute: datetime, deadline_seconds: int) -> Due:
    """Return what is due, once a minute: while a run goes on, every sweep asks for what has come up since it began."""
    return schedule.due(times, since, minute, deadline_seconds)


@lru_cache(_KEPT)
def _following(times: Schedule, since: datetime) -> datetime | None:
    """Return the next moment; asked at each sweep, it seldom changes."""
    return schedule.next_run(times, since)


def stamp(moment: datetime) -> str:
    """Return a moment as status and startedBy show it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
