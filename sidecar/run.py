"""From the environment to the final row: read the pipes, and conclude the task whatever happens."""

import contextlib
import logging
import resource
from collections.abc import Callable, Mapping

from common import redaction
from common.errors import Conflict, Refused, SyncError, TablesMissing, TooLarge
from common.failures import Failure, FailureKind, of_store
from common.protocol import catalogs, messages
from common.protocol.commands import Command
from common.protocol.estimates import Estimate
from common.protocol.states import refuse_shared
from common.redaction import Redactor
from common.store import Database, Outcome, outcomes, states
from common.store.database import refused
from common.store.encryption import Keys
from sidecar import output, preparation, secret_values
from sidecar.conclude import Conclusion, failed
from sidecar.early_stop import EarlyStop
from sidecar.read.consumer import ReadConsumer
from sidecar.report.heartbeat import Heartbeat
from sidecar.report.log_shipper import LogShipper
from sidecar.report.outbox import Outbox
from sidecar.room import Room
from sidecar.secret_values import Resolved
from sidecar.settings import SidecarSettings
from sidecar.shutdown import Shutdown
from sidecar.single_result import SingleResult
from sidecar.source.diagnostics import SourceDiagnostics
from sidecar.source.pipes import PipeEvent, PipeReplaced, Pipes

_RESULT = "result"

_log = logging.getLogger(__name__)


def main(
    environ: Mapping[str, str] | None = None, trouble: Exception | None = None, early: EarlyStop | None = None
) -> int:
    """Run one task; return the exit code: 0 once the outcome is in the database, 3 if Postgres stayed away, else 2.

    `trouble` is what kept the pod from being prepared: the task then ends with it. `early` listens so far.
    """
    redact_with = output.set_up()
    try:
        settings = SidecarSettings.load(environ)
        with Database(settings.database_url, settings.database_schema, make_tables=False) as db:
            credentials = (settings.database_url, settings.bulker_auth_token, settings.encryption_key)
            redactor = redaction.of_config(b"", *filter(None, credentials))
            redact_with(redactor.redact)
            _raise_limits()
            return _Task(settings, db, redactor, trouble).run(early or EarlyStop())
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

    def __init__(
        self, settings: SidecarSettings, db: Database, redactor: Redactor, trouble: Exception | None = None
    ) -> None:
        self._settings, self._db, self._redactor, self._trouble = settings, db, redactor, trouble
        self._shutdown = Shutdown(settings.grace_seconds)
        self._outbox = Outbox(db)
        self._room, self._resolved = Room(b""), Resolved()
        self._consumer: ReadConsumer | SingleResult | None = None
        self._heartbeat = Heartbeat(settings.task, self._progress, self._shutdown.request, self._estimate, self._rates)
        self._heartbeat.held = bool(settings.pipes_folder)
        self._logs = LogShipper(settings, redactor, self._heartbeat)
        self._conclusion = Conclusion(
            settings, self._shutdown, self._logs, self._heartbeat, self._patient, self._keep_accounts
        )

    def run(self, early: EarlyStop) -> int:
        self._shutdown.listen(early)
        self._logs.start()
        try:
            outcome = failed(preparation.failure(self._trouble)) if self._trouble else self._consume()
        except SyncError as error:
            outcome = self._break_off(Failure(_kind(error), error.message))
        except Exception as error:  # noqa: BLE001 - whatever it is, the row must say that the run is over
            _log.exception("The sidecar failed.")
            text = f"the sidecar itself failed ({type(error).__name__}); its pod's log has the details"
            outcome = self._break_off(Failure(FailureKind.SIDECAR_FAILED, text))
        code = self._conclusion.write(outcome)
        self._logs.close(self._shutdown.store_budget(self._settings.grace_seconds / 2))
        self._shutdown.close()
        return code

    def _keep_accounts(self) -> None:
        self._consumer = None  # the heartbeat goes on, and the proposal's accounts stay

    def _progress(self) -> dict[str, object] | None:
        return self._consumer.progress() if self._consumer else None

    def _estimate(self) -> Estimate | None:
        return self._consumer.estimate if isinstance(self._consumer, ReadConsumer) else None

    def _rates(self) -> dict[str, object] | None:
        return self._consumer.rates() if isinstance(self._consumer, ReadConsumer) else None

    def _consume(self) -> Outcome:
        """Read the connector's output to its end."""
        written, self._resolved = self._settings.file("config"), self._settings.resolved()
        secret_values.teach(self._redactor, self._resolved, written, self._settings.references_folder)
        config = self._resolved.config(written)
        self._room = Room(written, self._settings.file("catalog"), self._settings.file("state"))
        self._redactor.learn(config)
        with self._patient() as db:
            self._refuse_without_rights(db)
            self._redactor.learn(config, self._specification(db))
            if weak := ", ".join(filter(None, [self._redactor.weak(config), *self._resolved.weak])):
                self._logs.log("WARN", f"Too short, or too common a word, to be hidden wherever it stands: {weak}.")
            [exist] = db.transact(lambda db: db.run("ours_exist"))
            self._heartbeat.own_tables, self._heartbeat.keeps_rates = exist["ours"], exist["rates"]
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
                self._heartbeat.held = self._heartbeat.held and not pipes.begun
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
        if self._heartbeat.own_tables and states.is_closed(db, self._settings.task_id):
            why = "this task has ended, and the sync's states were changed since"
            self._logs.log("WARN", f"A state of {key} is not saved: {why}.")
            raise Conflict(why)
        self._room.take_state(key, state)
        states.save(db, self._settings.sync_id, key, state)

    def _keep_config(self, config: bytes) -> None:
        self._redactor.learn_change(config)
        try:
            config = self._resolved.restored(config, self._settings.file("config"))
            self._room.take_config(config)
        except (TooLarge, Refused) as error:
            self._on_config_lost(error)
            return
        if not self._heartbeat.own_tables:
            self._on_config_lost(SyncError("there is no table for it"))
            return
        self._logs.log("INFO", "The connector changed its configuration: the next task with this one gets it.")
        task, keys = self._settings.task, Keys(self._settings.encryption_key)
        self._outbox.put("config", lambda db: states.keep_config(db, task, config, keys), self._on_config_lost)

    def _on_config_lost(self, why: SyncError) -> None:
        self._logs.log("WARN", f"The configuration that the connector changed could not be kept: {why}.")

    def _break_off(self, failure: Failure) -> Outcome:
        """Return the outcome of a failure of the sidecar itself, with the streams' accounts if there are some."""
        if isinstance(self._consumer, ReadConsumer):
            try:
                return self._consumer.break_off(failure)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("The streams could not be accounted for.")
        return failed(failure)


def _kind(error: SyncError) -> FailureKind:
    if isinstance(error, PipeReplaced):
        return FailureKind.SOURCE_ERROR
    return FailureKind.CONFIG_ERROR if isinstance(error, Refused) else of_store(error)
