"""The demo's counts: rows emitted by the connector, acknowledged by the warehouse, and found in its tables."""

from collections.abc import Sequence
from typing import NamedTuple

from syncctl.display import formatting
from syncctl.display.console import Grid


class StreamCounts(NamedTuple):
    """One stream's rows: emitted, stored, and in its table before (0 if the read replaces it) and after the read."""

    stream: str
    emitted: int
    stored: int
    before: int
    counted: int | None
    rate: str
    resumes: bool

    @property
    def agrees(self) -> bool:
        """Whether no row is lost and none doubled."""
        return self.emitted == self.stored and self.counted == self.before + self.stored


def table(counts: Sequence[StreamCounts]) -> Grid:
    """Return the three counts of each stream side by side, and whether they agree."""
    return Grid(
        ("stream", "emitted", "stored", "in the table", "rows/s", "counts"),
        [
            (
                count.stream,
                formatting.count(count.emitted),
                formatting.count(count.stored),
                "no table" if count.counted is None else formatting.count(count.counted),
                count.rate,
                "agree" if count.agrees else f"DIFFER (expected {formatting.count(count.before + count.emitted)})",
            )
            for count in counts
        ],
        right=frozenset({"emitted", "stored", "in the table", "rows/s"}),
    )
