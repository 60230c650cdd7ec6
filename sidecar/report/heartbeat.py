"""Write a task's progress every few seconds, and notice that the task is concluded elsewhere."""

import logging
import time
from collections.abc import Callable
from typing import Any

from common.errors import SyncError
from common.store import Database, Task, tasks

_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Heartbeat:
    """Call `beat` often, from one thread; it never raises.

    `progress` returns the streams' accounts, None for a command without streams. `on_superseded` is called once the
    task, or this attempt of it, is concluded already.
    """

    def __init__(
        self, task: Task, progress: Callable[[], dict[str, Any] | None], on_superseded: Callable[[], None]
    ) -> None:
        self.own_tables = True
        """Whether the syncctl_ tables exist: another controller's database may not have them."""
        self._task, self._progress, self._on_superseded = task, progress, on_superseded
        self._next = 0.0

    def beat(self, db: Database) -> None:
        """Write the progress if it is due."""
        if time.monotonic() < self._next:
            return
        try:
            self._write(db)
        except SyncError as error:
            _log.warning("Progress could not be written yet: %s", error)
        except Exception:  # noqa: BLE001 - whatever it is, the thread has logs to write
            _log.exception("Writing progress failed.")
        self._next = time.monotonic() + _SECONDS

    def _write(self, db: Database) -> None:
        streams = self._progress()
        if not db.transact(lambda db: tasks.progress(db, self._task, streams, ours=self.own_tables)):
            self._on_superseded()
