"""syncctl.display.formatting: numbers and times as people read them."""

import pytest

from syncctl.api.models import StreamProgress
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


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (StreamProgress(stored=0, seconds=10.0), ""),
        (StreamProgress(stored=25, seconds=10.0), "2.5"),
        (StreamProgress(stored=12_345, seconds=10.0), "1,234"),
        (StreamProgress(stored=12_345, seconds=10.0, rate=7.5), "7.5"),
        (StreamProgress(stored=12_345, seconds=10.0, rate=0.0), ""),
        (StreamProgress(stored=12_345, seconds=0.0), ""),
        (StreamProgress(stored=12_345), ""),
    ],
)
def test_rates_are_those_of_the_moment_or_by_the_streams_own_clock(progress: StreamProgress, text: str) -> None:
    """Neither the connector's start nor other streams are in them; without a clock the cell is empty."""
    assert formatting.rate(progress) == text


def test_how_far_a_read_is() -> None:
    """The time left is shown where it is known."""
    known = [formatting.how_far(None, None), formatting.how_far(99, None), formatting.how_far(63, 245)]
    assert known == ["", "99 %", "63 %, 4 min 5 s left"]
