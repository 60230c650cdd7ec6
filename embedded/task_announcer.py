"""A line for every task that begins, and for every one that ends: what the terminal of `syncctl serve` tells."""

import logging
from typing import Any

from common.settings import Settings
from common.store import TaskState
from common.tasks.query import list_tasks
from common.tasks.requests import TaskQuery

_NEWEST = 100
"""Tasks that are looked at: of more than so many within a second, some go untold."""

_log = logging.getLogger(__name__)


class TaskAnnouncer:
    """Used by one thread. What had ended before its first look is no news."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, TaskState] | None = None

    def look(self) -> None:
        """Tells what is new since the last look; raises SyncError where the tasks cannot be read."""
        tasks = list_tasks(self._settings, TaskQuery(limit=_NEWEST))["tasks"]
        if self._known is not None:
            for task in reversed(tasks):
                _tell(task, self._known.get(task["taskId"]))
        self._known = {task["taskId"]: TaskState(task["state"]) for task in tasks}


def _tell(task: dict[str, Any], before: TaskState | None) -> None:
    state = TaskState(task["state"])
    joint = "@" if ":" in task["version"] else ":"
    what = f"{task['command']} {task['package']}{joint}{task['version']}"
    if before is None:
        _log.info("%s began.", what, extra=_ids(task))
    if state.final and (before is None or not before.final):
        why = f": {' '.join(task['reason'].split())}" if task["reason"] else "."
        _log.info("%s ended %s%s", what, state, why, extra=_ids(task))


def _ids(task: dict[str, Any]) -> dict[str, str]:
    return {"task_id": task["taskId"]} | ({"sync_id": task["syncId"]} if task["syncId"] else {})
