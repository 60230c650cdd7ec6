"""The caller's task_log: written in batches, read from the end."""

import itertools
import secrets
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from common.store.database import Database, Row
from common.store.tasks import TaskKey, clean


class LogLine(Struct, frozen=True):
    """One line; `logger` is the connector's package for its own lines, else `jitsu` (contract.md D)."""

    level: str
    logger: str
    message: str
    timestamp: datetime


_process = secrets.randbits(12)
_count = itertools.count(secrets.randbits(60))


def _id(at: datetime) -> str:
    """A UUID of version 7 that also sorts lines of one millisecond in the order they came."""
    milliseconds = int(at.timestamp() * 1000) & (1 << 48) - 1
    return str(UUID(int=milliseconds << 80 | 7 << 76 | _process << 64 | 2 << 62 | next(_count) & (1 << 62) - 1))


def add(db: Database, task: TaskKey, lines: list[LogLine]) -> None:
    """Writes a batch of lines in one statement."""
    count = len(lines)
    db.run(
        "add_logs", ids=[_id(line.timestamp) for line in lines], levels=[line.level for line in lines],
        loggers=[clean(line.logger) for line in lines], messages=[clean(line.message) for line in lines],
        sync_ids=[task.sync_id] * count, task_ids=[task.task_id] * count,
        timestamps=[line.timestamp for line in lines],
    )  # fmt: skip


def last(db: Database, sync_id: str, task_id: str, limit: int) -> list[Row]:
    """The last lines of a task, oldest first."""
    return db.run("last_logs", task_id=task_id, sync_id=sync_id, limit=limit)[::-1]
