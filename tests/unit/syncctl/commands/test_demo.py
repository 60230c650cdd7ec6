"""syncctl.commands.demo: when its counts agree."""

import pytest

from syncctl.commands.demo import StreamCounts, count_table


@pytest.mark.parametrize(
    ("emitted", "stored", "before", "counted", "agrees"),
    [
        (5, 5, 0, 5, True),
        (0, 0, 5, 5, True),
        (5, 4, 0, 4, False),
        (5, 5, 0, 4, False),
        (5, 5, 0, None, False),
        (0, 0, 5, 0, False),
        (5, 5, 5, 5, False),
    ],
)
def test_counts_agree_only_if_nothing_is_lost_or_doubled(
    emitted: int, stored: int, before: int, counted: int | None, agrees: bool
) -> None:
    """Rows emitted by the connector, acknowledged by the warehouse, and found in its table."""
    count = StreamCounts("users", emitted, stored, before, counted, "", resumes=True)
    assert count.agrees is agrees
    assert ("DIFFER" in count_table([count]).rows[0][-1]) is not agrees
