"""The cells: which command is tried on which system, and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatch


class Suite(StrEnum):
    """Debian's releases, by their Python."""

    BOOKWORM = "bookworm"  # 3.11
    TRIXIE = "trixie"  # 3.13
    FORKY = "forky"  # 3.14


class Account(StrEnum):
    """Who runs the command, in a home that nobody else may enter."""

    ROOT = "root"
    USER = "user"


class Command(StrEnum):
    """README's commands."""

    DEMO = "demo"
    TEST = "test"


@dataclass(frozen=True)
class Cell:
    """One command on one new machine."""

    suite: Suite
    account: Account
    command: Command
    hostile: bool = False
    """With a umask of 077, a /tmp without execution, and a clone in a folder with blanks."""

    def __str__(self) -> str:
        return f"{self.suite}-{self.account}-{self.command}"


CELLS = (
    Cell(Suite.BOOKWORM, Account.ROOT, Command.DEMO, hostile=True),
    *(
        Cell(suite, account, Command.DEMO)
        for suite in Suite
        for account in Account
        if (suite, account) != (Suite.BOOKWORM, Account.ROOT)
    ),
    Cell(Suite.FORKY, Account.USER, Command.TEST),
    Cell(Suite.TRIXIE, Account.USER, Command.TEST),
    Cell(Suite.BOOKWORM, Account.ROOT, Command.TEST),
)


def chosen(patterns: Sequence[str]) -> list[Cell]:
    """Return the cells that match one of the patterns, or all. Raise ValueError if a pattern matches none."""
    names = [str(cell) for cell in CELLS]
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise ValueError(f"There is no cell {pattern!r}. The cells are: {' '.join(names)}")
    return [cell for cell in CELLS if not patterns or any(fnmatch(str(cell), pattern) for pattern in patterns)]
