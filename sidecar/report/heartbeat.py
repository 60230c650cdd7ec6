"""Write a task's progress every few seconds, and notice that the task is concluded elsewhere."""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from common.errors import SyncError, TablesMissing
from common.protocol.estimates import Estimate
from common.store import Database, Task, tasks

_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Heartbeat:
    """Call `beat` often, from one thread; it never raises.

    `progress` returns the streams' accounts, None for a command without streams; `estimate` what the whole read will
    send; `rates` its rows over time, asked at each beat, so that none comes long after the one before. `on_superseded`
    is called once the task, or this attempt of it, is concluded already.
    """

    def __init__(
        self,
        task: Task,
        progress: Callable[[], dict[str, Any] | None],
        on_superseded: Callable[[], None],
        estimate: Callable[[], Estimate | None] = lambda: None,
        rates: Callable[[], dict[str, Any] | None] = lambda: None,
    ) -> None:
        self.own_tables = True
        """Whether the syncctl_ tables exist: another controller's database may not have them."""
        self.held = False
        """Whether to write nothing yet: a report makes the task RUNNING, and its source may not have begun."""
        self.keeps_rates = False
        """Whether they have a column for rates, which functions of an earlier version have not made."""
        self._task, self._progress, self._on_superseded = task, progress, on_superseded
        self._estimate, self._written = estimate, Estimate()
        self._rates = rates
        self._written_rates: dict[str, Any] | None = None
        self._next = 0.0

    def beat(self, db: Database) -> None:
        """Write the progress if it is due."""
        if self.held:
            return
        rates = self._sampled()
        if time.monotonic() < self._next:
            return
        try:
            self._write(db, rates)
        except SyncError as error:
            _log.warning("Progress could not be written yet: %s", error)
        except Exception:  # noqa: BLE001 - whatever it is, the thread has logs to write
            _log.exception("Writing progress failed.")
        self._next = time.monotonic() + _SECONDS

    def last_rates(self, db: Database) -> None:
        """Write the rates as they are at the end, in the transaction that ends the task."""
        if self.keeps_rates:
            tasks.report_rates(db, self._task, self._sampled())

    def _sampled(self) -> dict[str, Any] | None:
        """Return the rates if they can be kept. Nothing that fails there may hold up progress, or a task's end."""
        if not self.keeps_rates:
            return None
        try:
            return self._rates()
        except Exception:  # noqa: BLE001 - a picture for people, no part of the read
            _log.exception("Rows over time could not be counted.")
            self.keeps_rates = False
            return None

    def _write(self, db: Database, rates: dict[str, Any] | None) -> None:
        streams = self._progress()
        new = None if rates == self._written_rates else rates
        if not db.transact(lambda db: tasks.progress(db, self._task, streams, rates=new, ours=self.own_tables)):
            self._on_superseded()
            return
        self._written_rates = rates
        if self.own_tables:
            self._write_estimate(db, self._estimate() or self._written)

    def _write_estimate(self, db: Database, estimate: Estimate) -> None:
        if estimate == self._written:
            return
        with contextlib.suppress(TablesMissing):  # functions of an earlier version have not made the column
            db.transact(lambda db: tasks.report_estimate(db, self._task, estimate))
        self._written = estimate
