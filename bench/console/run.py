"""Opens the console of an embedded edition in a real Chromium: what the first and the second visit transfer and take,
what an idle page asks for, and the longest frame while 5,000 tasks, 3,000 streams and 100,000 log lines are scrolled.

The data is that of the tests (tests/support/console_data.py). The edition, the browser and whatever else runs share
this machine's cores, so of a frame both its time on the clock and the main thread's own time are shown. The goal is of
the latter, which a busy machine does not change much; the load is beside it.
"""

import os
import statistics
import tempfile
from pathlib import Path

from msgspec import Struct
from playwright.sync_api import Browser

from bench.console.browsing import Scrolled, Visit, asked_meanwhile, scroll, visits
from bench.results import Goal, left_out, publish
from tests.support import browser as browsers
from tests.support import console_data
from tests.support.edition_process import EditionProcess, edition_process

_BYTES, _FIRST_ROW_SECONDS, _FRAME_MS = 100_000, 1.0, 50.0
_IDLE_REQUESTS, _MINUTES = 6, 10
_LISTS = (
    ("5,000 tasks", "#/tasks", 1),
    ("3,000 streams", f"#/tasks/{console_data.WIDE}", 1),
    ("100,000 log lines", f"#/tasks/{console_data.LONG}/logs", -1),
)
"""What is scrolled, its link, and the direction: a log opens at its end."""


class _Seen(Struct, frozen=True):
    first: list[Visit]
    second: list[Visit]
    idle: int
    hidden: int
    scrolled: list[tuple[str, Scrolled]]


def run(*, quick: bool) -> bool:
    """Idle first, while the edition has nothing to do; then with three syncs; then with thousands of everything."""
    if not browsers.CHROMIUM:
        return left_out("console", browsers.MISSING)
    with (
        tempfile.TemporaryDirectory() as name,
        edition_process(Path(name) / "home", {}) as edition,
        browsers.chromium() as browser,
    ):
        seen = _look(edition, browser, quick=quick)
    return _publish(seen)


def _look(edition: EditionProcess, browser: Browser, *, quick: bool) -> _Seen:
    idle, hidden = (asked_meanwhile(browser, edition, _MINUTES, hidden=hidden) for hidden in (False, True))
    console_data.seed_pleasant(edition)
    visits(browser, edition, "#/syncs")  # the edition is warm afterwards
    first, second = zip(*(visits(browser, edition, "#/syncs") for _ in range(2 if quick else 7)), strict=True)
    console_data.seed(edition)
    lists = [(what, scroll(browser, edition, link, way, quick=quick)) for what, link, way in _LISTS]
    return _Seen(list(first), list(second), idle, hidden, lists)


def _publish(seen: _Seen) -> bool:
    rows: list[tuple[str, float, float, float, float, float]] = []
    for name, some in (("first visit", seen.first), ("second visit", seen.second)):
        rows.append((name, _kilobytes(some), _seconds(some), 0.0, 0.0, 0.0))
    rows += [(what, 0.0, one.seconds, one.longest_ms, one.longest_own_ms, one.heap_mb) for what, one in seen.scrolled]
    rows.append((f"load of {os.cpu_count()} cores", os.getloadavg()[0], 0.0, 0.0, 0.0, 0.0))
    goals = [
        Goal("console-first-view-kilobytes", _kilobytes(seen.first), _BYTES / 1000, at_most=True),
        Goal("console-first-row-seconds", _seconds(seen.first), _FIRST_ROW_SECONDS, at_most=True),
        Goal("console-idle-requests-in-10-minutes", seen.idle, _IDLE_REQUESTS, at_most=True),
        Goal("console-hidden-requests-in-10-minutes", seen.hidden, 0, at_most=True),
    ]
    goals += [
        Goal(
            f"console-longest-frame-own-ms-{_slug(what)}",
            one.longest_own_ms,
            _FRAME_MS,
            at_most=True,
        )
        for what, one in seen.scrolled
    ]
    columns = ("what", "kB, or load", "s", "longest frame ms", "of it own ms", "heap MB")
    return publish("console", columns, rows, goals, bars="longest frame ms")


def _slug(what: str) -> str:
    return what.replace(" ", "-").replace(",", "")


def _kilobytes(some: list[Visit]) -> float:
    return max(one.bytes for one in some) / 1000


def _seconds(some: list[Visit]) -> float:
    return statistics.median(one.first_row_seconds for one in some)
