"""Follow a task, or its log, until it has ended."""

import math
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Raw

from syncctl.api.client import LONG_RETRIES, SHORT_RETRIES, Deployment
from syncctl.api.models import LogPage, Task
from syncctl.exit_codes import is_final
from syncctl.settings import is_local

LOG_LINES = 500
"""Of the lines that there are already, so many are shown before the new ones."""
PAGE_LINES = 1000
"""The most that one answer has."""
_WAIT_SECONDS = 20
"""For how long the deployment is asked to hold an answer: less than what gateways allow."""
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_LONGEST_LOCAL_PAUSE_SECONDS = 0.3
"""On this machine a request takes a few milliseconds."""


class TaskSnapshot(NamedTuple):
    """A task, and its log lines since the previous snapshot."""

    task: Task
    lines: list[Raw]


def poll(
    deployment: Deployment, task_id: str, log_lines: int | None = None, *, ends: float = math.inf
) -> Iterator[Task]:
    """Yield the task again and again, at least once, until it has ended.

    A deployment that can hold an answer until the task has changed is asked to, not beyond `ends` (time.monotonic);
    another one, or one that is too busy for it, is asked again after pauses.
    """
    pause, seen = _FIRST_PAUSE_SECONDS, ""
    longest = _LONGEST_LOCAL_PAUSE_SECONDS if is_local(deployment.url) else _LONGEST_PAUSE_SECONDS
    while True:
        left = int(min(ends - time.monotonic(), _WAIT_SECONDS))
        task = deployment.task(task_id, log_lines, LONG_RETRIES, since=seen, wait_seconds=max(left, 0))
        yield task
        if is_final(task):
            return
        # One that has changed may go on to change; one that has not was perhaps not waited for.
        is_new, seen = bool(task.revision) and task.revision != seen, task.revision
        pause = _FIRST_PAUSE_SECONDS if is_new else min(pause * 1.5, longest)
        time.sleep(pause)


def follow(deployment: Deployment, task_id: str) -> Iterator[TaskSnapshot]:
    """Yield the task and its new log lines until it has ended."""
    after = ""
    for task in poll(deployment, task_id, 1):
        if after:
            pages = list(pages_after(deployment, task_id, after, {}, LONG_RETRIES))
        else:
            pages = [deployment.logs(task_id, {"before": "end", "limit": str(LOG_LINES)}, LONG_RETRIES)]
        after = pages[-1].after
        yield TaskSnapshot(task, [raw for page in pages for raw in page.logs])


def follow_log(deployment: Deployment, task_id: str, after: str, wanted: Mapping[str, str]) -> Iterator[LogPage]:
    """Yield the pages of a log after a cursor until the task has ended; `wanted`: level, q and since."""
    for _ in _pauses(deployment):
        for page in pages_after(deployment, task_id, after, wanted, LONG_RETRIES):
            after = page.after
            yield page
        if is_final(page):
            return


def pages_after(
    deployment: Deployment,
    task_id: str,
    after: str,
    wanted: Mapping[str, str],
    pauses: tuple[float, ...] = SHORT_RETRIES,
) -> Iterator[LogPage]:
    """Yield the pages of a log after a cursor, at least one, as far as there are lines now."""
    more = True
    while more:
        page = deployment.logs(task_id, {"after": after, "limit": str(PAGE_LINES)} | dict(wanted), pauses)
        yield page
        after, more = page.after, page.more


def last_lines(deployment: Deployment, task_id: str, count: int, wanted: Mapping[str, str]) -> LogPage:
    """Return the last lines of a log that are wanted as one page, from as many answers as hold them."""
    pages: list[LogPage] = []
    before, left, more = "end", count, True
    while more and left > 0:
        query = {"before": before, "limit": str(min(left, PAGE_LINES))} | dict(wanted)
        pages.insert(0, deployment.logs(task_id, query))
        before, left, more = pages[0].before, left - len(pages[0].logs), pages[0].more
    # The first answer knows the state, and where the log ended.
    last = pages[-1]
    return LogPage(last.state, before, last.after, more, [raw for page in pages for raw in page.logs])


def _pauses(deployment: Deployment) -> Iterator[None]:
    """Yield at once, and then again and again after a pause."""
    pause = _FIRST_PAUSE_SECONDS
    longest = _LONGEST_LOCAL_PAUSE_SECONDS if is_local(deployment.url) else _LONGEST_PAUSE_SECONDS
    while True:
        yield
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
