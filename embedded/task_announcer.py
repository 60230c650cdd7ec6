"""A log line for every task that begins or ends, for the terminal of `syncctl serve`."""

import logging

from common.settings import Settings
from common.store import Database, TaskState, task_list
from common.store.task_list import TaskDetails

_NEWEST = 100
"""Tasks that are looked at; of more than so many within a second, some are not announced."""
_ALL_BYTES = 2**31 - 1
"""A task that a cut page leaves out would be announced again."""

_log = logging.getLogger(__name__)


class TaskAnnouncer:
    """Announces changes since its first look; used by one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, TaskState] | None = None

    def look(self) -> None:
        """Announce what is new since the last look; raise SyncError if the tasks cannot be read."""
        with Database(self._settings.require_database_url(), self._settings.database_schema) as db:
            tasks = db.transact(lambda db: task_list.newest(db, _NEWEST, page_bytes=_ALL_BYTES)).tasks or []
        if self._known is not None:
            for task in reversed(tasks):
                _announce(task, self._known.get(task.task_id))
        self._known = {task.task_id: task.state for task in tasks}


def _announce(task: TaskDetails, before: TaskState | None) -> None:
    joint = "@" if ":" in task.version else ":"
    what = f"{task.command} {task.package}{joint}{task.version}"
    ids = {"task_id": task.task_id} | ({"sync_id": task.sync_id} if task.sync_id else {})
    if before is None:
        _log.info("%s began.", what, extra=ids)
    if task.state.final and (before is None or not before.final):
        why = f": {' '.join(task.reason.split())}" if task.reason else "."
        _log.info("%s ended %s%s", what, task.state, why, extra=ids)
