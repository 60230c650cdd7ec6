"""How many rows of a read came, and how many were stored, in each step of time since it began.

Sampled from the streams' accounts, so that rows cost nothing: what has come between two samples is spread over the time
between them. The steps are a second long at first; whenever there are STEPS of them, each becomes twice as long.
"""

import threading
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from sidecar.read import clock
from sidecar.read.account import StreamAccount

STEPS = 120


class Rates:
    """Rows of a read over time. For two threads: one samples while it runs, the other one ends it."""

    def __init__(self) -> None:
        self._began = self._seen_at = clock.now()
        self._step = 1
        self._seen = (0, 0)
        self._ends: list[tuple[int, int]] = []
        """Rows emitted and stored by the end of each step."""
        self._over = False
        self._lock = threading.Lock()

    def sample(self, accounts: Iterable[StreamAccount], *, over: bool = False) -> dict[str, Any]:
        """Take the accounts as they are now, and return the steps that are full; once it is over, also the last one."""
        emitted = stored = 0
        for account in accounts:
            emitted += account.emitted
            stored += account.stored
        with self._lock:
            if not self._over:
                self._take(clock.now(), (emitted, stored))
                self._over = over
            return self._report()

    def _take(self, at: float, seen: tuple[int, int]) -> None:
        while (end := self._end_of_next()) <= at:
            share = (end - self._seen_at) / (at - self._seen_at)
            self._add(_between(self._seen, seen, share))
        self._seen_at, self._seen = at, seen

    def _end_of_next(self) -> float:
        return self._began + (len(self._ends) + 1) * self._step

    def _add(self, counts: tuple[int, int]) -> None:
        self._ends.append(counts)
        if len(self._ends) == STEPS:
            self._ends, self._step = self._ends[1::2], 2 * self._step

    def _report(self) -> dict[str, Any]:
        ends = [(0, 0), *self._ends]
        if self._over and (self._seen != ends[-1] or len(ends) == 1):
            ends.append(self._seen)
        steps = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(ends)]
        return {
            "startedAt": clock.shown(self._began),
            "stepSeconds": self._step,
            "emitted": [emitted for emitted, _ in steps],
            "stored": [stored for _, stored in steps],
        }


def _between(before: tuple[int, int], after: tuple[int, int], share: float) -> tuple[int, int]:
    emitted, stored = (first + int((last - first) * share) for first, last in zip(before, after, strict=True))
    return emitted, stored
