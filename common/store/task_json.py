"""What the rows of tasks hold as JSON, as types."""

from typing import NotRequired, TypedDict

from common.failures import FailureKind, FailureOrigin


class StreamProgress(TypedDict):
    """A stream of a read: rows that its source has emitted, and what became of them."""

    status: str
    emitted: int
    sent: int
    stored: int
    refused: int
    bytes: int
    error: str
    note: NotRequired[str]
    resumed: NotRequired[bool]
    startedAt: NotRequired[str]
    endedAt: NotRequired[str]
    timedBy: NotRequired[str]
    seconds: NotRequired[float]
    lastRecordAt: NotRequired[str]
    rowsPerSecond: NotRequired[float]
    estimatedRows: NotRequired[int]
    estimatedBytes: NotRequired[int]
    percent: NotRequired[int]
    secondsLeft: NotRequired[int]
    limitedSince: NotRequired[str]
    limitedUntil: NotRequired[str]


class StreamTotals(TypedDict):
    """All streams of a task: their number, how many are in which state, and the sums of their counts."""

    streams: int
    states: dict[str, int]
    emitted: int
    sent: int
    stored: int
    refused: int
    bytes: int


class TaskProgress(TypedDict):
    """How far a running read is; the last two where its source has estimated it."""

    rowsPerSecond: float
    percent: NotRequired[int]
    secondsLeft: NotRequired[int]


_For = TypedDict("_For", {"for": str})  # no class body can have this name


class Waiting(_For):
    """What an active task waits for, and for how many seconds by now."""

    since: str
    seconds: int
    until: NotRequired[str]
    task: NotRequired[str]


class TaskFailure(TypedDict):
    """Why a task ended, whose fault that is, and what to do."""

    kind: FailureKind
    origin: FailureOrigin
    message: str
    advice: str
    retryable: bool


class Attempt(TaskFailure):
    """An attempt of a read that another one followed, and why it ended."""

    attempt: int
    endedAt: str
