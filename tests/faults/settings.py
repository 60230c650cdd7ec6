"""Which of the seeded kills run: all, or the one that SYNC_KILLS_SEED names."""

import os
from collections.abc import Sequence


def seeds(given: Sequence[int]) -> Sequence[int]:
    """These seeds, or only the one to replay, if it is among them."""
    one = os.environ.get("SYNC_KILLS_SEED")  # noqa: TID251 - the one place of these tests
    return given if one is None else [seed for seed in given if seed == int(one)]
