"""What `GET /tasks` and `GET /tasks/<taskId>` answer."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, structs

from common.errors import BadRequest, NotFound
from common.settings import Settings
from common.store import Database, sweeps, task_list, task_log
from common.store.task_list import TaskDetails
from common.store.task_log import LogPage, Position
from common.tasks.requests import LOG_LINES, TaskQuery

_CURSOR = re.compile("([0-9]{1,16})~(.+)")
"""Microseconds and taskId of a page's last task; 16 digits reach to the year 2286."""
_LOG_CURSOR = re.compile("([0-9]{1,16})~([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def list_tasks(settings: Settings, query: TaskQuery) -> dict[str, Any]:
    """Return the newest tasks that match, and the cursor of the next page (null at the end)."""
    before, before_id = _position(query.cursor) if query.cursor else (None, "")
    filters: dict[str, Any] = {"sync_id": query.sync_id, "state": query.status, "command": query.command}
    position: dict[str, Any] = {"before_time": before, "before_id": before_id}
    with Database(settings.require_database_url(), settings.database_schema) as db:
        page, last = db.transact(
            lambda db: (task_list.newest(db, query.limit, **filters, **position), sweeps.oldest(db))
        )
    cursor = _cursor(page.tasks[-1].created_at, page.tasks[-1].task_id) if page.more else None
    sweep = last and _wire(last) | {"ageSeconds": round(last.age_seconds, 1), "seconds": round(last.seconds, 3)}
    return {"ok": True, "tasks": [_wire(task) for task in page.tasks], "next": cursor, "lastSweep": sweep}


def get_task(settings: Settings, task_id: str, log_lines: int = LOG_LINES, logs_before: str = "") -> dict[str, Any]:
    """Return one task with its result, its last log lines, and the cursor of those before; raise NotFound."""
    before = _log_position(logs_before) if logs_before else None
    with Database(settings.require_database_url(), settings.database_schema) as db:
        task, result, page = db.transact(lambda db: _find(db, task_id, log_lines, before))
    raw = msgspec.Raw(result.encode()) if result else None
    cursor = _cursor(*page.before) if page.before else None
    logs = {"logs": [_wire(line) for line in page.lines], "logsBefore": cursor}
    return {"ok": True, "task": _wire(task) | {"result": raw, **logs}}


def _find(
    db: Database, task_id: str, log_lines: int, before: Position | None
) -> tuple[TaskDetails, str | None, LogPage]:
    found = task_list.find(db, task_id)
    if found is None:
        raise NotFound("There is no task with this taskId; GET /tasks lists them.")
    return *found, task_log.last(db, found[0].sync_id, task_id, log_lines, before)


def _wire(row: Struct) -> dict[str, Any]:
    """The row under its wire names; times are RFC 3339 in UTC, with milliseconds."""
    values = zip(row.__struct_encode_fields__, structs.astuple(row), strict=True)
    return {name: _stamp(value) if isinstance(value, datetime) else value for name, value in values}


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cursor(time: datetime, name: str) -> str:
    # In whole numbers: a float's microsecond may be the one before, and a line of it would get lost.
    return f"{(time - _EPOCH) // _MICROSECOND}~{name}"


def _position(cursor: str) -> tuple[datetime, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadRequest("cursor: expected the `next` of an earlier answer.")
    return _EPOCH + int(found[1]) * _MICROSECOND, found[2]


def _log_position(cursor: str) -> Position:
    found = _LOG_CURSOR.fullmatch(cursor)
    if found is None:
        raise BadRequest("logsBefore: expected the `logsBefore` of an earlier answer.")
    return _EPOCH + int(found[1]) * _MICROSECOND, found[2]
