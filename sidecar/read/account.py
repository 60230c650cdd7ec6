"""Count one stream's records and report them."""

import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from common.protocol.estimates import Estimate
from common.protocol.messages import StreamStatus
from sidecar.read import clock
from sidecar.read.clock import StreamClock
from sidecar.read.verdict import Status, StreamVerdict

_CHANGES, _OTHER_CHANGES = 10, "OTHERS"
_LAST = frozenset({StreamStatus.COMPLETE, StreamStatus.INCOMPLETE})


class StreamAccount:
    """Records emitted, sent, stored and refused, and how the source itself reports on the stream."""

    def __init__(self, *, resumed: bool = False) -> None:
        self.resumed = resumed
        """Whether the source was given a state that the stream goes on from."""
        self.emitted = self.sent = self.stored = self.refused = self.bytes = 0
        self.gaps = 0
        """How often the source had sent more records than arrived."""
        self.changes: Counter[str] = Counter()
        """How many values the source changed before it sent them, by its word for it: NULLED, TRUNCATED."""
        self.since_state = 0
        self.after_complete = 0
        self.seen = False
        """Whether the source sent a record, a status or an error of the stream."""
        self.last_was_state = False
        self.reported: StreamStatus | None = None
        self.last_status = ""
        """The source's last status as it was sent, known to the protocol or not."""
        self.limited_until: float | None = None
        """Until when the source waits for its quota (StreamStatusTrace.quota_reset)."""
        self.limited_since = 0.0
        self.clock = StreamClock()
        self.estimate: Estimate | None = None
        """What the source says that it will send of the stream."""

    @property
    def reached(self) -> int:
        """The stream's position: the records that arrived, and one for each gap."""
        return self.emitted + self.gaps

    @property
    def settled(self) -> bool:
        """Whether each record was stored, or refused by name."""
        return self.stored + self.refused == self.emitted

    def count_emitted(self, rows: int) -> None:
        """Count records that arrived."""
        self.emitted += rows
        self.since_state += rows
        self.seen, self.last_was_state, self.limited_until = True, False, None
        self.clock.on_records()
        if self.reported is StreamStatus.COMPLETE:
            self.after_complete += rows

    def count_sent(self, rows: int, size: int) -> None:
        """Count rows, and their bytes, that Bulker has not acknowledged yet."""
        self.sent += rows
        self.bytes += size

    def count_settled(self, stored: int, refused: int) -> None:
        """Count rows that Bulker answered for, or that cannot be sent."""
        self.stored += stored
        self.refused += refused

    def count_rejected(self, rows: int) -> None:
        """Count records that the source rejected, and did not send."""
        self.emitted += rows
        self.refused += rows

    def count_gap(self) -> None:
        """Count records, however many, that the source had sent and that did not arrive."""
        self.gaps += 1

    def count_change(self, change: str) -> None:
        """Count a value that the source changed; words beyond the first few count together."""
        known = change in self.changes or len(self.changes) < _CHANGES
        self.changes[change if known else _OTHER_CHANGES] += 1

    def on_state(self) -> None:
        """Begin the count up to the next state."""
        self.since_state, self.last_was_state = 0, True

    def on_error(self) -> None:
        """Keep in mind that the source named the stream, which it then waits for no longer."""
        self.seen, self.limited_until = True, None

    def on_status(self, text: str, status: StreamStatus | None, limited_until: float | None = None) -> None:
        """Keep the source's status; None for a text that the protocol does not know."""
        self.seen, self.last_status = True, text
        if status and (status not in _LAST or self.reported is not status):  # some repeat the last one, much later
            self.clock.on_status()
        if self.limited_until is None:
            self.limited_since = clock.now()
        self.limited_until = None if status in _LAST else limited_until
        self.reported = status or self.reported

    @property
    def limit(self) -> str:
        """What the source waits for; "" if it does not."""
        if self.limited_until is None or math.isinf(self.limited_until):
            return "rate limited" if self.limited_until else ""
        at, now = datetime.fromtimestamp(self.limited_until, UTC), datetime.now(UTC)
        return f"rate limited until {at:{'%H:%M' if at.date() == now.date() else '%Y-%m-%d %H:%M'}} UTC"

    def report(self, verdict: StreamVerdict) -> dict[str, Any]:
        """Return the stream's entry in GET /tasks/<id>."""
        counts = {"emitted": self.emitted, "sent": self.sent, "stored": self.stored, "refused": self.refused}
        waits = verdict.status is Status.PENDING
        text = verdict.note or (self.limit if waits else "")
        note = {"note": text} if text else {}
        # Some sources report no status before the first record.
        begun = waits and bool(self.reached or self.reported)
        status = Status.RUNNING if begun else verdict.status
        times = self.clock.report(self.emitted, goes_on=begun) | self._estimated()
        limits = self._limits() if waits else {}
        start = {"resumed": True} if self.resumed else {}
        counts |= {"bytes": self.bytes}
        return {"status": str(status), **counts, "error": verdict.error, **start, **times, **limits, **note}

    def _estimated(self) -> dict[str, int]:
        known = self.estimate or Estimate()
        numbers = {"estimatedRows": known.rows, "estimatedBytes": known.bytes}
        return {name: number for name, number in numbers.items() if number}

    def _limits(self) -> dict[str, str]:
        if self.limited_until is None:
            return {}
        since = {"limitedSince": clock.shown(self.limited_since)}
        return since | ({"limitedUntil": clock.shown(self.limited_until)} if math.isfinite(self.limited_until) else {})
