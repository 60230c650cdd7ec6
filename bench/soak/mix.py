"""Which task comes next: commands, sizes and cancels by weight, and the kills between them."""

import random
from uuid import UUID

from msgspec import Struct

SYNCS = 6
_SHAPES = ((20, 200, 0.0), (2000, 200, 1.0), (400, 20_000, 2.0), (60, 900_000, 2.0))
"""Rows, bytes of each, seconds."""


class Wanted(Struct, frozen=True):
    """A task to start. Reads have a sync, of which each read has the same shape, so that rows can be counted."""

    command: str
    task_id: str
    sync: int = 0
    cancelled: bool = False

    @property
    def rows(self) -> int:
        """How many rows a read has."""
        return _SHAPES[self.sync % len(_SHAPES)][0]

    @property
    def config(self) -> dict[str, float]:
        """The connector's configuration."""
        rows, size, seconds = _SHAPES[self.sync % len(_SHAPES)]
        return {"rows": rows, "bytes": size, "seconds": seconds}

    @property
    def prefix(self) -> str:
        """The prefix of a sync's table."""
        return f"soak{self.sync}_"


def choose(rng: random.Random) -> Wanted:
    """Return the next task."""
    [command] = rng.choices(("read", "check", "discover", "spec"), (6, 2, 1, 1))
    task_id = str(UUID(int=rng.getrandbits(128), version=4))
    return Wanted(command, task_id, rng.randrange(SYNCS), cancelled=command == "read" and rng.random() < 0.1)


def choose_kill(rng: random.Random) -> str:
    """Return the part to kill, "" for none."""
    return rng.choices(("", "connector", "sidecar", "runner", "postgres"), (80, 6, 6, 5, 3))[0]
