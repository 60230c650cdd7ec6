"""A line of the doctor's report."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from common.errors import SyncError
from syncctl.kn.kube import Denied


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but not as it should, or it could not be looked at."""
    FAILED = "failed"
    """Something does not work until it is changed."""


class Finding(Struct, frozen=True):
    """What was looked at, by a name that stays; what was found, and what to do. The last is "" where all is well."""

    check: str
    level: Level
    message: str
    advice: str = ""


Check = Callable[[], Iterable[Finding]]


def ok(check: str, message: str) -> Finding:
    """Return a line about what is as it should be."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, advice: str) -> Finding:
    """Return a line about what works, and should not stay so."""
    return Finding(check, Level.WARNING, message, advice)


def failed(check: str, message: str, advice: str) -> Finding:
    """Return a line about what does not work."""
    return Finding(check, Level.FAILED, message, advice)


def guarded(check: str, look: Check) -> Iterator[Finding]:
    """Yield what a check finds. What the user may not look at is a warning, and no other check suffers from it."""
    try:
        yield from look()
    except Denied as denied:
        yield warning(
            check, f"Not looked at: you have no right to it ({denied.doing}).", "Ask an administrator to run this."
        )
    except SyncError as error:
        yield failed(check, error.message, "Mend that first, then look again.")
