"""Write how a task ended: concluded, or proposed for a sweep that may know better; else the exit code says it."""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from common.errors import LoginRefused, StoreRefused, SyncError, TablesMissing
from common.failures import Failure, FailureKind, of_store, unwritten_exit
from common.protocol.commands import Command
from common.store import Database, Outcome, StoreError, TaskState, outcomes
from sidecar.report.heartbeat import Heartbeat
from sidecar.report.log_shipper import LogShipper
from sidecar.settings import SidecarSettings
from sidecar.shutdown import Shutdown

_FLUSH_SECONDS = 5.0
"""How long the final row waits for the log lines before it."""
_LOOK_SECONDS = 0.5
_GOING_ON_SECONDS = 30.0
"""How long ago a sweep may be that another one follows: while anything is active, sweeps are seconds apart."""
_DESCRIPTION_PREFIXES = {Command.READ: "ERROR: ", Command.DISCOVER: ""}

_log = logging.getLogger(__name__)


class Conclusion:
    """Write a task's outcome. `patient` makes a database that waits; `keep_accounts` is called once it is proposed."""

    def __init__(
        self,
        settings: SidecarSettings,
        shutdown: Shutdown,
        logs: LogShipper,
        heartbeat: Heartbeat,
        patient: Callable[[], Database],
        keep_accounts: Callable[[], None],
    ) -> None:
        self._settings, self._shutdown, self._logs, self._heartbeat = settings, shutdown, logs, heartbeat
        self._patient, self._keep_accounts = patient, keep_accounts

    def write(self, outcome: Outcome) -> int:
        """Write the outcome; return the exit code. If Postgres stays away, the sweep finds the pod without one."""
        if outcome.state is not TaskState.SUCCESS:
            level = "WARN" if outcome.state is TaskState.PARTIAL else "ERROR"
            self._logs.log(level, outcome.reason, certain=True)
        self._logs.flush(self._shutdown.store_budget(_FLUSH_SECONDS))
        with self._patient() as db:
            try:
                self._write(db, outcome)
            except (StoreRefused, LoginRefused, TablesMissing) as error:
                return self._leave_to_sweep(db, outcome, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the row must say that the run is over
                _log.exception("The outcome could not be written.")
                if isinstance(error, SyncError) and not isinstance(error, StoreError):
                    return unwritten_exit(error)
                # Postgres cannot hold something in it. The row must not stay RUNNING for that.
                reason = f"the sidecar itself failed ({type(error).__name__})"
                if isinstance(error, StoreError):
                    reason = f"what the connector answered cannot be stored: {error.message}"
                return self._write_plain(db, reason)
        return 0

    def _write(self, db: Database, outcome: Outcome) -> None:
        """Conclude the task; only propose the outcome if a sweep may know better and will look."""
        own_tables, task = self._heartbeat.own_tables, self._settings.task
        awaited = own_tables and outcome.provisional and bool(self._settings.exit_code_file)
        if awaited and (proposed_at := db.transact(lambda db: self._propose(db, outcome))) is not None:
            self._keep_accounts()
            if self._await_sweep(db, proposed_at):
                return
            self._logs.log("WARN", "No sweep came to conclude the task: check the sweeper.")
        if not db.transact(lambda db: self._conclude(db, outcome)) and own_tables:
            db.transact(lambda db: outcomes.account_cancelled(db, task, outcome))

    def _propose(self, db: Database, outcome: Outcome) -> float | None:
        self._heartbeat.last_rates(db)
        return outcomes.propose(db, self._settings.task, outcome)

    def _conclude(self, db: Database, outcome: Outcome) -> bool:
        self._heartbeat.last_rates(db)
        return outcomes.conclude(db, self._settings.task, outcome, ours=self._heartbeat.own_tables)

    def _await_sweep(self, db: Database, proposed_at: float) -> bool:
        """Wait until it is certain that somebody sweeps, who will conclude the task. Return False if nobody does.

        Where sweeps go on, that is at once, and the pod's end makes the next one come. A pod that is stopped takes its
        Secret along when it ends: that has to wait until a sweep has seen it.
        """
        began, wanted = time.monotonic(), float(self._settings.sweep_wait_seconds)
        while wanted and (left := self._shutdown.store_budget(wanted - (time.monotonic() - began))) > 0:
            with contextlib.suppress(SyncError):
                if db.transact(lambda db: self._is_left_to_a_sweep(db, proposed_at)):
                    return True
            time.sleep(min(_LOOK_SECONDS, left))
        return not wanted

    def _is_left_to_a_sweep(self, db: Database, proposed_at: float) -> bool:
        going_on = 0.0 if self._shutdown.requested else _GOING_ON_SECONDS
        return outcomes.is_left_to_a_sweep(db, self._settings.task, proposed_at, going_on)

    def _leave_to_sweep(self, db: Database, outcome: Outcome, error: SyncError) -> int:
        """Propose that the task failed for a missing right on another table; without that right, the log has it."""
        _log.error("The outcome could not be written: %s", error)
        if outcome.failure is None or outcome.failure.kind is not FailureKind.POSTGRES_REFUSED:
            outcome = failed(Failure(of_store(error), error.message), outcome.streams)
        try:
            proposed = db.transact(lambda db: outcomes.propose(db, self._settings.task, outcome))
        except SyncError as again:
            _log.error("Nor could it be proposed: %s", again)
            proposed = False
        return 0 if proposed else unwritten_exit(error)

    def _write_plain(self, db: Database, reason: str) -> int:
        failure = Failure(FailureKind.SIDECAR_FAILED, reason)
        description = _DESCRIPTION_PREFIXES.get(self._settings.command, "FAILED: ") + reason
        try:
            self._write(db, Outcome(TaskState.FAILED, reason=reason, description=description, failure=failure))
        except SyncError as error:
            _log.exception("Nor could a plain one.")
            return unwritten_exit(error)
        return 0


def failed(failure: Failure, streams: dict[str, Any] | None = None) -> Outcome:
    """Return the outcome of a failure of the sidecar itself."""
    text = failure.message
    return Outcome(TaskState.FAILED, text, f"ERROR: {text}", streams, failure=failure, provisional=failure.policy.retry)
