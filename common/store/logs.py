"""The caller's task_log: written in batches, read from the end."""

import itertools
import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec
from msgspec import Struct

from common.store.database import Database, Row
from common.store.tasks import TaskKey
from common.store.texts import clean


class LogLine(Struct, frozen=True):
    """One line; `logger` is the connector's package for its own lines, else `jitsu` (contract.md D)."""

    level: str
    logger: str
    message: str
    timestamp: datetime


class _Stored(Struct, frozen=True):
    id: str
    level: str
    logger: str
    message: str
    timestamp: datetime


_process = secrets.randbits(12)
_count = itertools.count(2 << 62 | secrets.randbits(60))


def _ids(lines: Iterable[LogLine]) -> Iterator[str]:
    """UUIDs of version 7 that also sort lines of one millisecond in the order they came."""
    for at, together in itertools.groupby(line.timestamp for line in lines):
        milliseconds = int(at.timestamp() * 1000) & (1 << 48) - 1
        for _ in together:
            yield f"{milliseconds:012x}7{_process:03x}{next(_count):016x}"


def add(db: Database, task: TaskKey, lines: list[LogLine]) -> None:
    """Writes a batch of lines in one statement."""
    stored = [
        _Stored(id_, line.level, clean(line.logger), clean(line.message), line.timestamp)
        for id_, line in zip(_ids(lines), lines, strict=True)
    ]
    document = msgspec.json.encode(stored).decode()
    db.run("add_logs", lines=document, sync_id=task.sync_id, task_id=task.task_id)


def last(db: Database, sync_id: str, task_id: str, limit: int) -> list[Row]:
    """The last lines of a task, oldest first."""
    return db.run("last_logs", task_id=task_id, sync_id=sync_id, limit=limit)[::-1]
