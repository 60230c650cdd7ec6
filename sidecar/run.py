"""From the environment to the final row: reads the pipes, and concludes the task whatever happens."""

import logging
import sys
from collections.abc import Mapping

import msgspec

from common import airbyte
from common.commands import Command
from common.errors import SyncError
from common.store import Database, Outcome, TaskState, states, tasks
from sidecar import masks
from sidecar.connector import Connector
from sidecar.journal import Journal
from sidecar.pipes import Origin, Pipes
from sidecar.read import Read
from sidecar.results import Results
from sidecar.settings import Settings

_log = logging.getLogger(__name__)


def main(environ: Mapping[str, str] | None = None) -> int:
    """Runs one task; returns the process's exit code: 0 once the outcome is in the database, else 2."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s : %(message)s")
    try:
        settings = Settings.load(environ)
    except SyncError as error:
        _log.critical("%s", error)
        return 2
    secrets = masks.of_config(settings.file("config"), settings.database_url, settings.bulker_auth_token)
    with Database(settings.database_url, patience_seconds=settings.store_patience_seconds, make_tables=False) as db:
        return _Task(settings, db, secrets).run()


class _Task:
    """One run, with its journal and its consumer (a Read or Results)."""

    def __init__(self, settings: Settings, db: Database, secrets: masks.Masks) -> None:
        self._settings, self._db, self._secrets = settings, db, secrets
        self._consumer: Read | Results | None = None
        self._journal = Journal(settings, secrets, self._progress)

    def run(self) -> int:
        self._journal.start()
        try:
            outcome = self._watch()
        except SyncError as error:
            outcome = _broken(error.message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the row must say that the run is over
            _log.exception("The sidecar failed.")
            outcome = _broken(f"The sidecar itself failed ({type(error).__name__}); its pod's log has the details.")
        done = self._conclude(outcome)
        self._journal.close()
        return 0 if done else 2

    def _progress(self) -> dict[str, object] | None:
        return self._consumer.progress() if self._consumer else None

    def _watch(self) -> Outcome:
        self._journal.ours = self._db.transact(lambda db: db.run("ours_exist"))[0]["ours"]
        connector = Connector(self._settings.package, self._journal)
        consumer = self._consumer = self._make_consumer(connector)
        with Pipes(self._settings) as pipes:
            for origin, data in pipes.chunks():
                if origin is Origin.STDOUT:
                    consumer.on_stdout(data)
                elif origin is Origin.STDERR:
                    connector.on_stderr(data)
                else:
                    consumer.tick()
            connector.end()
            return consumer.settle(pipes.end)

    def _make_consumer(self, connector: Connector) -> Read | Results:
        if self._settings.command is not Command.READ:
            return Results(self._settings.command, connector)
        try:
            catalog = airbyte.decode_catalog(self._settings.file("catalog"))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise SyncError(f"The catalog cannot be read: {error}.") from error
        return Read(self._settings, catalog, connector, self._journal, self._save)

    def _save(self, key: str, state: bytes) -> None:
        self._db.transact(lambda db: states.save(db, self._settings.sync_id, key, state))

    def _conclude(self, outcome: Outcome) -> bool:
        """Writes the outcome, masked. False where Postgres stays away: the sweeper then finds the pod without one."""
        hide = self._secrets.hide
        outcome = msgspec.structs.replace(
            outcome,
            reason=hide(outcome.reason),
            description=hide(outcome.description),
            streams=outcome.streams and {k: v | {"error": hide(v["error"])} for k, v in outcome.streams.items()},
        )
        if outcome.state is not TaskState.SUCCESS:
            self._journal.log("WARN" if outcome.state is TaskState.PARTIAL else "ERROR", outcome.reason)
        try:
            ours = self._journal.ours
            self._db.transact(lambda db: tasks.conclude(db, self._settings.task, outcome, ours=ours))
        except SyncError:
            _log.exception("The outcome could not be written.")
            return False
        return True


def _broken(reason: str) -> Outcome:
    return Outcome(TaskState.FAILED, reason=reason, description=f"ERROR: {reason}")
