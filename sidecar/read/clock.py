"""A stream's own clock: when it began and ended, when its last record came, and how fast records come now.

Where the source reports the stream's status, the clock runs from the first one (STARTED) to the last one (COMPLETE or
INCOMPLETE); storing the rows may take longer. Else it runs from the first record to the last, and not to another
stream's first: sources may send streams by turns. All of it is of one attempt, as the counts are: they have neither the
rows nor the time of what an earlier one has read.
"""

import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from common.store.encoding import stamp

_RATE_SECONDS = 15.0
"""How far back the rate looks."""
_EPOCH = time.time() - time.monotonic()
"""Times of one process lie on one line, whatever becomes of the machine's clock."""


def now() -> float:
    """Return the time in Unix seconds."""
    return _EPOCH + time.monotonic()


def shown(seconds: float) -> str:
    """Return a time as GET /tasks/<id> shows it."""
    return stamp(datetime.fromtimestamp(seconds, UTC))


class StreamClock:
    """Times of one stream, in Unix seconds."""

    def __init__(self) -> None:
        self.started: float | None = None
        self.ended: float | None = None
        self.last_record: float | None = None
        self._by_status = False
        self._samples: deque[tuple[float, int]] = deque()

    def on_records(self) -> None:
        """Note that records have come."""
        self.last_record = now()
        self.started = self.started or self.last_record

    def on_status(self) -> None:
        """Note that the source reports on the stream, which goes on, until `end`."""
        self._by_status, self.ended = True, None
        self.started = self.started or now()

    def end(self) -> None:
        """End it, unless it never began."""
        if self.started is not None and self.ended is None:
            self.ended = now() if self._by_status else self.last_record

    def report(self, emitted: int, *, goes_on: bool) -> dict[str, Any]:
        """Return what is known as members of the stream's entry; the rate only while it goes on."""
        if self.started is None:
            return {}
        latest = self.ended or (now() if self._by_status else self.last_record) or self.started
        times = {"startedAt": self.started, "endedAt": self.ended, "lastRecordAt": self.last_record}
        known: dict[str, Any] = {name: shown(time) for name, time in times.items() if time is not None}
        known |= {"seconds": round(latest - self.started, 3), "timedBy": "status" if self._by_status else "records"}
        return known | ({"rowsPerSecond": self._rate(emitted)} if goes_on and self.ended is None else {})

    def _rate(self, emitted: int) -> float:
        """Return the records per second since a report some seconds ago; for one thread, which calls it regularly."""
        samples, at = self._samples, now()
        if not samples:
            samples.append((self.started or at, 0))
        samples.append((at, emitted))
        while len(samples) > 2 and samples[1][0] <= at - _RATE_SECONDS:
            samples.popleft()
        since, before = samples[0]
        return round((emitted - before) / (at - since), 1) if at > since else 0.0
