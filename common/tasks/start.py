"""Starts a task: its row, then its pod, then its Secret. Safe to repeat after any interruption."""

import logging
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from msgspec import Struct, structs

from common import cluster, images
from common.cluster import Cluster, data_plane
from common.cluster.objects import Pod
from common.errors import Conflict, QuotaExceeded, SyncError, TimedOut, TooLarge, Unavailable
from common.failures import Failure, FailureKind
from common.pods import manifest
from common.pods.manifest import Payload
from common.protocol import catalogs, messages, references, resume, saved
from common.protocol.commands import Command
from common.protocol.states import refuse_shared
from common.settings import Settings
from common.store import (
    Database,
    Outcome,
    Task,
    TaskRow,
    TaskState,
    adoption,
    dsn,
    outcomes,
    state_changes,
    states,
    tasks,
)
from common.store.adoption import ReadElsewhere
from common.store.encryption import Keys
from common.store.waiting import Waits, WaitsFor
from common.tasks import full_sync
from common.tasks.cancel import cancel
from common.tasks.requests import CancelQuery, NewTask

if TYPE_CHECKING:
    from common.tasks import answers

_log = logging.getLogger(__name__)

MAY_PASS = (QuotaExceeded, Unavailable, TimedOut)
CREATE_FAILED = "CREATE_FAILED: "
"""The caller's console shows this word for a task whose pod could not be created (contract.md B)."""
WAITS = "The pod waits: "
"""How a pending task's reason begins while its pod exists."""


class Started(Struct, frozen=True):
    """An accepted task; `started_at` in Unix seconds is the timestamp of its rows."""

    task_id: str
    started_at: int

    def answer(self) -> "answers.Started":
        """Return the body of the answer."""
        return {"ok": True, "status": "ok", "taskId": self.task_id, "startedAt": self.started_at}


def start(new: NewTask, settings: Settings) -> Started:
    """Accept a task and create its pod, or raise a SyncError and leave a row that says why.

    The same taskId with the same request is answered as the first time; raise Conflict for another request.
    """
    images.check_allowed(new.package, settings.allowed_images)
    if settings.sidecar_database_url is not None:
        dsn.check(settings.require_sidecar_database_url(), "SYNCCTL_SIDECAR_DATABASE_URL")
    task, here = _task_of(new), data_plane.of(settings)
    with Database(settings.require_database_url(), settings.database_schema) as db:
        task, payload, row, created = _take_slot(db, task, new, settings)
        answer = Started(row.task_id, row.started_at)
        if not created and not _may_lack_pod(row, here):
            return answer
        make_pod(db, task, payload, settings, new.table_name_prefix)
    _log.info("Task accepted.", extra={"action": "start", "task_id": task.task_id})
    return answer


def _task_of(new: NewTask) -> Task:
    task_id = new.task_id or str(uuid4())
    return Task(new.command, task_id, new.package, new.version, new.sync_id, new.storage_key, new.started_by)


def _take_slot(db: Database, task: Task, new: NewTask, settings: Settings) -> tuple[Task, Payload, TaskRow, bool]:
    """Begin a task, in the place of a read that its caller has given up."""
    here, keys = data_plane.of(settings), Keys(settings.encryption_keys)
    try:
        return db.transact(lambda db: _begin(db, task, new, here, keys))
    except Conflict:
        if new.command is not Command.READ:
            raise
        given_up = db.transact(lambda db: tasks.given_up(db, task, ignore_running=new.ignore_running))
        if given_up is None:
            raise
    cancel(CancelQuery(given_up), settings)
    return db.transact(lambda db: _begin(db, task, new, here, keys))


def _may_lack_pod(row: TaskRow, here: str) -> bool:
    """Whether a repeated request has to look for the task's pod. Raise Conflict if it cannot help."""
    if row.state is TaskState.FAILED and not row.ran:
        raise Conflict(f"Task {row.task_id} could not be started before: {row.reason.rstrip('.')}. Use a new taskId.")
    if row.state is not TaskState.PENDING or row.attempt > 1:
        return False
    if row.data_plane in {None, here}:
        return True
    # A second pod here would run beside the one of the other data plane.
    if row.reason and not row.reason.startswith(WAITS):
        raise Conflict(
            f"Task {row.task_id} was started in another data plane, {row.data_plane}, and has no pod there yet: "
            f"{row.reason.rstrip('.')}. Repeat the request there, or cancel the task and use a new taskId."
        )
    return False


def _begin(db: Database, task: Task, new: NewTask, here: str, keys: Keys) -> tuple[Task, Payload, TaskRow, bool]:
    """In one transaction: check what the connector will be given, and write the task's rows."""
    payload, others = Payload(new.config, new.catalog, new.state, new.options, new.resolve), list[ReadElsewhere]()
    digest = manifest.request_hash(task, payload, new.table_name_prefix, full_sync=new.full_sync, forget=new.forget)
    given_hash = None if new.config is None else messages.config_hash(new.config)
    if new.command is Command.READ:
        refuse_shared(catalogs.decode_catalog(new.catalog or b'{"streams":[]}'), new.table_name_prefix)
        state_changes.lock(db, new.sync_id)
        others = adoption.elsewhere(db, new.sync_id)
        payload = structs.replace(payload, state=_state(db, new))
    payload = _with_kept_config(db, new, payload, keys)
    row, created = tasks.begin(
        db,
        task,
        pod_name=manifest.pod_name(task),
        request_hash=digest,
        given_hash=given_hash,
        prefix=new.table_name_prefix,
        data_plane=here,
    )
    if row is None:
        raise Conflict("Another task of the same kind has just ended; repeat the request.")
    if not created and (row.request_hash != digest or (task.sync_id and row.task_id != task.task_id)):
        raise Conflict(_in_the_way(task, row, here))
    if created and others:
        raise Conflict(_beside(others[0], new.sync_id))
    if created and new.full_sync:
        full_sync.forget(db, new)
    return structs.replace(task, task_id=row.task_id, started_at=row.started_at), payload, row, created


def _with_kept_config(db: Database, new: NewTask, payload: Payload, keys: Keys) -> Payload:
    """Return the payload with what a connector has made of its configuration in an earlier task (CONTROL).

    The caller cannot shorten that: where it does not fit beside the rest, the caller's own is used. Raise TooLarge if
    not even that fits.
    """
    config = new.config and states.kept_config(db, new.package, new.config, keys)
    if new.resolve and new.config and config and references.refers_to_others(config, new.config):
        config = new.config  # the sidecar keeps none such: it comes from somewhere else
    if config != new.config:
        kept = structs.replace(payload, config=config)
        with suppress(TooLarge):
            manifest.check_size(kept)
            return kept
        _log.warning("A configuration that a connector has changed does not fit.", extra={"action": "start"})
    manifest.check_size(payload)
    return payload


def given(db: Database, new: NewTask, keys: Keys) -> Payload:
    """Return what a read's connector is given now. Raise TooLarge or Refused if that is not possible."""
    payload = Payload(new.config, new.catalog, new.state, new.options, new.resolve)
    return _with_kept_config(db, new, structs.replace(payload, state=_state(db, new)), keys)


def _in_the_way(task: Task, row: TaskRow, here: str) -> str:
    at = "" if row.data_plane in {None, here} else f" in another data plane ({row.data_plane})"
    if row.task_id == task.task_id:
        return (
            f"Task {row.task_id} exists already, with another request ({row.state}{at}, started {row.age_seconds} s "
            "ago); use a new taskId."
        )
    what = f"Sync {task.sync_id}" if task.command is Command.READ else f"A {task.command} for this storageKey"
    return (
        f"{what} already runs{at}: task {row.task_id} is {row.state} and was started {row.age_seconds} s ago; wait "
        "for its end, or cancel it."
    )


def _state(db: Database, new: NewTask) -> bytes:
    """Return the caller's state unchanged; without one the saved states, as far as they can be resumed from."""
    if new.state is not None:
        return new.state
    if new.catalog is None or (new.full_sync and not new.forget):
        return b"{}"
    catalog = catalogs.decode_catalog(new.catalog)
    keys = {stream.id.key for stream in catalog.streams if stream.incremental}
    with states.loading(db, new.sync_id, keys) as found:
        left = saved.without(dict(found), new.forget) if new.full_sync else dict(found)
        return resume.resume_states(catalog, left.items()) or b"{}"


def _beside(read: ReadElsewhere, sync_id: str) -> str:
    return (
        f"Sync {sync_id} runs under another controller: task {read.task.task_id} is RUNNING in source_task, and was "
        f"touched {read.idle_seconds} s ago. A sweep takes it over if its pod is here, and fails it once its row was "
        "not touched for SYNCCTL_ABANDONED_ROW_SECONDS; wait for its end, or cancel it."
    )


def make_pod(db: Database, task: Task, payload: Payload, settings: Settings, prefix: str) -> None:
    """Create the pod, or note in the task's row why there is none."""
    try:
        where = cluster.connect(settings)
        pod = ensure_pod(where, task, payload, settings, prefix)
    except MAY_PASS as error:
        # The row stays PENDING: the same request, repeated, goes on from what exists. If none comes, a sweep fails it.
        kind = WaitsFor.QUOTA if isinstance(error, QuotaExceeded) else WaitsFor.CLUSTER
        waits = {task.task_id: Waits(kind, error.message)}
        db.transact(lambda db: tasks.note_waits(db, waits))
        raise
    except SyncError as error:
        text = f"{CREATE_FAILED}{error.message}"
        failure = Failure(FailureKind.CREATE_FAILED, error.message)
        outcome = Outcome(TaskState.FAILED, reason=text, description=text, failure=failure)
        db.transact(lambda db: outcomes.conclude(db, task, outcome))
        raise
    _withdraw_if_over(db, where, task, pod, settings.container_grace_shutdown_seconds)


def _withdraw_if_over(db: Database, where: Cluster, task: Task, pod: Pod, grace_seconds: int) -> None:
    """Delete the pod of a task that was cancelled before the pod was there to be stopped."""
    try:
        if db.transact(lambda db: tasks.is_over(db, task)):
            where.delete_pod(pod.name, pod.uid, grace_seconds)
    except SyncError as error:
        about = {"action": "start", "task_id": task.task_id}
        _log.warning("Whether a task was cancelled is left to the sweep: %s", error, extra=about)


def ensure_pod(where: Cluster, task: Task, payload: Payload, settings: Settings, prefix: str) -> Pod:
    """Create what is missing of a task's pod and Secret, and return the pod. Safe to repeat after any interruption."""
    wanted = manifest.pod(task, payload, settings, prefix=prefix)
    try:
        pod = where.create_pod(wanted)
    except Conflict:
        found = where.get_pod(wanted["metadata"]["name"])
        if found is None or found.is_ending:
            raise Unavailable("An earlier pod of this task is still ending; repeat the request.") from None
        if found.task_id != task.task_id:
            raise
        pod = found
    try:
        where.create_secret(manifest.secret(task, payload, settings, pod.uid))
    except Conflict:
        return pod
    except MAY_PASS:
        raise  # the pod waits for its Secret, and a repeat brings it
    except SyncError:
        where.delete_pod(pod.name, pod.uid, 1)
        raise
    return pod
