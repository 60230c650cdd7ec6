"""syncctl.display.formatting: numbers and times as people read them."""

import pytest

from syncctl.api.models import StreamProgress, Task
from syncctl.display import formatting


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2_340_000, "2.3 MB"), (10**18, "1.0 EB")],
)
def test_sizes(number: int, text: str) -> None:
    """Decimal units, one digit behind the point."""
    assert formatting.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (245, "4 min 5 s"), (3599.6, "1 h 0 min"), (7380, "2 h 3 min")],
)
def test_durations(seconds: float, text: str) -> None:
    """The two largest units."""
    assert formatting.duration(seconds) == text


def test_an_unreadable_time_is_shown_as_it_came() -> None:
    """A strange deployment's times must not end the command."""
    assert formatting.clock("yesterday") == "yesterday"
    assert formatting.clock(None) == ""


@pytest.mark.parametrize(("stored", "text"), [(0, ""), (25, "2.5"), (12_345, "1,234")])
def test_rates_are_over_the_whole_run(stored: int, text: str) -> None:
    """Rows by seconds between the deployment's own two times."""
    task = Task("t", "read", "SUCCESS", started_at="2026-11-24T10:00:00Z", finished_at="2026-11-24T10:00:10.000Z")
    assert formatting.rate(StreamProgress(stored=stored), task) == text
