"""Ends a task: the row first, then the pod. The first conclusion wins, so a cancel may come too late."""

import logging
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from common import cluster
from common.cluster import data_plane
from common.errors import NotFound, SyncError
from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, TaskState, adoption, outcomes, tasks
from common.store.tasks import StoredTask
from common.tasks.requests import CancelQuery

if TYPE_CHECKING:
    from common.tasks import answers

_log = logging.getLogger(__name__)

REASON = outcomes.CANCELLED_REASON
_ELSEWHERE = (
    "The task's pod is in another data plane, {data_plane}, and is not stopped from here: its sidecar sees the cancel "
    "and ends within seconds, and the next sweep of that data plane removes the pod."
)


class Cancelled(Struct, frozen=True):
    """The task's state now; FAILED, SUCCESS or PARTIAL if it was over before."""

    task_id: str
    state: TaskState
    elsewhere: str = ""
    """The data plane of its pod, if that is another one than ours and the pod still has to be stopped."""

    def answer(self) -> "answers.Cancelled":
        """Return the body of the answer."""
        body: answers.Cancelled = {"ok": True, "status": "ok", "taskId": self.task_id, "state": self.state}
        if self.elsewhere:
            body["note"] = _ELSEWHERE.format(data_plane=self.elsewhere)
        return body


def cancel(query: CancelQuery, settings: Settings) -> Cancelled:
    """Cancel a task that goes on, in any data plane; one that is over stays as it is. Safe to repeat.

    Raise NotFound.
    """
    here = data_plane.of(settings)
    with Database(settings.require_database_url(), settings.database_schema) as db:
        stored = db.transact(lambda db: _conclude(db, query, here))
    if stored.state is not TaskState.CANCELLED:
        return Cancelled(query.task_id, stored.state)
    if stored.data_plane not in {None, here}:
        # That the pod is not seen here proves nothing. Its sidecar and its data plane's sweep go by the row.
        return Cancelled(query.task_id, stored.state, elsewhere=stored.data_plane or "")
    _stop_pod(stored, settings)
    return Cancelled(query.task_id, stored.state)


def _conclude(db: Database, query: CancelQuery, here: str) -> StoredTask:
    """In one transaction: CANCELLED in both tables, unless something else was first."""
    stored = tasks.find(db, query.task_id)
    if stored is None:
        adoption.adopt(db, {query.task_id: None}, here)
        stored = tasks.find(db, query.task_id)
    if stored is None:
        raise NotFound("No task has this taskId; GET /tasks lists them.")
    given = ((query.package, stored.task.package), (query.sync_id, stored.task.sync_id))
    if any(wanted not in {"", found} for wanted, found in given):
        raise NotFound("No task has this taskId, package and syncId; GET /tasks lists them.")
    if stored.state.final:
        return stored
    # The rows of a spec and a check have no word for it but FAILED.
    failed = stored.task.command in {Command.SPEC, Command.CHECK}
    outcome = Outcome(
        TaskState.CANCELLED,
        reason=REASON,
        description=f"FAILED: {REASON}" if failed else REASON,
        failure=Failure(FailureKind.CANCELLED, REASON),
    )
    # Whichever attempt it is by now: a cancel comes before a pending one.
    if outcomes.conclude(db, structs.replace(stored.task, attempt=0), outcome):
        _log.info("Task cancelled.", extra={"action": "cancel", "task_id": query.task_id})
        return structs.replace(stored, state=TaskState.CANCELLED)
    return tasks.find(db, query.task_id) or stored


def _stop_pod(stored: StoredTask, settings: Settings) -> None:
    """Ask for the pod's end, with time to save what is acknowledged. If that fails, a sweep does it."""
    try:
        where = cluster.connect(settings)
        pod = where.get_pod(stored.pod_name)
        if pod is not None and pod.is_ours and not pod.is_ending:
            where.delete_pod(pod.name, pod.uid, settings.container_grace_shutdown_seconds)
    except SyncError as error:
        about = {"action": "cancel", "task_id": stored.task.task_id}
        _log.warning("A cancelled task's pod is left to the sweep: %s", error, extra=about)
