"""How often tasks that somebody waits for are looked at."""

import pytest

from common.tasks.wait import pause


@pytest.mark.parametrize(
    ("waited", "seconds"), [(0.0, 0.03), (0.1, 0.03), (1.0, 0.1), (2.0, 0.2), (2.5, 0.25), (600.0, 0.25)]
)
def test_a_pause_is_a_share_of_what_was_waited(waited: float, seconds: float) -> None:
    """Within bounds: a task of a second is seen to end at once, and an hour of waiting costs four looks a second."""
    assert pause(waited) == pytest.approx(seconds)
