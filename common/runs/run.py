"""One run of a declared sync, from its row to its pod.

    begin: the read's row, PENDING; it `awaits` a discovery (one that is young enough may be there already)
      |  go_on, while the discovery is missing or has no pod: start it; after one that failed of what may pass, another
      |  go_on, once it has succeeded: `prepare` writes what the read is given, and its pod is made as `start` does
    release: the row awaits nothing, and its pod is judged like any other

Every step may be repeated, by several sweepers at once: ids are deterministic, and the row is locked while it changes.
A row that waits has no pod, so no sweep takes it for lost; a cancel concludes it like any other.
"""

import logging
import secrets
from datetime import UTC, datetime

from common import images
from common.cluster import data_plane
from common.errors import Conflict, Refused, TooLarge
from common.failures import Failure, FailureKind
from common.pods import manifest
from common.protocol.commands import Command
from common.runs import discovery, request
from common.runs.catalog import NotOffered, check_only
from common.runs.declared import Declared, Invalid
from common.runs.due import Start
from common.runs.prepare import prepare
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, adoption, outcomes, runs, tasks
from common.store.encryption import Keys
from common.store.runs import BEGUN, WaitingRun, Wanted
from common.tasks.start import CREATE_FAILED, MAY_PASS, Started, make_pod

_log = logging.getLogger(__name__)


def begin(one: Declared, how: Start, wanted: Wanted, settings: Settings) -> Started:
    """Begin a run and do what can be done of it now; a sweep does the rest.

    A repetition is answered as the first time. Raise Conflict if the sync runs already, or if that task is another
    one, NotOffered if it selects streams of which a wanted one is not, and whatever `start` raises.
    """
    images.check_allowed(one.image.package, settings.allowed_images)
    here = data_plane.of(settings)
    task = Task(
        Command.READ,
        how.task_id,
        one.image.package,
        one.image.version,
        one.sync_id,
        started_by=request.started_by(one, how),
    )
    with Database(settings.require_database_url(), settings.database_schema) as db:
        started, created = db.transact(lambda db: _begin(db, one, task, how, wanted, here))
        if created:
            about = {"action": "run", "task_id": how.task_id, "sync": one.name, "trigger": str(how.trigger)}
            _log.info("Run begun.", extra=about)
        for waiting in db.transact(lambda db: runs.waiting(db, here, how.task_id)):
            _go_on(db, waiting, one, settings)
    return started


def by_hand(name: str) -> str:
    """Return the id of a run that nothing else names."""
    return f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def go_on(waiting: WaitingRun, one: Declared | Invalid | None, settings: Settings) -> None:
    """Do the next step of a run that waits; `one`: its document now. Raise what may pass; a repetition goes on."""
    with Database(settings.require_database_url(), settings.database_schema) as db:
        _go_on(db, waiting, one, settings)


def can_go_on(waiting: WaitingRun, one: Declared | Invalid | None) -> bool:
    """Return whether a run that waits has a next step; else its discovery goes on."""
    goes_on = waiting.found_state is not None and not waiting.found_state.final and not discovery.lacks_pod(waiting)
    unchanged = isinstance(one, Declared) and waiting.found_key == one.storage_key
    return waiting.state is TaskState.RUNNING or not (goes_on and unchanged)


def _begin(db: Database, one: Declared, task: Task, how: Start, wanted: Wanted, here: str) -> tuple[Started, bool]:
    awaits = runs.discovery(db, task.package, task.version, one.storage_key, one.discover_hours)
    awaits = awaits or discovery.first_id(task.task_id)
    row, created = tasks.begin(
        db,
        task,
        pod_name=manifest.pod_name(task),
        request_hash=BEGUN,
        prefix=one.spec.prefix or "",
        data_plane=here,
    )
    if row is None:
        raise Conflict("Another task of the same kind has just ended; repeat the request.")
    if not created:
        if row.task_id == task.task_id and runs.wanted(db, task.task_id) == wanted:
            return Started(row.task_id, row.started_at), False
        raise Conflict(_in_the_way(one, task, row))
    check_only(one.spec.streams, wanted.streams)
    if others := adoption.elsewhere(db, task.sync_id):
        raise Conflict(
            f"Sync {task.sync_id} runs under another controller: task {others[0].task.task_id} is RUNNING in "
            "source_task; wait for its end, or cancel it."
        )
    runs.begin(db, task.task_id, wanted, awaits, discovery.WAITS.format(awaits), how.moment)
    return Started(row.task_id, row.started_at), True


def _in_the_way(one: Declared, task: Task, row: tasks.TaskRow) -> str:
    if row.task_id == task.task_id:
        return f"Task {row.task_id} exists already, with another request ({row.state}); use a new taskId."
    return (
        f"Sync {one.name} already runs: task {row.task_id} is {row.state} and was started {row.age_seconds} s ago; "
        "wait for its end, or cancel it."
    )


def _go_on(db: Database, waiting: WaitingRun, one: Declared | Invalid | None, settings: Settings) -> None:
    if waiting.state is TaskState.RUNNING:  # its pod reports: the process that made it died before the last step
        db.transact(lambda db: runs.release(db, waiting.task.task_id))
    elif one is None:
        text = f"The sync {waiting.wanted.sync} was deleted before its run had begun."
        _end(db, waiting.task, TaskState.CANCELLED, Failure(FailureKind.CANCELLED, text))
    elif isinstance(one, Invalid):
        _end(db, waiting.task, TaskState.FAILED, Failure(FailureKind.CREATE_FAILED, f"The sync cannot run: {one.why}"))
    elif waiting.found_state is TaskState.SUCCESS and waiting.found_key == one.storage_key:
        _read(db, waiting, one, settings)
    elif failure := discovery.discover(db, waiting, one, settings):
        _end(db, waiting.task, TaskState.FAILED, failure)


def _read(db: Database, waiting: WaitingRun, one: Declared, settings: Settings) -> None:
    """Hand the run to a pod."""
    task = waiting.task
    try:
        ready = db.transact(lambda db: prepare(db, waiting, one, Keys(settings.encryption_keys)))
    except (Refused, TooLarge) as error:
        kind = FailureKind.NOT_OFFERED if isinstance(error, NotOffered) else FailureKind.CREATE_FAILED
        _end(db, task, TaskState.FAILED, Failure(kind, error.message))
        raise
    if ready is None:  # somebody else was first, or it was cancelled
        return
    try:
        make_pod(db, ready.task, ready.payload, settings, ready.new.table_name_prefix)
    except MAY_PASS as error:
        if waiting.request_hash != BEGUN and waiting.begun_seconds > settings.container_init_timeout_seconds:
            kind = FailureKind.QUOTA if "quota" in error.message else FailureKind.NOT_STARTED
            _end(db, task, TaskState.FAILED, Failure(kind, f"{CREATE_FAILED}{error.message}"))
        raise
    db.transact(lambda db: runs.release(db, task.task_id))
    _log.info("Task accepted.", extra={"action": "start", "task_id": task.task_id})


def _end(db: Database, task: Task, state: TaskState, failure: Failure) -> None:
    text = failure.message
    outcome = Outcome(state, reason=text, description=f"{state}: {text}", failure=failure)
    if db.transact(lambda db: outcomes.conclude(db, task, outcome)):
        _log.info("Run ended before it read.", extra={"action": "run", "task_id": task.task_id, "kind": failure.kind})
