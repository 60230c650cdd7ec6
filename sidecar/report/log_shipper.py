"""Ship log lines to stdout and Postgres in batches, by a thread of its own: rows never wait for a log line.

    log, log_all     LogLines: lines that came together, as they are    _queued      by the caller's thread
        |  redact
      print          the same, redacted: the container's own log        _printed
        |  what log_limit has room for, up to 5,000 lines or 1 MB
      _Batch         [LogLines, ...] and the id of their first line     _batches
        |  a refused batch by halves, with the same ids
    task_log         one row a line (common/store/task_log.py)          and Bulker's /post (log_forwarder)

`_held` is the size of `_queued` and `_printed`. Over the limit the oldest lines are printed only, and counted.
"""

import contextlib
import logging
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Self

from msgspec import Struct, structs

from common.errors import SyncError
from common.redaction import Redactor
from common.store import Database, StoreError, Task, task_log
from common.store.task_log import DELETED, SEPARATOR, LogLines
from sidecar.report.heartbeat import Heartbeat
from sidecar.report.log_forwarder import LogForwarder
from sidecar.report.log_limit import LOGGER, LogLimit
from sidecar.report.outbox import is_away
from sidecar.settings import SidecarSettings

_HOLD_BYTES = 8_000_000
"""More than a hundred thousand lines of the usual length, if they came together."""
_HURRY_BYTES = _HOLD_BYTES // 2
_LINE_BYTES, _TOGETHER_BYTES = 10, 350
"""Memory for a line beside its message, and for lines that came together beside that."""
_BATCH_LINES, _BATCH_BYTES = 5000, 1_000_000
_MESSAGE_CHARACTERS = 32_000
_PAUSE_SECONDS = 0.5
_FLUSH_PAUSE_SECONDS = 0.01

_log = logging.getLogger(__name__)


class _Batch(Struct, frozen=True):
    """Lines that one statement writes. Their ids are fixed, so writing them again after a lost answer is harmless."""

    parts: list[LogLines]
    first: int
    document: str

    @classmethod
    def of(cls, parts: list[LogLines], first: int) -> Self:
        """`first`: see task_log.document."""
        return cls(parts, first, task_log.document(parts, first))


class LogShipper(threading.Thread):
    """Take lines without ever waiting for Postgres; redact, print and write them twice a second.

    The thread has the only connection beside the main one, so it also beats the `heartbeat`.
    """

    def __init__(self, settings: SidecarSettings, redactor: Redactor, heartbeat: Heartbeat) -> None:
        super().__init__(name="log-shipper", daemon=True)
        self._database = Database(settings.database_url, settings.database_schema, make_tables=False)
        self._task: Task = settings.task
        self._limit = LogLimit(settings.task_log_bytes, settings.sync_id + settings.task_id)
        self._heartbeat = heartbeat
        self.redact = redactor.redact
        self._lock = threading.Lock()
        self._queued: deque[tuple[int, LogLines]] = deque()
        self._printed: deque[tuple[int, LogLines]] = deque()
        self._held = 0
        self._dropped = 0
        self._batches: deque[_Batch] = deque()
        self._drop_notice: LogLines | None = None
        self._wake = threading.Event()
        self._over = False
        self._deadline = 0.0
        forwards = settings.bulker_logs_connection_id and settings.bulker_url
        self._forwarder = LogForwarder(settings) if forwards else None

    def log(self, level: str, message: str, *, certain: bool = False) -> None:
        """Take a line of the sidecar's own; level is INFO, WARN, ERROR, DEBUG, FATAL, TRACE or ERRSTD."""
        self.log_all([level], [message], LOGGER, certain=certain)

    def log_all(self, levels: list[str], messages: list[str], logger: str, *, certain: bool = False) -> None:
        """Take lines that came together. Rows wait meanwhile, so the thread does the rest, redaction too."""
        together = SEPARATOR.join(messages)
        too_long = len(together) > _MESSAGE_CHARACTERS and max(map(len, messages)) > _MESSAGE_CHARACTERS
        if too_long or together.count(SEPARATOR) >= len(messages):
            together = SEPARATOR.join(map(self._fitted, messages))
        size = sys.getsizeof(together) + len(messages) * _LINE_BYTES + _TOGETHER_BYTES
        with self._lock:
            lines = LogLines.of(logger, datetime.now(UTC), levels, together)
            self._queued.append((size, structs.replace(lines, certain=True) if certain else lines))
            self._held += size
            while self._held > _HOLD_BYTES:
                self._drop()
            hurry = self._held > _HURRY_BYTES
        if hurry:
            self._wake.set()

    def run(self) -> None:
        """Write lines as they come, and beat, until `close`."""
        if self._forwarder:
            self._forwarder.start()
        with self._database as db:
            while not self._over:
                self._wake.wait(_PAUSE_SECONDS)
                self._wake.clear()
                self._try_write(db)
                self._heartbeat.beat(db)
            while not self._try_write(db) and time.monotonic() < self._deadline:
                time.sleep(_PAUSE_SECONDS)
        if self._forwarder:
            self._forwarder.close()

    def flush(self, seconds: float) -> None:
        """Return once all lines are written, or after so many seconds: the log should be there before the outcome."""
        deadline = time.monotonic() + seconds
        self._wake.set()
        while time.monotonic() < deadline and self.is_alive():
            with self._lock:
                if not self._held and not self._batches:
                    return
            time.sleep(_FLUSH_PAUSE_SECONDS)

    def close(self, seconds: float) -> None:
        """Write what is left and end the thread; return after so many seconds at most."""
        self._deadline = time.monotonic() + seconds
        self._over = True
        self._wake.set()
        self.join(seconds + _PAUSE_SECONDS)
        # If Postgres keeps the thread waiting, the container's own log still gets the last lines.
        self._print_all()

    def _fitted(self, message: str) -> str:
        """Return a message without a SEPARATOR, and cut; redacted first, since half a secret would not be found."""
        redacted = self.redact(message).replace(SEPARATOR, DELETED)
        if len(redacted) <= _MESSAGE_CHARACTERS:
            return redacted
        return f"{redacted[:_MESSAGE_CHARACTERS]} ... ({len(redacted):,} characters)"

    def _redact_all(self, messages: str) -> str:
        """Redact messages at once, or one by one if a secret seems to span two of them."""
        redacted = self.redact(messages)
        if redacted.count(SEPARATOR) == messages.count(SEPARATOR):
            return redacted
        return SEPARATOR.join(map(self.redact, messages.split(SEPARATOR)))

    def _print(self) -> None:
        """Redact and print the oldest queued lines; under the lock, which keeps them in order."""
        size, queued = self._queued.popleft()
        lines = structs.replace(queued, messages=self._redact_all(queued.messages))
        self._printed.append((size, lines))
        with contextlib.suppress(OSError):
            print(lines)  # noqa: T201 - the container's own log

    def _print_all(self) -> None:
        """Print all queued lines, releasing the lock between them for callers with more."""
        while self._queued:
            with self._lock:
                if self._queued:
                    self._print()
        with contextlib.suppress(OSError):
            sys.stdout.flush()

    def _pop_printed(self) -> LogLines:
        size, lines = self._printed.popleft()
        self._held -= size
        return lines

    def _drop(self) -> None:
        """Drop the oldest lines; the container's own log has them."""
        if not self._printed:
            self._print()
        self._dropped += len(self._pop_printed())

    def _try_write(self, db: Database) -> bool:
        """Print and write what waits; return False if some is left. Nothing may end this thread."""
        try:
            self._print_all()
            while self._batches or self._take():
                self._insert(db, self._batches[0])
        except SyncError as error:
            if is_away(error):
                _log.warning("Log lines could not be written yet: %s", error)
                return False
            _log.warning("Log lines are only here: %s", error)
            self._batches.clear()
        except Exception:  # noqa: BLE001 - whatever it is, the task must not go on without a log
            _log.exception("Writing log lines failed.")
            self._batches.clear()
            return False
        return True

    def _insert(self, db: Database, batch: _Batch) -> None:
        try:
            db.transact(lambda db: task_log.add(db, self._task, batch.document))
        except StoreError as error:
            self._batches.popleft()
            self._split(batch, error)
            return
        self._batches.popleft()
        if self._forwarder:
            self._forwarder.send(batch.parts)

    def _split(self, batch: _Batch, refused: StoreError) -> None:
        """Halve a batch that Postgres refuses, down to the one line that is then dropped."""
        parts = batch.parts
        if len(parts) == 1 and len(parts[0]) > 1:
            parts = parts[0].halves()
        if half := len(parts) // 2:
            # With the ids that they had, which order the lines of one moment.
            second = batch.first + sum(map(len, parts[:half]))
            self._batches.extendleft((_Batch.of(parts[half:], second), _Batch.of(parts[:half], batch.first)))
        elif parts[0] is not self._drop_notice:
            _log.warning("A log line was refused: %s", refused)
            with self._lock:
                self._dropped += 1

    def _take(self) -> bool:
        """Make the next batch. Under the lock: `flush` finds each line either held, or in a batch."""
        with self._lock:
            parts = self._notices()
            count, held = 0, self._held
            while self._printed and count < _BATCH_LINES and (not parts or held - self._held < _BATCH_BYTES):
                admitted = self._limit.admit(self._pop_printed())
                parts += admitted
                count += sum(map(len, admitted))
            if self._over and not self._printed:
                parts += self._limit.summary(LogLines(LOGGER, datetime.now(UTC), "WARN", ""))
            if parts:
                self._batches.append(_Batch.of(parts, task_log.first_id()))
        return bool(parts)

    def _notices(self) -> list[LogLines]:
        """Return a line that counts the dropped ones, if any, with the time of their place in the log."""
        dropped, self._dropped = self._dropped, 0
        if not dropped:
            return []
        text = f"{dropped:,} log lines were dropped: Postgres was away, too slow for them, or refused them."
        at = self._printed[0][1].timestamp if self._printed else datetime.now(UTC)
        self._drop_notice = LogLines(LOGGER, at, "WARN", text)
        return [self._drop_notice]
