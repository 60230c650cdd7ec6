"""What `GET /tasks` and `GET /tasks/<taskId>` tell."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from common.errors import BadRequest, NotFound
from common.settings import Settings
from common.store import Database, task_log
from common.store.database import Row
from common.tasks.requests import LOG_LINES, TaskQuery

_CURSOR = re.compile("([0-9]{1,16})~(.+)")
"""Microseconds and taskId of a page's last task; 16 digits reach to the year 2286."""


def list_tasks(settings: Settings, query: TaskQuery) -> dict[str, Any]:
    """The newest tasks that match, and the cursor of the next page (null at the end)."""
    before, task_id = _position(query.cursor) if query.cursor else (None, "")
    with Database(settings.require_database_url()) as db:
        rows, sweep = db.transact(
            lambda db: (
                db.run(
                    "list_tasks", sync_id=query.sync_id, state=query.status, command=query.command,
                    before_time=before, before_id=task_id, limit=query.limit + 1,
                ),
                db.run("oldest_sweep"),
            )
        )  # fmt: skip
    page = rows[: query.limit]
    more = len(rows) > query.limit
    cursor = f"{_microseconds(page[-1]['created_at'])}~{page[-1]['task_id']}" if more else None
    last = _sweep(sweep[0]) if sweep and sweep[0]["swept_at"] else None
    return {"ok": True, "tasks": [_task(row) for row in page], "next": cursor, "lastSweep": last}


def get_task(settings: Settings, task_id: str, log_lines: int = LOG_LINES) -> dict[str, Any]:
    """One task with its result and last log lines; raises NotFound."""
    with Database(settings.require_database_url()) as db:
        rows, lines = db.transact(lambda db: _find(db, task_id, log_lines))
    if not rows:
        raise NotFound("There is no task with this taskId; GET /tasks lists them.")
    task = _task(rows[0])
    # As it was stored: a decoder would round its numbers, and refuse some.
    task["result"] = msgspec.Raw(rows[0]["result"].encode()) if rows[0]["result"] else None
    task["logs"] = [line | {"timestamp": _stamp(line["timestamp"])} for line in lines]
    return {"ok": True, "task": task}


def _find(db: Database, task_id: str, log_lines: int) -> tuple[list[Row], list[Row]]:
    rows = db.run("get_task", task_id=task_id)
    return rows, task_log.last(db, rows[0]["sync_id"], task_id, log_lines) if rows else []


def _task(row: Row) -> dict[str, Any]:
    return {
        "taskId": row["task_id"],
        "command": row["command"],
        "syncId": row["sync_id"],
        "storageKey": row["storage_key"],
        "package": row["package"],
        "version": row["version"],
        "state": row["state"],
        "reason": row["reason"],
        "createdAt": _stamp(row["created_at"]),
        "startedAt": _stamp(row["started_at"]),
        "updatedAt": _stamp(row["updated_at"]),
        "finishedAt": _stamp(row["finished_at"]),
        "startedBy": row["started_by"],
        "streams": msgspec.json.decode(row["streams"]),
        "failure": msgspec.json.decode(row["failure"]) if row["failure"] else None,
        "attempt": row["attempt"],
        "attempts": msgspec.json.decode(row["attempts"]),
        "dataPlane": row["data_plane"],
    }


def _sweep(row: Row) -> dict[str, Any]:
    """When everything was last looked at, and what that came to: an old one means that nobody sweeps."""
    names = ("pods", "active", "concluded", "deleted", "unreadable")
    return {
        "at": _stamp(row["swept_at"]),
        "ageSeconds": round(row["age_seconds"], 1),
        "seconds": round(row["seconds"], 3),
        **{name: row[name] for name in names},
        "orphanedRows": row["orphaned_rows"],
        "dataPlane": row["data_plane"],
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
