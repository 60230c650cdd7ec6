"""The answers of a deployment as msgspec types, with the members that are used here.

A Task keeps its JSON as it came (`raw`), which `--json` prints.
"""

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
    result: Raw = MISSING
    logs: list[Raw] = []
    logs_before: str | None = None
    """The cursor of the lines before these; None if there are none, or an older deployment answers."""
    raw: Raw = MISSING

    @property
    def image(self) -> str:
        """The connector's image reference."""
        return str(Image(self.package, self.version))

    @property
    def has_result(self) -> bool:
        """Whether the connector's answer is there."""
        return bytes(self.result) not in {b"", b"null"}


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


class Refusal(Struct, frozen=True):
    """Any error of a deployment."""

    error: str
    ok: bool = False


def decode_task(raw: Raw) -> Task:
    """Decode a task and keep its bytes. Raise one of DECODE_ERRORS."""
    return msgspec.structs.replace(_task.decode(raw), raw=raw)


def decode_log_line(raw: Raw) -> LogLine:
    """Decode a log line. Raise one of DECODE_ERRORS."""
    return _line.decode(raw)


_task = msgspec.json.Decoder(Task)
_line = msgspec.json.Decoder(LogLine)
