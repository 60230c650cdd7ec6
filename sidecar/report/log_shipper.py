"""Log lines and progress to Postgres, in batches, by a thread of its own: rows never wait for a log line."""

import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self

from msgspec import Struct

from common.errors import SyncError
from common.store import Database, StoreError, Task, task_log, tasks
from common.store.task_log import DELETED, SEPARATOR, LogLines
from sidecar.redaction import Redactor
from sidecar.report.log_forwarder import LogForwarder
from sidecar.settings import SidecarSettings

OURS = "jitsu"
"""The logger name of the sidecar's own lines, as callers know it (docs/reference/contract.md D)."""
_HOLD_BYTES = 8_000_000
"""More than a hundred thousand lines of the usual length, where they came together."""
_HURRY_BYTES = _HOLD_BYTES // 2
_LINE_BYTES, _TOGETHER_BYTES = 10, 350
"""What a line takes beside its message, and what lines that came together take beside that."""
_BATCH_LINES, _BATCH_BYTES = 5000, 1_000_000
_MESSAGE_CHARACTERS = 32_000
_PAUSE_SECONDS = 0.5
_FLUSH_PAUSE_SECONDS = 0.01
_PROGRESS_SECONDS = 3.0

_log = logging.getLogger(__name__)


class _Batch(Struct, frozen=True):
    """What is written at once, with its ids: should nobody know whether it was, the same is written again."""

    parts: list[LogLines]
    first: int
    document: str

    @classmethod
    def of(cls, parts: list[LogLines], first: int) -> Self:
        """`first`: see logs.document."""
        return cls(parts, first, task_log.document(parts, first))


class Journal(threading.Thread):
    """Takes lines without ever waiting for Postgres; redacts, prints and writes them every half second. What waits is
    bounded in bytes: the oldest lines are then printed alone.
    """

    def __init__(
        self, settings: SidecarSettings, redactor: Redactor, progress: Callable[[], dict[str, Any] | None]
    ) -> None:
        super().__init__(name="journal", daemon=True)
        self._settings = settings
        self._task: Task = settings.task
        self._redactor = redactor
        self._progress = progress
        self._lock = threading.Lock()
        self._said: deque[tuple[int, LogLines]] = deque()
        self._printed: deque[tuple[int, LogLines]] = deque()
        self._held = 0
        self._dropped = 0
        self._batches: deque[_Batch] = deque()
        self._told: LogLines | None = None
        self._wake = threading.Event()
        self._over = False
        self._deadline = 0.0
        self._forwarder = LogForwarder(settings) if settings.bulker_logs_connection_id and settings.bulker_url else None
        self.on_over: Callable[[], None] = lambda: None
        """Called where the task, or this attempt of it, is concluded already."""
        self.ours = True
        """Whether the syncctl_ tables exist: another controller's database may not have them."""

    def redact(self, text: str) -> str:
        """The text without the configuration's secrets."""
        return self._redactor.redact(text)

    def log(self, level: str, message: str, logger: str = OURS) -> None:
        """One line; level as callers know them: INFO, WARN, ERROR, DEBUG, FATAL, TRACE, ERRSTD."""
        self.log_all([level], [message], logger)

    def log_all(self, levels: list[str], messages: list[str], logger: str) -> None:
        """Take lines that came together. Rows wait meanwhile, so the thread does the rest, redaction too."""
        together = SEPARATOR.join(messages)
        too_long = len(together) > _MESSAGE_CHARACTERS and max(map(len, messages)) > _MESSAGE_CHARACTERS
        if too_long or together.count(SEPARATOR) >= len(messages):
            together = SEPARATOR.join(map(self._tamed, messages))
        size = sys.getsizeof(together) + len(messages) * _LINE_BYTES + _TOGETHER_BYTES
        with self._lock:
            self._said.append((size, LogLines.of(logger, datetime.now(UTC), levels, together)))
            self._held += size
            while self._held > _HOLD_BYTES:
                self._drop()
            hurry = self._held > _HURRY_BYTES
        if hurry:
            self._wake.set()

    def _tamed(self, message: str) -> str:
        """Neither too long nor with a SEPARATOR; masked before that: half a secret would not be found."""
        masked = self.redact(message).replace(SEPARATOR, DELETED)
        if len(masked) <= _MESSAGE_CHARACTERS:
            return masked
        return f"{masked[:_MESSAGE_CHARACTERS]} ... ({len(masked):,} characters)"

    def _print(self) -> None:
        """The oldest lines that were said, masked; under the lock, so that they are printed in order."""
        size, said = self._said.popleft()
        lines = LogLines(said.logger, said.timestamp, said.levels, self._masked(said.messages))
        self._printed.append((size, lines))
        with contextlib.suppress(OSError):
            print(lines)  # noqa: T201 - the container's own log

    def _print_all(self) -> None:
        """The lock is let go of between them, for whoever has more to say."""
        while self._said:
            with self._lock:
                if self._said:
                    self._print()

    def _masked(self, messages: str) -> str:
        """All at once, unless a secret seems to go on from one to the next."""
        masked = self.redact(messages)
        if masked.count(SEPARATOR) == messages.count(SEPARATOR):
            return masked
        return SEPARATOR.join(map(self.redact, messages.split(SEPARATOR)))

    def _next(self) -> LogLines:
        size, lines = self._printed.popleft()
        self._held -= size
        return lines

    def _drop(self) -> None:
        """The oldest lines never reach Postgres; the container's own log has them."""
        if not self._printed:
            self._print()
        self._dropped += len(self._next())

    def run(self) -> None:
        """Until `close`: lines as they come, progress every few seconds."""
        if self._forwarder:
            self._forwarder.start()
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
        if self._forwarder:
            self._forwarder.close()

    def flush(self, seconds: float) -> None:
        """Returns when what waits is written, or after so many seconds: who sees the end should see the log too."""
        deadline = time.monotonic() + seconds
        self._wake.set()
        while time.monotonic() < deadline and self.is_alive():
            with self._lock:
                if not self._held and not self._batches:
                    return
            time.sleep(_FLUSH_PAUSE_SECONDS)

    def close(self, seconds: float) -> None:
        """Writes what is left; returns when it is written, or after so many seconds."""
        self._deadline = time.monotonic() + seconds
        self._over = True
        self._wake.set()
        self.join(seconds + _PAUSE_SECONDS)
        # Where Postgres keeps the thread waiting: at least the container's own log has the last words.
        self._print_all()
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
            self._batches.clear()
        return False

    def _write(self, db: Database) -> bool:
        """Prints what was said, and writes it batch by batch; a batch stays where Postgres is away (SyncError)."""
        self._print_all()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        while self._batches or self._take():
            self._insert(db, self._batches[0])
        return True

    def _insert(self, db: Database, batch: "_Batch") -> None:
        try:
            db.transact(lambda db: task_log.add(db, self._task, batch.document))
        except StoreError as error:
            self._batches.popleft()
            self._part(batch, error)
            return
        self._batches.popleft()
        if self._forwarder:
            self._forwarder.send(batch.parts)

    def _part(self, batch: "_Batch", refused: StoreError) -> None:
        """A line that Postgres will never take is dropped, alone; the others must not wait for it."""
        parts = batch.parts
        if len(parts) == 1 and len(parts[0]) > 1:
            parts = parts[0].halves()
        if half := len(parts) // 2:
            # With the ids that they had: lines of one moment are read in the order of these.
            others = batch.first + sum(map(len, parts[:half]))
            self._batches.extendleft((_Batch.of(parts[half:], others), _Batch.of(parts[:half], batch.first)))
        elif parts[0] is not self._told:
            _log.warning("A log line was refused: %s", refused)
            with self._lock:
                self._dropped += 1

    def _take(self) -> bool:
        """The next batch. Under the lock: whoever looks finds a line among those held, or in a batch."""
        with self._lock:
            parts = self._dropped_ones()
            count, held = 0, self._held
            while self._printed and count < _BATCH_LINES and held - self._held < _BATCH_BYTES:
                parts.append(self._next())
                count += len(parts[-1])
            if parts:
                self._batches.append(_Batch.of(parts, task_log.first_id()))
        return bool(parts)

    def _dropped_ones(self) -> list[LogLines]:
        """A line that tells how many were dropped, in their place: lines are read in the order of their time."""
        dropped, self._dropped = self._dropped, 0
        if not dropped:
            return []
        text = f"{dropped:,} log lines were dropped: Postgres was away or slow, or refused them."
        at = self._printed[0][1].timestamp if self._printed else datetime.now(UTC)
        self._told = LogLines(OURS, at, "WARN", text)
        return [self._told]

    def _tell(self, db: Database) -> bool:
        streams = self._progress()
        goes_on = db.transact(lambda db: tasks.progress(db, self._task, streams, ours=self.ours))
        if not goes_on:
            self.on_over()
        return goes_on
