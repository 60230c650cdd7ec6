"""The caller's task_log: written in batches, read from the end."""

import itertools
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from common.store.database import Database, Row
from common.store.tasks import TaskKey
from common.store.texts import clean

SEPARATOR = "\0"
"""No text of Postgres has it: who makes LogLines shows another sign in its place (texts.NUL)."""


class LogLine(Struct, frozen=True):
    """One line; `logger` is the connector's package for its own lines, else `jitsu` (contract.md D)."""

    level: str
    logger: str
    message: str
    timestamp: datetime


class LogLines(Struct, frozen=True):
    """Lines of one logger that came together: their levels and their messages, each joined by SEPARATOR. A thousand
    small texts that live for a while scatter what is made and dropped around them, which slows that down.
    """

    logger: str
    timestamp: datetime
    levels: str
    messages: str

    def __len__(self) -> int:
        return self.levels.count(SEPARATOR) + 1

    def __iter__(self) -> Iterator[LogLine]:
        for level, message in self.pairs():
            yield LogLine(level, self.logger, message, self.timestamp)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Level and message of each line."""
        return zip(self.levels.split(SEPARATOR), self.messages.split(SEPARATOR), strict=True)

    def halves(self) -> "list[LogLines]":
        """The first lines and the others; a single one stays whole."""
        pairs, half = list(self.pairs()), len(self) // 2
        parts = [pairs[:half], pairs[half:]] if half else [pairs]
        return [LogLines(self.logger, self.timestamp, *map(SEPARATOR.join, zip(*part, strict=True))) for part in parts]


class _Stored(Struct, frozen=True):
    """What the statement add_logs makes rows of: their ids are `id` and the 15 hexadecimal digits of `first` + n."""

    id: str
    first: int
    logger: str
    timestamp: datetime
    levels: list[str]
    messages: list[str]


_process = secrets.randbits(12)
_first_id = itertools.count(secrets.randbits(58), 1 << 20)
"""Leaves a million numbers to each document's lines; 60 bits are never reached."""


def document(parts: Sequence[LogLines]) -> str:
    """Lines as `add` takes them, at most a million, each with its id for good: a batch that is written again, since
    nobody knows whether it was, is written once. UUIDs of version 7 that sort the lines of one moment as they came.
    """
    first, stored = next(_first_id), []
    for part in parts:
        milliseconds = int(part.timestamp.timestamp() * 1000) & (1 << 48) - 1
        prefix = f"{milliseconds:012x}7{_process:03x}8"
        levels = part.levels.split(SEPARATOR)
        messages = [clean(text) for text in part.messages.split(SEPARATOR)]
        stored.append(_Stored(prefix, first, clean(part.logger), part.timestamp, levels, messages))
        first += len(part)
    return msgspec.json.encode(stored).decode()


def add(db: Database, task: TaskKey, lines: str) -> None:
    """Writes a `document` of lines in one statement."""
    db.run("add_logs", lines=lines, sync_id=task.sync_id, task_id=task.task_id)


def last(db: Database, sync_id: str, task_id: str, limit: int) -> list[Row]:
    """The last lines of a task, oldest first."""
    return db.run("last_logs", task_id=task_id, sync_id=sync_id, limit=limit)[::-1]
