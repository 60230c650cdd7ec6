"""The caller's task_log: written in batches, read page by page from either end."""

import itertools
import secrets
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Self

import msgspec
from msgspec import Raw, Struct

from common import logs
from common.store.database import Database
from common.store.encoding import clean
from common.store.tasks import Task

SEPARATOR = "\x7f"
"""DEL: rare in text, and not escaped in JSON. DELETED replaces it in messages."""
DELETED = "\u2421"

PAGE_BYTES = 4 * 1024 * 1024
"""How much JSON one page of a log may have, whatever the number of its lines."""


class LogLine(Struct, frozen=True):
    """One line; `logger` is the connector's package for its lines, else `jitsu` (contract.md D)."""

    level: str
    logger: str
    message: str
    timestamp: datetime


Position = tuple[datetime, str]
"""Of a line in its task's log: its time and id."""


LOOKED_AT = 10_000
"""How many lines one page of a filtered log looks at."""


class LogFilter(Struct, frozen=True):
    """Which lines are wanted: none of the levels in `hidden` (in capitals), with this text, not older than `since`."""

    hidden: tuple[str, ...] = ()
    text: str = ""
    """In whatever case; "" for any line."""
    since: datetime | None = None

    @property
    def keeps_all(self) -> bool:
        """Whether each line of that time is wanted."""
        return not self.hidden and not self.text


ALL = LogFilter()


class LogPage(Struct, frozen=True):
    """Lines, oldest first, and between which positions all others have been looked at and are not wanted.

    The lines before `first` and those after `last` are other pages; both are None where nothing is. `more`:
    whether there are any further on, in the direction that was asked for. A page may be empty and have more behind it.
    """

    lines: list[LogLine]
    first: Position | None
    last: Position | None
    more: bool


class LogLines(Struct, frozen=True):
    """A batch of one logger's lines: messages and levels joined by SEPARATOR, or one level for all.

    Objects per line take many times as long to make, and thousands of them fragment the heap.
    """

    logger: str
    timestamp: datetime
    levels: str
    messages: str
    certain: bool = False
    """Whether they are stored however long the log is."""

    @classmethod
    def of(cls, logger: str, timestamp: datetime, levels: Sequence[str], messages: str) -> Self:
        """Return a batch; `messages` are joined, as many as levels."""
        same = levels.count(levels[0]) == len(levels)
        return cls(logger, timestamp, levels[0] if same else SEPARATOR.join(levels), messages)

    def __len__(self) -> int:
        return self.messages.count(SEPARATOR) + 1

    def __iter__(self) -> Iterator[LogLine]:
        for level, message in self._pairs():
            yield LogLine(level, self.logger, message, self.timestamp)

    def __str__(self) -> str:
        """The lines as in the container's log: one each, whatever a message holds."""
        if SEPARATOR not in self.levels and self.messages.replace(SEPARATOR, "").isprintable():
            return f"{self.levels} : " + self.messages.replace(SEPARATOR, f"\n{self.levels} : ")
        return "\n".join(f"{level} : {logs.one_line(message)}" for level, message in self._pairs())

    def only(self, levels: AbstractSet[str]) -> "LogLines | None":
        """Return the lines of these levels; None if there are none."""
        if SEPARATOR not in self.levels:
            return self if self.levels in levels else None
        pairs = [pair for pair in self._pairs() if pair[0] in levels]
        return self._of(pairs) if pairs else None

    def part(self, start: int, stop: int) -> "LogLines":
        """Return the lines from number `start` up to `stop`: at least one."""
        return self if (start, stop) == (0, len(self)) else self._of(self._pairs()[start:stop])

    def halves(self) -> "list[LogLines]":
        """Return the batch in two halves; a single line is not split."""
        half = len(self) // 2
        return [self.part(0, half), self.part(half, len(self))] if half else [self]

    def _of(self, pairs: Sequence[tuple[str, str]]) -> "LogLines":
        levels, messages = zip(*pairs, strict=True)
        return LogLines.of(self.logger, self.timestamp, levels, SEPARATOR.join(messages))

    def _pairs(self) -> list[tuple[str, str]]:
        messages, levels = self.messages.split(SEPARATOR), self.levels.split(SEPARATOR)
        return list(zip(levels * len(messages) if len(levels) == 1 else levels, messages, strict=True))


class _Stored(Struct, frozen=True):
    """The input of the statement add_logs; line n gets the id `id` + the 15 hex digits of `first` + n."""

    id: str
    first: int
    logger: str
    timestamp: datetime
    levels: Raw
    messages: Raw


_process = secrets.randbits(12)
_first_id = itertools.count(secrets.randbits(58), 1 << 20)
"""A million numbers per document; 60 bits are never used up."""


def first_id() -> int:
    """Return the number of a document's first line."""
    return next(_first_id)


def document(parts: Sequence[LogLines], first: int) -> str:
    """Return at most a million lines as the JSON for `add`, each with its id: a batch that is retried is stored once.

    The ids are UUIDs of version 7, in the order of the lines. `first` is a `first_id`, plus an offset for a part of a
    document.
    """
    stored = []
    for part in parts:
        milliseconds = int(part.timestamp.timestamp() * 1000) & (1 << 48) - 1
        prefix = f"{milliseconds:012x}7{_process:03x}8"
        levels, messages = _array(part.levels), _array(clean(part.messages))
        stored.append(_Stored(prefix, first, clean(part.logger), part.timestamp, levels, messages))
        first += len(part)
    return msgspec.json.encode(stored).decode()


def _array(texts: str) -> Raw:
    """Return joined texts as a JSON array."""
    return Raw(b"[" + msgspec.json.encode(texts).replace(SEPARATOR.encode(), b'","') + b"]")


def add(db: Database, task: Task, lines: str) -> None:
    """Write a `document` in one statement."""
    db.run("add_logs", lines=lines, sync_id=task.sync_id, task_id=task.task_id)


def before(
    db: Database, sync_id: str, task_id: str, limit: int, at: Position | None = None, wanted: LogFilter = ALL
) -> LogPage:
    """Return the last lines of a task before a position, or of all: at most `limit` and PAGE_BYTES."""
    lines, near, far, more = _page(db, "logs_before", sync_id, task_id, limit, at, wanted)
    return LogPage(lines[::-1], far, near, more)


def after(
    db: Database, sync_id: str, task_id: str, limit: int, at: Position | None = None, wanted: LogFilter = ALL
) -> LogPage:
    """Return the first lines of a task after a position, or of all: at most `limit` and PAGE_BYTES."""
    return LogPage(*_page(db, "logs_after", sync_id, task_id, limit, at, wanted))


def _page(
    db: Database, query: str, sync_id: str, task_id: str, limit: int, at: Position | None, wanted: LogFilter
) -> tuple[list[LogLine], Position | None, Position | None, bool]:
    """Return lines in the query's order, the positions of the first and the last that were looked at, and `more`."""
    time, line_id = at or (None, None)
    rows = db.run(
        query, sync_id=sync_id, task_id=task_id, line_time=time, line_id=line_id, since=wanted.since,
        hidden=list(wanted.hidden), text=wanted.text, limit=limit, bytes=PAGE_BYTES,
        looked=limit if wanted.keeps_all else LOOKED_AT,
    )  # fmt: skip
    if not rows:
        return [], None, None, False
    shown = [row for row in rows if row["id"] is not None][:limit]
    edge = rows[0]["edge_time"], rows[0]["edge_id"]
    is_cut = bool(shown) and shown[0]["found"] > len(shown)
    near = (shown[0]["timestamp"], shown[0]["id"]) if shown else edge
    far = (shown[-1]["timestamp"], shown[-1]["id"]) if is_cut else edge
    lines = [LogLine(row["level"], row["logger"], row["message"], row["timestamp"]) for row in shown]
    return lines, near, far, is_cut or rows[0]["beyond"]
