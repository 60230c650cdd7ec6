"""From the environment to the final row: read the pipes, and conclude the task whatever happens."""

import contextlib
import logging
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

from common import redaction
from common.errors import LoginRefused, Refused, StoreRefused, SyncError, TablesMissing, TooLarge
from common.failures import Failure, FailureKind, of_store, unwritten_exit
from common.protocol import catalogs, messages
from common.protocol.commands import Command
from common.protocol.states import refuse_shared
from common.redaction import Redactor
from common.store import Database, Outcome, StoreError, TaskState, outcomes, states
from common.store.database import refused
from sidecar import output
from sidecar.read.consumer import ReadConsumer
from sidecar.report.heartbeat import Heartbeat
from sidecar.report.log_shipper import LogShipper
from sidecar.report.outbox import Outbox
from sidecar.room import Room
from sidecar.settings import SidecarSettings
from sidecar.shutdown import Shutdown
from sidecar.single_result import SingleResult
from sidecar.source.diagnostics import SourceDiagnostics
from sidecar.source.pipes import PipeEvent, PipeReplaced, Pipes

_FLUSH_SECONDS = 5.0
"""How long the final row waits for the log lines before it."""
_LOOK_SECONDS = 0.5
_GOING_ON_SECONDS = 30.0
"""How long ago a sweep may be that another one follows: while anything is active, sweeps are seconds apart."""
_RESULT = "result"
_DESCRIPTION_PREFIXES = {Command.READ: "ERROR: ", Command.DISCOVER: ""}

_log = logging.getLogger(__name__)


def main(environ: Mapping[str, str] | None = None) -> int:
    """Run one task; return the exit code: 0 once the outcome is in the database, 3 if Postgres stayed away, else 2."""
    redact_with = output.set_up()
    try:
        settings = SidecarSettings.load(environ)
        with Database(settings.database_url, settings.database_schema, make_tables=False) as db:
            redactor = redaction.of_config(b"", settings.database_url, settings.bulker_auth_token)
            redact_with(redactor.redact)
            _raise_limits()
            return _Task(settings, db, redactor).run()
    except SyncError as error:
        _log.critical("%s", error)
        return 2


def _raise_limits() -> None:
    """Allow as many files as the system does: each stream has a connection."""
    with contextlib.suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Task:
    """One run of one task."""

    def __init__(self, settings: SidecarSettings, db: Database, redactor: Redactor) -> None:
        self._settings, self._db, self._redactor = settings, db, redactor
        self._shutdown = Shutdown(settings.grace_seconds)
        self._outbox = Outbox(db)
        self._room = Room(b"")
        self._consumer: ReadConsumer | SingleResult | None = None
        self._heartbeat = Heartbeat(settings.task, self._progress, self._shutdown.request)
        self._logs = LogShipper(settings, redactor, self._heartbeat)

    def run(self) -> int:
        self._shutdown.listen()
        self._logs.start()
        try:
            outcome = self._consume()
        except SyncError as error:
            outcome = self._break_off(Failure(_kind(error), error.message))
        except Exception as error:  # noqa: BLE001 - whatever it is, the row must say that the run is over
            _log.exception("The sidecar failed.")
            text = f"the sidecar itself failed ({type(error).__name__}); its pod's log has the details"
            outcome = self._break_off(Failure(FailureKind.SIDECAR_FAILED, text))
        code = self._conclude(outcome)
        self._logs.close(self._shutdown.store_budget(self._settings.grace_seconds / 2))
        self._shutdown.close()
        return code

    def _progress(self) -> dict[str, object] | None:
        return self._consumer.progress() if self._consumer else None

    def _consume(self) -> Outcome:
        """Read the connector's output to its end."""
        config = self._settings.file("config")
        self._room = Room(config, self._settings.file("catalog"), self._settings.file("state"))
        self._redactor.learn(config)
        with self._patient() as db:
            self._refuse_without_rights(db)
            self._redactor.learn(config, self._specification(db))
            if weak := self._redactor.weak(config):
                self._logs.log("WARN", f"Too short, or too common a word, to be hidden wherever it stands: {weak}.")
            self._heartbeat.own_tables = db.transact(lambda db: db.run("ours_exist"))[0]["ours"]
        diagnostics = SourceDiagnostics(self._settings.package, self._logs)
        consumer = self._consumer = self._make_consumer(diagnostics)
        try:
            pipes = self._follow(diagnostics, consumer)
        finally:
            diagnostics.end()
        if pipes.end.held_open:
            self._logs.log("WARN", "Something kept the connector's output open after it had ended; it was given up.")
        return consumer.settle(pipes.end, self._insist)

    def _follow(self, diagnostics: SourceDiagnostics, consumer: ReadConsumer | SingleResult) -> Pipes:
        with Pipes(self._settings, self._shutdown, consumer.waits_until) as pipes:
            for event, data in pipes.chunks():
                if event is PipeEvent.STDOUT:
                    consumer.on_stdout(data)
                elif event is PipeEvent.STDERR:
                    diagnostics.on_stderr(data)
                else:
                    consumer.tick()
                    self._outbox.retry()
        return pipes

    def _refuse_without_rights(self, db: Database) -> None:
        """Raise StoreRefused before anything is read: rows whose state cannot be saved would come twice."""
        lacking = db.transact(lambda db: db.run("missing_rights", command=str(self._settings.command)))
        if lacking:
            raise refused("; ".join(row["words"] for row in lacking))

    def _specification(self, db: Database) -> bytes:
        """Return the connector's specification, which marks secrets; b"" if it was never asked for."""
        image = {"package": self._settings.package, "version": self._settings.package_version}
        try:
            return b"".join(row["specs"].encode() for row in db.transact(lambda db: db.run("specification", **image)))
        except TablesMissing:
            return b""

    def _make_consumer(self, diagnostics: SourceDiagnostics) -> ReadConsumer | SingleResult:
        if self._settings.command is not Command.READ:
            return SingleResult(
                self._settings.command,
                diagnostics,
                self._redactor,
                self._keep_config,
                self._publish,
                expects_exit_code=bool(self._settings.exit_code_file),
            )
        try:
            catalog = catalogs.decode_catalog(self._settings.file("catalog"))
        except messages.DECODE_ERRORS as error:
            raise SyncError(f"The catalog cannot be read: {error}.") from error
        refuse_shared(catalog, self._settings.table_name_prefix)
        return ReadConsumer(
            self._settings,
            catalog,
            diagnostics,
            self._redactor.redact,
            self._save,
            self._keep_config,
            self._shutdown.send_deadline,
        )

    def _patient(self) -> Database:
        """Return a database that waits for Postgres as long as there is time."""
        patience = self._shutdown.store_budget(self._settings.store_patience_seconds)
        url, schema = self._settings.database_url, self._settings.database_schema
        return Database(url, schema, patience_seconds=patience, make_tables=False)

    def _publish(self, outcome: Outcome) -> None:
        own_tables, task = self._heartbeat.own_tables, self._settings.task
        # The end writes it once more, and tells if Postgres does not take it.
        self._outbox.put(_RESULT, lambda db: outcomes.publish(db, task, outcome, ours=own_tables), lambda _: None)

    def _insist(self) -> None:
        self._outbox.forget(_RESULT)
        with self._patient() as db:
            self._outbox.finish(db)

    def _save(self, key: str, state: bytes, refused: Callable[[SyncError], None]) -> None:
        self._outbox.put(f"state {key}", lambda db: self._write_state(db, key, state), refused)

    def _write_state(self, db: Database, key: str, state: bytes) -> None:
        self._room.take_state(key, state)
        states.save(db, self._settings.sync_id, key, state)

    def _keep_config(self, config: bytes) -> None:
        self._redactor.learn_change(config)
        try:
            self._room.take_config(config)
        except TooLarge as error:
            self._on_config_lost(error)
            return
        if not self._heartbeat.own_tables:
            self._on_config_lost(SyncError("there is no table for it"))
            return
        self._logs.log("INFO", "The connector changed its configuration: the next task with this one gets it.")
        task = self._settings.task
        self._outbox.put("config", lambda db: states.keep_config(db, task, config), self._on_config_lost)

    def _on_config_lost(self, why: SyncError) -> None:
        self._logs.log("WARN", f"The configuration that the connector changed could not be kept: {why}.")

    def _break_off(self, failure: Failure) -> Outcome:
        """Return the outcome of a failure of the sidecar itself, with the streams' accounts if there are some."""
        if isinstance(self._consumer, ReadConsumer):
            try:
                return self._consumer.break_off(failure)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("The streams could not be accounted for.")
        return _failed(failure)

    def _conclude(self, outcome: Outcome) -> int:
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
            except Exception as error:  # noqa: BLE001 - as above
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
        if awaited and (proposed_at := db.transact(lambda db: outcomes.propose(db, task, outcome))) is not None:
            self._consumer = None  # the heartbeat goes on, and the proposal's accounts stay
            if self._await_sweep(db, proposed_at):
                return
            self._logs.log("WARN", "No sweep came to conclude the task: check the sweeper.")
        if not db.transact(lambda db: outcomes.conclude(db, task, outcome, ours=own_tables)) and own_tables:
            db.transact(lambda db: outcomes.account_cancelled(db, task, outcome))

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
            outcome = _failed(Failure(of_store(error), error.message), outcome.streams)
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


def _kind(error: SyncError) -> FailureKind:
    if isinstance(error, PipeReplaced):
        return FailureKind.SOURCE_ERROR
    return FailureKind.CONFIG_ERROR if isinstance(error, Refused) else of_store(error)


def _failed(failure: Failure, streams: dict[str, Any] | None = None) -> Outcome:
    text = failure.message
    return Outcome(TaskState.FAILED, text, f"ERROR: {text}", streams, failure=failure, provisional=failure.policy.retry)
