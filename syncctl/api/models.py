"""What a deployment answers, as msgspec types; members that are not used here stay unread.

Every Task keeps the bytes it came as (`raw`): `--json` prints those, so nothing is lost or reworded on the way.
"""

import msgspec
from msgspec import Raw, Struct

from common import nesting
from common.images import Image

MISSING = Raw(b"")

DECODE_ERRORS = (msgspec.MsgspecError, nesting.TooDeep, RecursionError, UnicodeDecodeError)
"""What reading JSON raises that somebody else wrote: not each of them is a DecodeError. A deployment sends nothing that
the interpreter has no room for: its answers are two levels deeper than a result within our limit, at most.
"""


class StreamProgress(Struct, frozen=True):
    """How far a stream is. Counts are rows, `size` is bytes of rows."""

    status: str = ""
    emitted: int = 0
    sent: int = 0
    stored: int = 0
    refused: int = 0
    size: int = msgspec.field(name="bytes", default=0)
    error: str | None = ""


class LogLine(Struct, frozen=True):
    """One line of a task's log; `timestamp` is RFC 3339."""

    timestamp: str = ""
    level: str = ""
    logger: str = ""
    message: str = ""


class TaskFailure(Struct, frozen=True, rename="camel"):
    """Why a task, or an attempt of it (then with its number and end), ended as it did."""

    kind: str = ""
    origin: str = ""
    message: str = ""
    advice: str = ""
    attempt: int = 0
    ended_at: str | None = None


class Task(Struct, frozen=True, rename="camel"):
    """One run. Times are RFC 3339; `result` and `logs` come only when a single task is asked for."""

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
    raw: Raw = MISSING

    @property
    def image(self) -> str:
        """The connector's image reference."""
        return str(Image(self.package, self.version))

    @property
    def has_result(self) -> bool:
        """Whether the task's answer is there."""
        return bytes(self.result) not in {b"", b"null"}


class Started(Struct, frozen=True, rename="camel"):
    """A deployment took a task on; `started_at` is Unix seconds."""

    task_id: str
    started_at: int = 0


class Cancelled(Struct, frozen=True):
    """What a deployment has to say of a cancel: where the pod is, if not at its own place."""

    note: str = ""


class CheckResult(Struct, frozen=True):
    """What a connector says about its configuration."""

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
    """Decodes one task and keeps its bytes; raises msgspec.MsgspecError."""
    return msgspec.structs.replace(_task.decode(raw), raw=raw)


def decode_log_line(raw: Raw) -> LogLine:
    """Decodes one log line; raises msgspec.MsgspecError."""
    return _line.decode(raw)


_task = msgspec.json.Decoder(Task)
_line = msgspec.json.Decoder(LogLine)
