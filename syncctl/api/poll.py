"""Follow a task until it has ended."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Raw

from syncctl.api.client import LONG_RETRIES, Deployment
from syncctl.api.models import Task
from syncctl.exit_codes import is_final
from syncctl.settings import is_local

LOG_LINES = 500
"""Log lines asked for at a time; more than an answer holds between two polls are reported as a gap."""
PAGE_LINES = 1000
"""The most that one answer has."""
MAX_LOG_LINES = 1_000_000
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_LONGEST_LOCAL_PAUSE_SECONDS = 0.3
"""On this machine a request takes a few milliseconds."""


class TaskSnapshot(NamedTuple):
    """A task, its log lines since the previous snapshot, and whether some before these were missed."""

    task: Task
    lines: list[Raw]
    gap: bool = False


def poll(deployment: Deployment, task_id: str, log_lines: int | None = None) -> Iterator[Task]:
    """Yield the task again and again, at least once, until it has ended."""
    pause = _FIRST_PAUSE_SECONDS
    longest = _LONGEST_LOCAL_PAUSE_SECONDS if is_local(deployment.url) else _LONGEST_PAUSE_SECONDS
    while True:
        task = deployment.task(task_id, log_lines, LONG_RETRIES)
        yield task
        if is_final(task):
            return
        time.sleep(pause)
        pause = min(pause * 1.5, longest)


def follow(deployment: Deployment, task_id: str, seen: list[Raw] | None = None) -> Iterator[TaskSnapshot]:
    """Yield the task and its new log lines until it has ended; `seen` are the last LOG_LINES or more so far."""
    seen = seen or []
    for task in poll(deployment, task_id, LOG_LINES):
        lines = _new_lines(seen, task.logs)
        is_cut = task.logs_before is not None or len(task.logs) >= LOG_LINES
        yield TaskSnapshot(task, lines, gap=bool(seen) and is_cut and len(task.logs) == len(lines))
        seen = task.logs


def last_lines(deployment: Deployment, task_id: str, count: int) -> tuple[Task, list[Raw]]:
    """Return the task and its last log lines, from as many answers as hold them."""
    task = deployment.task(task_id, min(count, PAGE_LINES))
    pages, found = [task.logs], len(task.logs)
    before = task.logs_before
    while before and found < count:
        older = deployment.task(task_id, min(count - found, PAGE_LINES), logs_before=before)
        pages.append(older.logs)
        found += len(older.logs)
        before = older.logs_before
    return task, [raw for page in reversed(pages) for raw in page]


def _new_lines(seen: list[Raw], now: list[Raw]) -> list[Raw]:
    """Return the lines of a window that the window before did not hold.

    Lines have no id, and late ones are sorted in between, so the windows are compared as multisets.
    """
    left = Counter(bytes(raw) for raw in seen)
    new = []
    for raw in now:
        if left[bytes(raw)] > 0:
            left[bytes(raw)] -= 1
        else:
            new.append(raw)
    return new
