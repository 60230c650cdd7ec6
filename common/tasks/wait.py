"""Hold an answer until its task has changed: `GET /tasks/<taskId>?wait=`.

A request that waits keeps a thread of the function, and no connection: one more thread looks for all of them, by one
statement. So that other requests find threads, only a few may wait in a process. The others are answered at once, and
their callers ask again later, as those do that do not know of `wait`.
"""

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from common.errors import SyncError
from common.store import Database, task_list
from common.store.encoding import stamp
from common.store.task_list import Version
from common.tasks.requests import WaitQuery

if TYPE_CHECKING:
    from common.settings import Settings

MOST_WAITERS = 6
"""In a process; tests compare it with what knative/functions/tasks.yaml lets in at a time."""
_LEAST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.03, 0.25
_SHARE = 10

_log = logging.getLogger(__name__)


class _Look(Struct, frozen=True):
    """What a look found of the tasks that somebody waited for as it began; None: Postgres did not answer."""

    number: int
    versions: dict[str, Version] | None


class Watch:
    """Looks at one database for those who wait, as long as there are some."""

    def __init__(self, url: str, schema: str) -> None:
        self._url, self._schema = url, schema
        self._changed = threading.Condition()
        self._waiting: Counter[str] = Counter()
        self._begun = self._released = 0
        self._last = _Look(0, {})
        self._looks = self._hurries = False
        self._since = 0.0
        """When the newest of those who wait came."""

    def wait(self, task_id: str, query: WaitQuery) -> None:
        """Return once the task is another than `since`, or than now if that is ""; at the latest after `seconds`.

        At once if it is over or unknown, if Postgres does not answer, or if too many wait already.
        """
        with self._changed:
            if self._waiting.total() >= MOST_WAITERS:
                return
            self._waiting[task_id] += 1
            try:
                self._until_changed(task_id, query)
            finally:
                self._waiting[task_id] -= 1

    def release(self) -> None:
        """Let everybody go who waits now."""
        with self._changed:
            self._released += 1
            self._changed.notify_all()

    def _until_changed(self, task_id: str, query: WaitQuery) -> None:
        first, released, since = self._begun + 1, self._released, query.since
        self._since = time.monotonic()
        deadline = self._since + query.seconds
        self._hurries = True
        if not self._looks:
            self._looks = True
            threading.Thread(target=self._look, name="watch", daemon=True).start()
        self._changed.notify_all()
        while released == self._released and (left := deadline - time.monotonic()) > 0:
            if self._last.number >= first:
                version = (self._last.versions or {}).get(task_id)
                if version is None or version.over or (since and not _is_of(since, version)):
                    return
                since = since or version.revision
            self._changed.wait(left)

    def _look(self) -> None:
        try:
            with Database(self._url, self._schema) as db:
                while wanted := self._next():
                    found = self._versions(db, wanted)
                    with self._changed:
                        self._last = _Look(self._begun, found)
                        self._changed.notify_all()
        except Exception:  # noqa: BLE001 - whatever it is, who waits gets an answer
            _log.exception("Looking for changed tasks failed.", extra={"action": "tasks"})
            with self._changed:
                self._looks = False
                self.release()

    def _next(self) -> list[str]:
        """Return whose turn it is to be looked at, after a pause, or at once for who has just come; [] ends it."""
        with self._changed:
            self._changed.wait_for(lambda: self._hurries, pause(time.monotonic() - self._since))
            self._hurries = False
            self._waiting = +self._waiting
            self._looks = bool(self._waiting)
            self._begun += 1
            return list(self._waiting)

    def _versions(self, db: Database, task_ids: list[str]) -> dict[str, Version] | None:
        try:
            return db.transact(lambda db: task_list.versions(db, task_ids))
        except SyncError:
            return None  # the answer will say so


def pause(waited: float) -> float:
    """Return the seconds between two looks, a tenth of what was waited: short tasks are not made longer by them."""
    return min(max(waited / _SHARE, _LEAST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)


def _is_of(since: str, version: Version) -> bool:
    return since in {version.revision, stamp(version.updated_at)}


_watches: dict[tuple[str, str], Watch] = {}
_watches_lock = threading.Lock()


def until_changed(settings: "Settings", task_id: str, query: WaitQuery) -> None:
    """Return when it is time to answer (`Watch.wait`)."""
    key = (settings.require_database_url(), settings.database_schema)
    with _watches_lock:
        watch = _watches.setdefault(key, Watch(*key))
    watch.wait(task_id, query)


def release() -> None:
    """Let everybody go who waits, since the server is about to stop."""
    with _watches_lock:
        watches = list(_watches.values())
    for watch in watches:
        watch.release()
