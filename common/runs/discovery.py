"""The discovery that a run waits for: started, followed, and repeated after a failure that may pass."""

from common.failures import Failure, FailureKind
from common.runs import request
from common.runs.declared import Declared
from common.settings import Settings
from common.store import Database, TaskState, runs
from common.store.runs import WaitingRun
from common.tasks.start import WAITS as POD_WAITS
from common.tasks.start import start

WAITS = "Discovers streams first: task {}."
_AGAIN = "Discovers streams once more: task {}, after: {}"
_RETRY = "-retry"
_KEY_CHARACTERS = 8


def first_id(task_id: str, storage_key: str = "") -> str:
    """Return the id of a run's own discovery; with `storage_key`, of what was declared after the run had begun."""
    suffix = f"-{storage_key[-_KEY_CHARACTERS:]}" if storage_key else ""
    return f"{task_id}-discover{suffix}"


def lacks_pod(waiting: WaitingRun) -> bool:
    """Return whether the discovery has no pod yet, and its row says why: a repetition may make it."""
    reason = waiting.found_reason
    return waiting.found_state is TaskState.PENDING and bool(reason) and not reason.startswith(POD_WAITS)


def discover(db: Database, waiting: WaitingRun, one: Declared, settings: Settings) -> Failure | None:
    """Start the discovery that is missing, or another one; return why the run cannot have what it waits for.

    One of an earlier configuration or image is replaced; one that failed of what may pass is repeated, after a pause,
    as often as a read is.
    """
    if waiting.found_state is not None and waiting.found_key != one.storage_key:
        _start(db, waiting, one, settings, first_id(waiting.task.task_id, one.storage_key))
    elif waiting.found_state is None or lacks_pod(waiting):
        _start(db, waiting, one, settings, waiting.awaits)
    elif waiting.found_state.final:
        return _retry(db, waiting, one, settings)
    return None


def _retry(db: Database, waiting: WaitingRun, one: Declared, settings: Settings) -> Failure | None:
    failure = waiting.discovery_failure or Failure(FailureKind.NO_RESULT, waiting.found_reason)
    retries = settings.task_retries if one.spec.retries is None else one.spec.retries
    first, _, done = waiting.awaits.partition(_RETRY)
    number = int(done or 0) + 1
    if not failure.policy.retry or number > retries:
        return Failure(
            failure.kind, f"The discovery of its streams (task {waiting.awaits}) has failed: {failure.message}"
        )
    if (waiting.found_seconds or 0) >= settings.task_retry_pause_seconds * 2 ** (number - 1):
        own = first if first.startswith(first_id(waiting.task.task_id)) else first_id(waiting.task.task_id)
        _start(db, waiting, one, settings, f"{own}{_RETRY}{number}", failure.message)
    return None


def _start(db: Database, waiting: WaitingRun, one: Declared, settings: Settings, own: str, after: str = "") -> None:
    """Start the discovery of the image and configuration as they are now, unless there is one, or one goes on."""
    image = one.image

    def wait_for(db: Database) -> str:
        awaits = runs.discovery(db, image.package, image.version, one.storage_key, one.discover_hours) or own
        if awaits != waiting.awaits:
            reason = _AGAIN.format(awaits, after) if after else WAITS.format(awaits)
            runs.wait_for(db, waiting.task.task_id, awaits, reason)
        return awaits

    if db.transact(wait_for) == own:
        start(request.discover(one, own), settings)
