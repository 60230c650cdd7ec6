"""The demo's counts: rows emitted by the connector, acknowledged by the warehouse, and found in its tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from common.errors import SyncError
from syncctl.api.client import Deployment
from syncctl.api.poll import follow
from syncctl.display import formatting, tables
from syncctl.display.console import Grid, Output
from syncctl.display.progress import show_progress
from syncctl.exit_codes import TaskState

if TYPE_CHECKING:
    from embedded.edition import Edition

PREFIX = "demo_"


class StreamCounts(NamedTuple):
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


class ReadFollower(NamedTuple):
    """What following a read needs; `resumable` are the streams that a second read resumes."""

    output: Output
    running: "Edition"
    deployment: Deployment
    resumable: frozenset[str]

    def follow(self, task_id: str, before: Mapping[str, StreamCounts]) -> list[StreamCounts]:
        """Follow one read to its end and count its rows; `before` is what the tables held."""
        task = show_progress(self.output, follow(self.deployment, task_id), logs=False)
        self.output.render(tables.task_heading(task))
        if task.state != TaskState.SUCCESS:
            raise SyncError(f"The read ended {task.state}: {task.reason or 'without a reason.'}")
        return [
            StreamCounts(
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


def table(counts: Sequence[StreamCounts]) -> Grid:
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
