"""Following a task: what is new at each look, until it has ended."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec import Raw

from syncctl.api.client import LONG_RETRIES, Deployment
from syncctl.api.models import Task
from syncctl.exit_codes import is_final
from syncctl.settings import is_local

LOG_LINES = 500
"""Log lines asked for at each look; more between two looks are told as a gap, never dropped silently."""
MAX_LOG_LINES = 1000
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_LONGEST_LOCAL_PAUSE_SECONDS = 0.3
"""On this machine a look costs a few milliseconds, and nobody else's service is asked."""


class TaskSnapshot(NamedTuple):
    """The task now, the log lines since the last look, and whether lines in between went by unseen."""

    task: Task
    lines: list[Raw]
    gap: bool = False


def follow(deployment: Deployment, task_id: str, seen: list[Raw] | None = None) -> Iterator[TaskSnapshot]:
    """Looks until the task has ended; pauses grow from a tenth of a second to one (less on this machine).

    `seen` are log lines shown already: the last LOG_LINES or more.
    """
    seen = seen or []
    for pause in _pauses(deployment):
        task = deployment.task(task_id, LOG_LINES, LONG_RETRIES)
        lines, gap = _new_lines(seen, task.logs)
        yield TaskSnapshot(task, lines, gap)
        if is_final(task):
            return
        seen = task.logs
        time.sleep(pause)


def wait(deployment: Deployment, task_id: str, tell: Callable[[Task], None]) -> Task:
    """The task once it has ended; until then, `tell` gets every look at it."""
    for pause in _pauses(deployment):
        task = deployment.task(task_id, pauses=LONG_RETRIES)
        if is_final(task):
            return task
        tell(task)
        time.sleep(pause)
    raise AssertionError  # _pauses never ends


def _new_lines(seen: list[Raw], now: list[Raw]) -> tuple[list[Raw], bool]:
    """Lines of a window that an earlier window did not hold.

    Lines have no identity of their own, and late ones are sorted in between: so both windows are compared as
    bags, and equal lines count as often as they occur.
    """
    left = Counter(bytes(raw) for raw in seen)
    fresh = []
    for raw in now:
        if left[bytes(raw)] > 0:
            left[bytes(raw)] -= 1
        else:
            fresh.append(raw)
    return fresh, bool(seen) and len(now) >= LOG_LINES and len(fresh) == len(now)


def _pauses(deployment: Deployment) -> Iterator[float]:
    pause = _FIRST_PAUSE_SECONDS
    longest = _LONGEST_LOCAL_PAUSE_SECONDS if is_local(deployment.url) else _LONGEST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.5, longest)
