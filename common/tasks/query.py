"""What `GET /tasks` and `GET /tasks/<taskId>` answer."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, structs

from common import VERSION
from common.errors import BadRequest, NotFound
from common.request import Tagged
from common.settings import Settings
from common.store import Database, sweeps, task_list, task_log
from common.store.encoding import stamp
from common.store.sweeps import LastSweep
from common.store.task_list import TaskDetails, TaskFilter
from common.store.task_log import Position
from common.tasks.requests import LOG_LINES, TaskQuery

_CURSOR = re.compile("([0-9]{1,16})~(.+)")
"""Microseconds and taskId of a page's last task; 16 digits reach to the year 2286."""
_LOG_CURSOR = re.compile("([0-9]{1,16})~([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
UNKNOWN = "No task has this taskId; GET /tasks lists them."
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def list_tasks(settings: Settings, query: TaskQuery, known: str = "") -> Tagged:
    """Return the newest tasks that match, and the cursor of the next page (null at the end).

    Nothing of them is read if the caller has what this would be: if its tag is `known`.
    """
    before_time, before_id = _position(query.cursor) if query.cursor else (None, "")
    wanted = TaskFilter(
        query.sync_id, query.status, query.command, query.package, query.started_by, query.begin, query.end,
        before_time, before_id,
    )  # fmt: skip

    def read(db: Database) -> Tagged:
        last = sweeps.oldest(db)
        swept = tag_of(last and last.swept_at)
        page = task_list.newest(db, query.limit, wanted, known=known.removesuffix(swept))
        tag = page.tag + swept
        return Tagged(tag, {} if tag == known or page.tasks is None else _list(page.tasks, more=page.more, last=last))

    with Database(settings.require_database_url(), settings.database_schema) as db:
        return db.transact(read)


def _list(tasks: list[TaskDetails], *, more: bool, last: LastSweep | None) -> dict[str, Any]:
    sweep = last and wire(last) | {"ageSeconds": round(last.age_seconds, 1), "seconds": round(last.seconds, 3)}
    following = cursor(tasks[-1].created_at, tasks[-1].task_id) if more else None
    return {"ok": True, "tasks": [wire(task) for task in tasks], "next": following, "lastSweep": sweep}


def get_task(
    settings: Settings, task_id: str, log_lines: int = LOG_LINES, logs_before: str = "", known: str = ""
) -> Tagged:
    """Return one task with its result, its last log lines, and the cursor of those before; raise NotFound.

    Nothing of it is read if the caller has what this would be: if its tag is `known`.
    """
    before = log_position("logsBefore", logs_before) if logs_before else None

    def read(db: Database) -> Tagged:
        if (found := task_list.tag(db, task_id, log_lines, before)) is None:
            raise NotFound(UNKNOWN)
        tag = found + tag_of()
        return Tagged(tag, {} if tag == known else _task(db, task_id, log_lines, before))

    with Database(settings.require_database_url(), settings.database_schema) as db:
        return db.transact(read)


def _task(db: Database, task_id: str, log_lines: int, before: Position | None) -> dict[str, Any]:
    # The version first: if the task changes in between, the next request that waits is answered at once.
    seen = task_list.versions(db, [task_id]).get(task_id)
    task = task_list.find(db, task_id) if seen else None
    if seen is None or task is None:
        raise NotFound(UNKNOWN)
    page = task_log.before(db, task.details.sync_id, task_id, log_lines, before)
    stored = {"result": _raw(task.result), "schemaChanges": _raw(task.schema_changes), "run": _raw(task.wanted)}
    stored["rates"] = _raw(task.rates)
    older = cursor(*page.first) if page.first and page.more else None
    logs = {"logs": [wire(line) for line in page.lines], "logsBefore": older}
    return {"ok": True, "task": wire(task.details) | stored | logs, "revision": seen.revision}


def _raw(text: str | None) -> msgspec.Raw | None:
    return msgspec.Raw(text.encode()) if text else None


def tag_of(*shown: object) -> str:
    """Return what tells an answer that shows this, as this version makes it, from others."""
    return hashlib.sha256(repr((VERSION, *shown)).encode()).hexdigest()[:16]


def wire(row: Struct) -> Any:
    """The row under its wire names; times are RFC 3339 in UTC, with milliseconds."""
    values = zip(row.__struct_encode_fields__, structs.astuple(row), strict=True)
    return {name: stamp(value) if isinstance(value, datetime) else value for name, value in values}


def cursor(time: datetime, name: str) -> str:
    """Return the cursor of a task or a line, by its time and its id."""
    # In whole numbers: a float's microsecond may be the one before, and a line of it would get lost.
    return f"{(time - _EPOCH) // _MICROSECOND}~{name}"


def _position(cursor: str) -> tuple[datetime, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadRequest("cursor: expected the `next` of an earlier answer.")
    return _EPOCH + int(found[1]) * _MICROSECOND, found[2]


def log_position(name: str, text: str) -> Position:
    """Return the position that a cursor of a log names. Raise BadRequest, by the parameter's name, for other texts."""
    found = _LOG_CURSOR.fullmatch(text)
    if found is None:
        raise BadRequest(f"{name}: expected the `logsBefore`, `before` or `after` of an earlier answer.")
    return _EPOCH + int(found[1]) * _MICROSECOND, found[2]
