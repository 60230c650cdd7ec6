"""Log lines and progress to Postgres, in batches, by a thread of its own: rows never wait for a log line."""

import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from common.errors import SyncError
from common.store import Database, StoreError, TaskKey, logs, tasks
from common.store.logs import LogLine
from sidecar.masks import Masks
from sidecar.post import Post
from sidecar.settings import Settings

OURS = "jitsu"
"""The logger name of the sidecar's own lines, as callers know it (docs/contract.md D)."""
_HOLD_LINES, _HOLD_CHARACTERS = 20_000, 8_000_000
_BATCH_LINES, _BATCH_CHARACTERS = 1000, 1_000_000
_MESSAGE_CHARACTERS = 32_000
_PAUSE_SECONDS = 0.5
_FLUSH_PAUSE_SECONDS = 0.01
_PROGRESS_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Journal(threading.Thread):
    """Takes lines without ever blocking; writes them every half second. At most 20,000 wait (the oldest go)."""

    def __init__(self, settings: Settings, masks: Masks, progress: Callable[[], dict[str, Any] | None]) -> None:
        super().__init__(name="journal", daemon=True)
        self._settings = settings
        self._task: TaskKey = settings.task
        self._masks = masks
        self._progress = progress
        self._lock = threading.Lock()
        self._lines: deque[LogLine] = deque()
        self._held = 0
        self._dropped = 0
        self._batch: list[LogLine] = []
        self._told: LogLine | None = None
        self._wake = threading.Event()
        self._over = False
        self._deadline = 0.0
        self._post = Post(settings) if settings.bulker_logs_connection_id and settings.bulker_url else None
        self.on_over: Callable[[], None] = lambda: None
        """Called where the task, or this attempt of it, is concluded already."""
        self.ours = True
        """Whether the syncctl_ tables exist: another controller's database may not have them."""

    def hide(self, text: str) -> str:
        """The text without the configuration's secrets."""
        return self._masks.hide(text)

    def log(self, level: str, message: str, logger: str = OURS) -> None:
        """One line, masked; level as callers know them: INFO, WARN, ERROR, DEBUG, FATAL, TRACE, ERRSTD."""
        self.log_all([level], [message], logger)

    def log_all(self, levels: list[str], messages: list[str], logger: str) -> list[str]:
        """Lines that came together; returns their messages as masked."""
        masked = self._masks.hide_all(messages)
        # Masked before it is cut: half a secret would not be found.
        cut = [text if len(text) <= _MESSAGE_CHARACTERS else _cut(text) for text in masked]
        with contextlib.suppress(OSError):
            said = [f"{level} : {message}" for level, message in zip(levels, cut, strict=True)]
            print("\n".join(said), flush=False)  # noqa: T201 - the container's own log
        now = datetime.now(UTC)
        lines = [LogLine(level, logger, message, now) for level, message in zip(levels, cut, strict=True)]
        with self._lock:
            self._lines += lines
            self._held += sum(map(len, cut))
            while len(self._lines) > _HOLD_LINES or self._held > _HOLD_CHARACTERS:
                self._held -= len(self._lines.popleft().message)
                self._dropped += 1
        return masked

    def run(self) -> None:
        """Until `close`: lines as they come, progress every few seconds."""
        if self._post:
            self._post.start()
        with Database(self._settings.database_url, make_tables=False) as db:
            told = 0.0
            while not self._over:
                self._wake.wait(_PAUSE_SECONDS)
                self._wake.clear()
                self._safely(self._write, db)
                if time.monotonic() - told >= _PROGRESS_SECONDS:
                    self._safely(self._tell, db)
                    told = time.monotonic()
            while not self._safely(self._write, db) and time.monotonic() < self._deadline:
                time.sleep(_PAUSE_SECONDS)
        if self._post:
            self._post.close()

    def flush(self, seconds: float) -> None:
        """Returns when what waits is written, or after so many seconds: who sees the end should see the log too."""
        deadline = time.monotonic() + seconds
        self._wake.set()
        while time.monotonic() < deadline and self.is_alive():
            with self._lock:
                if not self._lines and not self._batch:
                    return
            time.sleep(_FLUSH_PAUSE_SECONDS)

    def close(self, seconds: float) -> None:
        """Writes what is left; returns when it is written, or after so many seconds."""
        self._deadline = time.monotonic() + seconds
        self._over = True
        self._wake.set()
        self.join(seconds + _PAUSE_SECONDS)
        with contextlib.suppress(OSError):
            sys.stdout.flush()

    def _safely(self, work: Callable[[Database], bool], db: Database) -> bool:
        """Nothing may end this thread: the task would go on without a log."""
        try:
            return work(db)
        except SyncError as error:
            _log.warning("Log lines or progress could not be written yet: %s", error)
        except Exception:  # noqa: BLE001 - whatever it is
            _log.exception("Writing log lines failed.")
            self._batch = []
        return False

    def _write(self, db: Database) -> bool:
        """What waits, batch by batch; a batch stays where Postgres is away (SyncError)."""
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        while self._batch or self._take():
            self._insert(db, self._batch)
            self._batch = []
        return True

    def _insert(self, db: Database, batch: list[LogLine]) -> None:
        """A line that Postgres will never take is dropped, alone; the others must not wait for it."""
        try:
            db.transact(lambda db: logs.add(db, self._task, batch))
        except StoreError as error:
            if len(batch) > 1:
                half = len(batch) // 2
                self._insert(db, batch[:half])
                self._insert(db, batch[half:])
            elif batch[0] is not self._told:
                _log.warning("A log line was refused: %s", error)
                with self._lock:
                    self._dropped += 1
            return
        if self._post:
            self._post.send(batch)

    def _take(self) -> bool:
        """Fills the next batch; what was dropped is told in its place."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                text = f"{dropped:,} log lines were dropped: Postgres was away or slow, or refused them."
                # Where the gap is: lines are read in the order of their time.
                at = self._lines[0].timestamp if self._lines else datetime.now(UTC)
                self._told = LogLine("WARN", OURS, text, at)
                self._batch.append(self._told)
            size = 0
            while self._lines and len(self._batch) < _BATCH_LINES and size < _BATCH_CHARACTERS:
                self._batch.append(self._lines.popleft())
                size += len(self._batch[-1].message)
            self._held -= size
        return bool(self._batch)

    def _tell(self, db: Database) -> bool:
        streams = self._progress()
        goes_on = db.transact(lambda db: tasks.progress(db, self._task, streams, ours=self.ours))
        if not goes_on:
            self.on_over()
        return goes_on


def _cut(message: str) -> str:
    return f"{message[:_MESSAGE_CHARACTERS]} ... ({len(message):,} characters)"
