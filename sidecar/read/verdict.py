"""The verdict on one stream: its status, its error and the kind of that."""

from enum import StrEnum
from typing import Self

import msgspec
from msgspec import Struct

from common.failures import FailureKind

_ERROR_CHARACTERS = 2000


class Status(StrEnum):
    """A stream's status in the caller's row."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


class StreamVerdict(Struct, frozen=True):
    """Status, error and its kind (None without an error); `note` qualifies a success. PENDING until the read ends.

    `by_source`: the error begins with the source's own words.
    """

    status: Status = Status.PENDING
    error: str = ""
    kind: FailureKind | None = None
    by_source: bool = False
    note: str = ""

    def fail(self, why: str, kind: FailureKind = FailureKind.INCOMPLETE) -> Self:
        """Return the verdict with an error; the first one stays."""
        short = why if len(why) <= _ERROR_CHARACTERS else f"{why[:_ERROR_CHARACTERS]} ..."
        return msgspec.structs.replace(self, error=self.error or short, kind=self.kind or kind)

    def fail_by_source(self, why: str, kind: FailureKind) -> Self:
        """Return the verdict with the source's first error in front of the sidecar's own."""
        if self.by_source:
            return self
        own = f"; {self.error}" if self.error else ""
        failed = msgspec.structs.replace(self, error="", kind=None, by_source=True).fail(why, kind)
        return msgspec.structs.replace(failed, error=failed.error + own)
