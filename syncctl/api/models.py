"""The answers of a deployment as msgspec types, with the members that are used here.

A Task keeps its JSON as it came (`raw`), which `--json` prints.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from common import nesting
from common.images import Image

MISSING = Raw(b"")

DECODE_ERRORS = (msgspec.MsgspecError, nesting.TooDeep, RecursionError, UnicodeDecodeError)
"""The errors of decoding foreign JSON, not all of which are DecodeErrors."""


class StreamProgress(Struct, frozen=True):
    """The progress of a stream. Counts are rows, `size` is bytes of rows."""

    status: str = ""
    emitted: int = 0
    sent: int = 0
    stored: int = 0
    refused: int = 0
    size: int = msgspec.field(name="bytes", default=0)
    error: str | None = ""
    note: str | None = ""
    seconds: float | None = None
    """How long the stream's own clock has run; None if it has not begun, or an older deployment answers."""
    rate: float | None = msgspec.field(name="rowsPerSecond", default=None)
    """Rows a second at the moment, while it goes on."""
    percent: int | None = None
    seconds_left: int | None = msgspec.field(name="secondsLeft", default=None)


class Waiting(Struct, frozen=True):
    """What a task waits for, and for how long it has."""

    kind: str = msgspec.field(name="for")
    seconds: int = 0
    until: str | None = None


class TaskProgress(Struct, frozen=True, rename="camel"):
    """How far a read is, as far as its source estimates it."""

    rows_per_second: float = 0.0
    percent: int | None = None
    seconds_left: int | None = None


class LogLine(Struct, frozen=True):
    """One line of a task's log; `timestamp` is RFC 3339."""

    timestamp: str = ""
    level: str = ""
    logger: str = ""
    message: str = ""


class TaskFailure(Struct, frozen=True, rename="camel"):
    """Why a task ended, or an attempt of it, which has a number and an end."""

    kind: str = ""
    origin: str = ""
    message: str = ""
    advice: str = ""
    attempt: int = 0
    ended_at: str | None = None


class RunOf(Struct, frozen=True, rename="camel"):
    """What a run of a declared sync was asked for: the sync's name, and some of its streams, or () for all."""

    sync: str
    streams: tuple[str, ...] = ()
    full_sync: bool = False


class Task(Struct, frozen=True, rename="camel"):
    """One run. Times are RFC 3339; a list of tasks has no `result` and no `logs`."""

    task_id: str
    command: str
    state: str
    sync_id: str = ""
    package: str = ""
    version: str = ""
    reason: str | None = ""
    created_at: str | None = None
    started_at: str | None = None
    updated_at: str | None = None
    finished_at: str | None = None
    streams: dict[str, StreamProgress] | None = None
    failure: TaskFailure | None = None
    attempt: int = 1
    attempts: list[TaskFailure] = []
    waiting: Waiting | None = None
    progress: TaskProgress | None = None
    result: Raw = MISSING
    logs: list[Raw] = []
    run: RunOf | None = None
    raw: Raw = MISSING
    revision: str = ""
    """Of an answer that a deployment can hold until the task has changed."""

    @property
    def image(self) -> str:
        """The connector's image reference."""
        return str(Image(self.package, self.version))

    @property
    def has_result(self) -> bool:
        """Whether the connector's answer is there."""
        return bytes(self.result) not in {b"", b"null"}


class LogPage(Struct, frozen=True):
    """Lines of a task's log, oldest first, the cursors around them, and the task's state before they were read.

    `more`: whether there are more in the direction that was asked for.
    """

    state: str
    before: str
    after: str
    more: bool
    logs: list[Raw] = []


class Started(Struct, frozen=True, rename="camel"):
    """A task that a deployment has accepted; `started_at` is Unix seconds."""

    task_id: str
    started_at: int = 0


class Cancelled(Struct, frozen=True):
    """The answer to a cancel; `note` says where the pod is, if in another data plane."""

    note: str = ""


class CheckResult(Struct, frozen=True):
    """A connector's verdict on a configuration."""

    status: str = ""
    message: str | None = ""


class TaskPage(Struct, frozen=True):
    """Newest tasks first; `next` is the cursor of the next page."""

    tasks: list[Raw]
    next: str | None = None


class TaskAnswer(Struct, frozen=True):
    """One task in its envelope."""

    task: Raw
    revision: str = ""


class SyncProblem(Struct, frozen=True):
    """What is wrong in a document that was sent: its number, from 0, the field's path, and what was expected."""

    document: int
    path: list[str | int]
    message: str
    field: str = ""


class WrittenSync(Struct, frozen=True):
    """What a write did with a sync: created, configured or unchanged; and its document, if it is there."""

    name: str
    result: str
    sync: dict[str, Any] | None = None


class Refusal(Struct, frozen=True):
    """Any error of a deployment; of documents, what is wrong, or what was written before it."""

    error: str
    ok: bool = False
    problems: list[SyncProblem] = []
    results: list[WrittenSync] = []


def decode_task(raw: Raw) -> Task:
    """Decode a task and keep its bytes. Raise one of DECODE_ERRORS."""
    return msgspec.structs.replace(_task.decode(raw), raw=raw)


def decode_log_line(raw: Raw) -> LogLine:
    """Decode a log line. Raise one of DECODE_ERRORS."""
    return _line.decode(raw)


_task = msgspec.json.Decoder(Task)
_line = msgspec.json.Decoder(LogLine)
