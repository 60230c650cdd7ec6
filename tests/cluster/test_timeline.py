"""bench.cluster.timeline finds every step of a read."""

import pytest

from bench.cluster import timeline
from tests.cluster.stack import Stack

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(300)]


def test_every_step_has_its_mark(deployed: Stack) -> None:
    """Marks of one source are in order; two sources (Postgres, a watch) hear of things at slightly different times."""
    marks = timeline.marks(deployed)
    assert list(marks) == list(timeline.STEPS)
    for one_source in (
        ("first", "last", "verdict"),
        ("created", "scheduled", "ended", "gone"),
        ("prepared", "sidecar", "source"),
    ):
        times = [marks[name] for name in one_source]
        assert times == sorted(times), marks
    assert marks["created"] > 0
