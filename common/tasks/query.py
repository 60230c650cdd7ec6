"""What `GET /tasks` and `GET /tasks/<taskId>` answer."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import structs

from common.errors import BadRequest, NotFound
from common.settings import Settings
from common.store import Database, sweeps, task_list, task_log
from common.store.sweeps import LastSweep
from common.store.task_list import TaskDetails
from common.store.task_log import LogLine
from common.tasks.requests import LOG_LINES, TaskQuery

_CURSOR = re.compile("([0-9]{1,16})~(.+)")
"""Microseconds and taskId of a page's last task; 16 digits reach to the year 2286."""


def list_tasks(settings: Settings, query: TaskQuery) -> dict[str, Any]:
    """Return the newest tasks that match, and the cursor of the next page (null at the end)."""
    before, before_id = _position(query.cursor) if query.cursor else (None, "")
    wanted = {"sync_id": query.sync_id, "state": query.status, "command": query.command, "before_id": before_id}
    with Database(settings.require_database_url()) as db:
        found, last = db.transact(
            lambda db: (task_list.newest(db, query.limit + 1, before_time=before, **wanted), sweeps.oldest(db))
        )
    page = found[: query.limit]
    cursor = f"{_microseconds(page[-1].created_at)}~{page[-1].task_id}" if len(found) > query.limit else None
    tasks = [_task(task) for task in page]
    return {"ok": True, "tasks": tasks, "next": cursor, "lastSweep": None if last is None else _sweep(last)}


def get_task(settings: Settings, task_id: str, log_lines: int = LOG_LINES) -> dict[str, Any]:
    """Return one task with its result and last log lines; raise NotFound."""
    with Database(settings.require_database_url()) as db:
        found, lines = db.transact(lambda db: _find(db, task_id, log_lines))
    shown = _task(found)
    shown["result"] = msgspec.Raw(found.result.encode()) if found.result else None
    shown["logs"] = [structs.asdict(line) | {"timestamp": _stamp(line.timestamp)} for line in lines]
    return {"ok": True, "task": shown}


def _find(db: Database, task_id: str, log_lines: int) -> tuple[TaskDetails, list[LogLine]]:
    found = task_list.find(db, task_id)
    if found is None:
        raise NotFound("There is no task with this taskId; GET /tasks lists them.")
    return found, task_log.last(db, found.sync_id, task_id, log_lines)


def _task(task: TaskDetails) -> dict[str, Any]:
    return {
        "taskId": task.task_id,
        "command": task.command,
        "syncId": task.sync_id,
        "storageKey": task.storage_key,
        "package": task.package,
        "version": task.version,
        "state": task.state,
        "reason": task.reason,
        "createdAt": _stamp(task.created_at),
        "startedAt": _stamp(task.started_at),
        "updatedAt": _stamp(task.updated_at),
        "finishedAt": _stamp(task.finished_at),
        "startedBy": task.started_by,
        "streams": task.streams,
        "failure": task.failure,
        "attempt": task.attempt,
        "attempts": task.attempts,
        "dataPlane": task.data_plane,
    }


def _sweep(last: LastSweep) -> dict[str, Any]:
    """When everything was last looked at, and what that came to: an old one means that nobody sweeps."""
    return {
        "at": _stamp(last.swept_at),
        "ageSeconds": round(last.age_seconds, 1),
        "seconds": round(last.seconds, 3),
        "pods": last.pods,
        "active": last.active,
        "concluded": last.concluded,
        "deleted": last.deleted,
        "unreadable": last.unreadable,
        "orphanedRows": last.orphaned_rows,
        "dataPlane": last.data_plane,
    }


def _stamp(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)


def _position(cursor: str) -> tuple[datetime, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadRequest("cursor: expected the `next` of an earlier answer.")
    return datetime.fromtimestamp(int(found[1]) / 1_000_000, UTC), found[2]
