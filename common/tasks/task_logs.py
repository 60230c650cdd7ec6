"""What `GET /tasks/<taskId>/logs` answers: pages of JSON in both directions, or the log as a text."""

from collections.abc import Iterator
from typing import Any

from common import logs
from common.errors import BadRequest, NotFound
from common.request import Tagged, Text
from common.settings import Settings
from common.store import Database, task_log, tasks
from common.store.task_log import LogFilter, LogLine, LogPage, Position
from common.store.tasks import StoredTask
from common.tasks.query import UNKNOWN, cursor, log_position, tag_of, wire
from common.tasks.requests import LogQuery

START, END = "start", "end"
_TEXT_LINES = 10_000
"""Lines that are in memory at a time while a text is sent."""


def page(settings: Settings, query: LogQuery, known: str = "") -> Tagged:
    """Return lines, oldest first, and the cursors of those before and after them; raise NotFound.

    `more` tells whether there are more in the direction that was asked for. The payload is empty if its tag is `known`.
    """
    task, found = _read(settings, query, _position(query), query.limit)
    first, last = (at and cursor(*at) for at in (found.first, found.last))
    around = {"before": first or query.before or END, "after": last or query.after or START, "more": found.more}
    tag = tag_of(task.state, len(found.lines), *around.values())
    about: dict[str, Any] = {"ok": True, "taskId": query.task_id, "state": task.state}
    return Tagged(tag, {} if tag == known else about | {"logs": [wire(line) for line in found.lines]} | around)


def text(settings: Settings, query: LogQuery) -> Text:
    """Return the lines after a position, or all, as a text: a line each, whatever they hold; raise NotFound.

    The first part is read at once: what is wrong with the request or with Postgres is an answer of its own.
    """
    _, first = _read(settings, query, _position(query), min(query.limit or _TEXT_LINES, _TEXT_LINES))

    def parts() -> Iterator[str]:
        found, sent = first, len(first.lines)
        yield "".join(map(_line, found.lines))
        while found.more and (not query.limit or sent < query.limit):
            # Each page has a connection of its own: a slow reader keeps none open.
            _, found = _read(settings, query, found.last, min((query.limit or sent + _TEXT_LINES) - sent, _TEXT_LINES))
            sent += len(found.lines)
            yield "".join(map(_line, found.lines))

    return Text(parts())


def _read(settings: Settings, query: LogQuery, at: Position | None, limit: int) -> tuple[StoredTask, LogPage]:
    wanted = LogFilter(query.hidden, query.text, query.since)
    read = task_log.before if query.before else task_log.after

    def work(db: Database) -> tuple[StoredTask, LogPage]:
        # The row first: of a task that has ended then, these lines are all there is, but for what comes a moment late.
        if (task := tasks.find(db, query.task_id)) is None:
            raise NotFound(UNKNOWN)
        return task, read(db, task.task.sync_id, query.task_id, limit, at, wanted)

    with Database(settings.require_database_url(), settings.database_schema) as db:
        return db.transact(work)


def _position(query: LogQuery) -> Position | None:
    """Return where a page begins; None at the end that its direction comes from."""
    name, given, end = ("before", query.before, END) if query.before else ("after", query.after, START)
    if given in {"", end}:
        return None
    if given in {START, END}:
        raise BadRequest(f"{name}: expected {end}, or the `before` or `after` of an earlier answer.")
    return log_position(name, given)


def _line(line: LogLine) -> str:
    shown = wire(line)
    return logs.one_line(f"{shown['timestamp']} {line.level:<6} {line.logger}  {line.message}") + "\n"
