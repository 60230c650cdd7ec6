"""The demo's counts: rows emitted by the connector, acknowledged by the warehouse, and found in its tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from common.errors import SyncError
from syncctl.api.client import Deployment
from syncctl.api.poll import follow
from syncctl.display import formatting, tables
from syncctl.display.console import Grid, Screen
from syncctl.display.progress import show
from syncctl.exit_codes import State

if TYPE_CHECKING:
    from embedded.edition import Edition

PREFIX = "demo_"


class Count(NamedTuple):
    """One stream's rows: said by the connector, acknowledged by the warehouse, counted in its table."""

    stream: str
    emitted: int
    stored: int
    before: int
    counted: int | None
    rate: str
    resumes: bool

    @property
    def agrees(self) -> bool:
        """Nothing lost, nothing doubled: a resumed read adds to what was there, another one replaces it."""
        return self.emitted == self.stored and self.counted == self.before + self.stored


class Reads(NamedTuple):
    """What following a read needs; `resumable` are the streams that a second read resumes."""

    screen: Screen
    running: "Edition"
    deployment: Deployment
    resumable: frozenset[str]

    def follow(self, task_id: str, before: Mapping[str, Count]) -> list[Count]:
        """Follow one read to its end and count its rows; `before` is what the tables held."""
        task = show(self.screen, follow(self.deployment, task_id), logs=False)
        self.screen.show(tables.heading(task))
        if task.state != State.SUCCESS:
            raise SyncError(f"The read ended {task.state}: {task.reason or 'without a reason.'}")
        return [
            Count(
                name,
                progress.emitted,
                progress.stored,
                (before[name].counted or 0) if name in before and name in self.resumable else 0,
                self.running.rows(PREFIX + name),
                formatting.rate(progress, task),
                name in self.resumable,
            )
            for name, progress in (task.streams or {}).items()
        ]


def table(counts: Sequence[Count]) -> Grid:
    """Three counts of each stream side by side, and whether they agree."""
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
