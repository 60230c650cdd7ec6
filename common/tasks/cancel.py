"""Ends a task: the row first, then the pod. Whoever concludes a task first wins, so a cancel may come too late."""

import logging
from typing import Any

from msgspec import Struct

from common import cluster
from common.cluster import data_plane
from common.errors import NotFound, SyncError
from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes
from common.store.database import Row
from common.tasks.requests import CancelQuery

_log = logging.getLogger(__name__)

REASON = "The task was cancelled."
_ELSEWHERE = (
    "The task's pod is in another data plane, {data_plane}, and is not stopped from here: its sidecar sees the cancel "
    "and ends within seconds, and the next sweep of that data plane removes the pod."
)


class Cancelled(Struct, frozen=True):
    """The task's state now; FAILED, SUCCESS or PARTIAL where it was over before."""

    task_id: str
    state: TaskState
    elsewhere: str = ""
    """The data plane of its pod, if that is another one than ours and the pod still has to be stopped."""

    def answer(self) -> dict[str, Any]:
        """As callers get it."""
        said = {"ok": True, "status": "ok", "taskId": self.task_id, "state": str(self.state)}
        return said | ({"note": _ELSEWHERE.format(data_plane=self.elsewhere)} if self.elsewhere else {})


def cancel(query: CancelQuery, settings: Settings) -> Cancelled:
    """Cancels a task that goes on, wherever; one that is over stays as it is. Safe to repeat. Raises NotFound."""
    with Database(settings.require_database_url()) as db:
        row, state = db.transact(lambda db: _conclude(db, query))
    if state is not TaskState.CANCELLED:
        return Cancelled(query.task_id, state)
    if row["data_plane"] not in {None, data_plane.of(settings)}:
        # That it is not seen here tells nothing. Its sidecar and its data plane's sweep go by the row.
        return Cancelled(query.task_id, state, elsewhere=row["data_plane"])
    _stop_pod(row, settings)
    return Cancelled(query.task_id, state)


def _conclude(db: Database, query: CancelQuery) -> tuple[Row, TaskState]:
    """In one transaction: CANCELLED in both tables, unless something else was first."""
    found = db.run("task_to_cancel", task_id=query.task_id)
    if not found or not _is_meant(found[0], query):
        raise NotFound(
            "There is no task with this taskId, package and syncId; GET /tasks lists them."
            if found
            else "There is no task with this taskId; GET /tasks lists them."
        )
    row = found[0]
    state = TaskState(row["state"])
    if state.final:
        return row, state
    names = ("task_id", "package", "version", "sync_id", "storage_key", "started_by", "started_at")
    # Whichever attempt it is by now: a cancel comes before a pending one.
    key = Task(command=Command(row["command"]), attempt=0, **{name: row[name] for name in names})
    # The rows of a spec and a check have no word for it but FAILED.
    failed = key.command in {Command.SPEC, Command.CHECK}
    outcome = Outcome(
        TaskState.CANCELLED,
        reason=REASON,
        description=f"FAILED: {REASON}" if failed else REASON,
        failure=Failure(FailureKind.CANCELLED, REASON),
    )
    if outcomes.conclude(db, key, outcome):
        _log.info("Task cancelled.", extra={"action": "cancel", "task_id": key.task_id})
        return row, TaskState.CANCELLED
    return row, TaskState(db.run("task_to_cancel", task_id=query.task_id)[0]["state"])


def _is_meant(row: Row, query: CancelQuery) -> bool:
    given = ((query.package, row["package"]), (query.sync_id, row["sync_id"]))
    return all(wanted in {"", found} for wanted, found in given)


def _stop_pod(row: Row, settings: Settings) -> None:
    """Asks for the pod's end, with time to save what is acknowledged. Where that fails, a sweep does it."""
    try:
        where = cluster.connect(settings)
        pod = where.get_pod(row["pod_name"])
        if pod is not None and pod.is_ours and not pod.is_ending:
            where.delete_pod(pod.name, pod.uid, settings.container_grace_shutdown_seconds)
    except SyncError as error:
        _log.warning(
            "A cancelled task's pod is left to the sweep: %s",
            error,
            extra={"action": "cancel", "task_id": row["task_id"]},
        )
