"""Rows over time: steps from samples that come at any time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.read import clock
from sidecar.read.account import StreamAccount
from sidecar.read.rates import STEPS, Rates


class Read:
    """A read of two streams on a clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 1_790_000_000.0
        monkeypatch.setattr(clock, "now", lambda: self._now)
        self.accounts = [StreamAccount(), StreamAccount()]
        self.rates = Rates()

    def on(self, seconds: float, emitted: int = 0, stored: int = 0, *, over: bool = False) -> dict[str, Any]:
        """What is reported so many seconds later, once more rows have come."""
        self._now += seconds
        self.accounts[emitted % 2].emitted += emitted
        self.accounts[0].stored += stored
        return self.rates.sample(self.accounts, over=over)


def test_full_steps_are_reported_and_at_the_end_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come between two samples is spread over the time between them; later samples change nothing."""
    read = Read(monkeypatch)
    assert read.on(0.5, 3) == {"startedAt": "2026-09-21T14:13:20.000Z", "stepSeconds": 1, "emitted": [], "stored": []}
    assert (read.on(0.5, 2)["emitted"], read.on(0.5, 5)["emitted"]) == ([5], [5])
    found = read.on(2.0, 40, 20)
    assert (found["emitted"], found["stored"]) == ([5, 15, 20], [0, 5, 10])
    last = read.on(0.1, 1, 31, over=True)
    assert (last["emitted"], last["stored"]) == ([5, 15, 20, 11], [0, 5, 10, 36])
    assert read.on(100, 1) == last


def test_a_read_that_ends_at_once_has_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all its rows, or with none."""
    assert Read(monkeypatch).on(0.0, 7, 7, over=True)["emitted"] == [7]
    assert Read(monkeypatch).on(0.2, over=True)["emitted"] == [0]


def test_steps_become_longer_as_the_read_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as long each time that there are too many of them; what they hold stays."""
    read = Read(monkeypatch)
    for _ in range(119):
        found = read.on(1.0, 10)
    assert (found["stepSeconds"], found["emitted"]) == (1, [10] * 119)
    found = read.on(1.0, 10)
    assert (found["stepSeconds"], found["emitted"]) == (2, [20] * 60)
    assert read.on(1.0, 10)["emitted"] == [20] * 60
    found = read.on(86_400.0, 864_000)
    assert found["stepSeconds"] == 1024
    assert all(abs(count - 10_240) <= 1 for count in found["emitted"])


@given(st.lists(st.tuples(st.floats(0, 5000), st.integers(0, 10**7), st.integers(0, 10**7)), max_size=60))
def test_no_row_is_lost_or_counted_twice(samples: list[tuple[float, int, int]]) -> None:
    """Whenever samples come; and the steps are never more than the most, nor any count below zero."""
    with pytest.MonkeyPatch.context() as patch:
        read = Read(patch)
        for seconds, emitted, stored in samples:
            assert len(read.on(seconds, emitted, stored)["emitted"]) < STEPS
        found = read.on(0.0, over=True)
    assert sum(found["emitted"]) == sum(emitted for _, emitted, _ in samples)
    assert sum(found["stored"]) == sum(stored for *_, stored in samples)
    assert len(found["emitted"]) == len(found["stored"]) <= STEPS
    assert min(found["emitted"] + found["stored"]) >= 0
