"""When a sync runs: cron's five fields and four macros, in a time zone. Moments go in and come out in UTC.

A schedule names times of a wall clock. One that the clock shows twice (summer time ends) is its first; one that the
clock skips is the next that it shows. A schedule for every hour runs at both showings: 23 or 25 times on such days.
cronsim reads the fields, and knows of no zone: where it does, times are lost if clocks change by half an hour, or if a
field begins with a star.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from heapq import heappop, heappush
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from msgspec import Struct

MACROS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
MAX_LENGTH = 100
UTC_NAME = "UTC"
"""The default zone."""
MAX_SKIPPED = 100
"""Missed moments that are listed; a schedule of every minute misses half a million in a year."""
_LONGEST_CHANGE = timedelta(hours=3)
"""Of a clock, back: two hours at an Antarctic station, else one or less."""
_ALL_HOURS = set(range(24))
_EXAMPLE = (
    f'five fields such as "30 2 * * 1-5" (minute, hour, day of month, month, day of week), or {", ".join(MACROS)}'
)
# Not what a machine calls its own, which differs from one to the next.
_ZONE = re.compile(r"(?!localtime$|posixrules$|Factory$|posix/|right/)[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_ANY_DAY = datetime(2000, 1, 1)
"""A wall clock's, which belongs to no zone."""


class ScheduleError(ValueError):
    """A schedule or a time zone is unusable; the message is what was expected."""


class Schedule(Struct, frozen=True):
    """A schedule that comes; `fields` are cron's five."""

    fields: str
    zone: ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield all later moments in order, each once; none for 50 years ends it."""
        last = moment.astimezone(UTC)
        wall = moment.astimezone(self.zone).replace(tzinfo=None)
        for found in self._twice(wall) if _has_all_hours(self.fields) else self._once(wall):
            if found > last:
                yield found
                last = found

    def _once(self, wall: datetime) -> Iterator[datetime]:
        """Yield the first showing of each later time; they do not fall."""
        return (_shown(named, self.zone) for named in CronSim(self.fields, wall))

    def _twice(self, wall: datetime) -> Iterator[datetime]:
        """Yield each showing of each later time, in order."""
        second: list[datetime] = []
        for first in self._once(wall - _LONGEST_CHANGE):
            while second and second[0] < first:
                yield heappop(second)
            yield first
            again = first.astimezone(self.zone).replace(fold=1).astimezone(UTC)
            if again > first:
                heappush(second, again)


class Due(Struct, frozen=True):
    """What has come up since a sync was last looked at."""

    moment: datetime | None
    """The one to start; None if none is."""
    skipped: tuple[datetime, ...] = ()
    """The others, oldest first, at most MAX_SKIPPED."""
    more_skipped: bool = False


def parse(text: str, time_zone: str = UTC_NAME) -> Schedule:
    """Return a schedule. Raise ScheduleError if it is against cron's grammar or never comes."""
    return Schedule(_fields(text), zone(time_zone))


def zone(name: str) -> ZoneInfo:
    """Return a time zone. Raise ScheduleError if none has that name."""
    with suppress(ValueError, OSError, ZoneInfoNotFoundError):  # zoneinfo opens a file or a folder of that name
        if _ZONE.fullmatch(name):
            return ZoneInfo(name)
    alike = get_close_matches(name[:MAX_LENGTH], available_timezones(), 1, 0.7)
    hint = f"; did you mean {alike[0]}?" if alike else ""
    raise ScheduleError(f"expected the name of a time zone, such as Europe/Berlin or UTC{hint}")


def next_run(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the first moment after `now`; None if it never comes."""
    return next(schedule.after(now), None)


def due(schedule: Schedule, since: datetime, now: datetime, starting_deadline_seconds: int) -> Due:
    """Return what to start of the moments after `since`, up to `now`: the newest, unless it is past the deadline."""
    deadline = now - timedelta(seconds=starting_deadline_seconds, microseconds=1)
    newest: datetime | None = None
    for newest in _between(schedule, max(since, deadline), now):  # noqa: B007 - the last one is wanted
        pass
    missed = (moment for moment in _between(schedule, since, now) if moment != newest)
    skipped = tuple(islice(missed, MAX_SKIPPED + 1))
    return Due(newest, skipped[:MAX_SKIPPED], len(skipped) > MAX_SKIPPED)


def task_id(name: str, moment: datetime) -> str:
    """Return the id of the task that a moment starts, so that it is started once: `nightly-20261129T0300Z`."""
    return f"{name}-{moment.astimezone(UTC):%Y%m%dT%H%MZ}"


def _between(schedule: Schedule, since: datetime, now: datetime) -> Iterator[datetime]:
    for moment in schedule.after(since):
        if moment > now:
            return
        yield moment


def _fields(text: str) -> str:
    if len(text) > MAX_LENGTH:
        raise ScheduleError(f"expected at most {MAX_LENGTH} characters: {_EXAMPLE}")
    if text.startswith("@"):
        if text not in MACROS:
            raise ScheduleError(f"expected {_EXAMPLE}")
        return MACROS[text]
    parts = text.split()
    if len(parts) != 5:
        raise ScheduleError(f"expected {_EXAMPLE}; found {len(parts)} fields")
    fields = " ".join(parts)
    try:
        comes = next(CronSim(fields, _ANY_DAY), None)
    except CronSimError as error:
        raise ScheduleError(_explain(parts, str(error))) from error
    if comes is None:
        raise ScheduleError(_never(fields))
    return fields


def _explain(parts: list[str], problem: str) -> str:
    """Tell a field that is wrong from a day that none of the months has: cronsim calls both a bad day."""
    if problem == "Bad day-of-month" and parts[3] != "*":
        try:
            CronSim(" ".join([*parts[:3], "*", "*"]), _ANY_DAY)
        except CronSimError:
            pass
        else:
            return _never(" ".join(parts))
    return f"expected {_EXAMPLE}; its {problem.removeprefix('Bad ')} is not cron's"


def _never(text: str) -> str:
    return f'expected a schedule that comes; "{text}" never does: no such month has such a day'


def _has_all_hours(fields: str) -> bool:
    return CronSim(fields, _ANY_DAY).hours == _ALL_HOURS


def _shown(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which a clock first shows this time, or the first that it shows after skipping it."""
    while (found := wall.replace(tzinfo=zone).astimezone(UTC)).astimezone(zone).replace(tzinfo=None, fold=0) != wall:
        wall += timedelta(minutes=1)
    return found
