"""Log lines and progress to Postgres, in batches, by a thread of its own: rows never wait for a log line."""

import http.client
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from common.errors import SyncError
from common.store import Database, TaskKey, logs, tasks
from common.store.logs import LogLine
from sidecar.masks import Masks
from sidecar.settings import Settings

OURS = "jitsu"
"""The logger name of the sidecar's own lines, as callers know it (docs/contract.md D)."""
_HOLD_LINES = 20_000
_BATCH_LINES = 1000
_MESSAGE_CHARACTERS = 32_000
_PAUSE_SECONDS = 0.5
_PROGRESS_SECONDS = 3.0
_POST_SECONDS, _POST_PAUSE_SECONDS = 2.0, 30.0

_log = logging.getLogger(__name__)


class Journal(threading.Thread):
    """Takes lines without ever blocking; writes them every half second. At most 20,000 wait (the oldest go)."""

    def __init__(self, settings: Settings, masks: Masks, progress: Callable[[], dict[str, Any] | None]) -> None:
        super().__init__(name="journal", daemon=True)
        self._settings = settings
        self._task: TaskKey = settings.task
        self._masks = masks
        self._progress = progress
        self._lines: deque[LogLine] = deque(maxlen=_HOLD_LINES)
        self._dropped = 0
        self._over = threading.Event()
        self._post = _Post(settings) if settings.bulker_logs_connection_id else None
        self.ours = True
        """Whether the syncctl_ tables exist: another controller's database may not have them."""

    def log(self, level: str, message: str, logger: str = OURS) -> None:
        """One line, masked; level as callers know them: INFO, WARN, ERROR, DEBUG, FATAL, TRACE, ERRSTD."""
        if len(message) > _MESSAGE_CHARACTERS:
            message = f"{message[:_MESSAGE_CHARACTERS]} ... ({len(message):,} characters)"
        message = self._masks.hide(message)
        print(f"{level} : {message}", flush=False)  # noqa: T201 - the container's own log
        self._dropped += len(self._lines) == _HOLD_LINES
        self._lines.append(LogLine(level, logger, message, datetime.now(UTC)))

    def run(self) -> None:
        """Until `close`: lines as they come, progress every few seconds."""
        with Database(self._settings.database_url, make_tables=False) as db:
            told = 0.0
            while not self._over.wait(_PAUSE_SECONDS):
                sys.stdout.flush()
                self._write(db)
                if time.monotonic() - told >= _PROGRESS_SECONDS:
                    self._tell(db)
                    told = time.monotonic()
            deadline = time.monotonic() + self._settings.grace_seconds / 2
            while self._lines and not self._write(db) and time.monotonic() < deadline:
                time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Writes what is left; returns when it is written, or after half the grace period."""
        self._over.set()
        self.join(self._settings.grace_seconds)
        sys.stdout.flush()

    def _write(self, db: Database) -> bool:
        """One try; lines stay where Postgres is away. False if any is left."""
        while self._lines:
            batch = [self._lines[at] for at in range(min(len(self._lines), _BATCH_LINES))]
            try:
                db.transact(lambda db: logs.add(db, self._task, batch))  # noqa: B023 - called at once
            except SyncError as error:
                _log.warning("Log lines could not be written yet: %s", error)
                return False
            if self._post:
                self._post.send(batch, self._task)
            for _ in batch:
                self._lines.popleft()
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self.log("WARN", f"{dropped} log lines were dropped: Postgres was away for too long.")
        return True

    def _tell(self, db: Database) -> None:
        try:
            streams = self._progress()
            db.transact(lambda db: tasks.progress(db, self._task, streams, ours=self.ours))
        except SyncError as error:
            _log.warning("Progress could not be written yet: %s", error)


class _Post:
    """Log lines to Bulker's /post too, where the deployment wants it. Best effort: it never holds anything up."""

    def __init__(self, settings: Settings) -> None:
        self._parts = urlsplit(settings.bulker_url)
        self._token = settings.bulker_auth_token
        self._path = (
            f"{self._parts.path.rstrip('/')}/post/{quote(settings.bulker_logs_connection_id, safe='')}"
            "?tableName=task_log"
        )
        self._not_before = 0.0

    def send(self, lines: list[LogLine], task: TaskKey) -> None:
        if time.monotonic() < self._not_before:
            return
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=_POST_SECONDS)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            for line in lines:
                event = msgspec.structs.asdict(line) | {"sync_id": task.sync_id, "task_id": task.task_id}
                connection.request("POST", self._path, msgspec.json.encode(event), headers)
                connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            self._not_before = time.monotonic() + _POST_PAUSE_SECONDS
            _log.warning("Log lines could not be posted to Bulker: %s", type(error).__name__)
        finally:
            connection.close()
