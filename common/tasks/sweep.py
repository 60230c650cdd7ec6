"""Looks at every task pod and every unfinished row, and repairs both ways. Any number may run at once."""

import logging
from typing import Any

from msgspec import Struct

from common import cluster
from common.cluster import Cluster
from common.commands import Command
from common.errors import SyncError
from common.pods import diagnosis
from common.pods.diagnosis import Limits, Verdict
from common.settings import Settings
from common.store import Database, Outcome, TaskKey, TaskState, tasks
from common.store.database import Row

_log = logging.getLogger(__name__)

_MISSING_GRACE_SECONDS = 30.0
"""How long a row may be without a pod: its request may still be making it, a list may be stale."""
_LOG_LINES = 50
_DELETE_GRACE_SECONDS = 8
_ALARMS = ("error", "panic", "errstd", "fatal", "exception")


class Swept(Struct, frozen=True):
    """What a sweep saw and did."""

    pods: int = 0
    concluded: int = 0
    deleted: int = 0
    unreadable: int = 0
    orphaned_rows: int = 0


def sweep(settings: Settings) -> Swept:
    """One look at everything. A trouble with one pod is counted and does not keep the others waiting."""
    where = cluster.connect(settings)
    limits = Limits(
        init_seconds=settings.container_init_timeout_seconds, task_seconds=settings.task_timeout_hours * 3600
    )
    seen: set[str] = set()
    concluded = deleted = unreadable = 0
    with Database(settings.require_database_url()) as db:
        now = float(db.transact(lambda db: db.run("database_now"))[0]["now"])
        rows = {row["task_id"]: row for row in db.transact(lambda db: db.run("active_tasks"))}
        for pod in where.list_pods():
            seen.add(pod["metadata"]["name"])
            try:
                outcome = _look(where, db, pod, now, limits, rows)
            except SyncError:
                _log.exception("A pod could not be swept.", extra={"action": "sweep", "pod": pod["metadata"]["name"]})
                unreadable += 1
                continue
            concluded += outcome[0]
            deleted += outcome[1]
        orphans = [row for row in rows.values() if row["pod_name"] not in seen]
        lost = sum(_without_pod(where, db, row) for row in orphans)
    return Swept(len(seen), concluded, deleted, unreadable, lost)


def _look(
    where: Cluster, db: Database, pod: dict[str, Any], now: float, limits: Limits, rows: dict[str, Row]
) -> tuple[bool, bool]:
    """Judges one pod; writes first, deletes after. Returns (concluded, deleted)."""
    key = task_of(pod)
    verdict = diagnosis.judge(pod, now, limits)
    if verdict is None:
        row = rows.get(key.task_id)
        if row is not None and row["state"] == TaskState.PENDING and pod.get("status", {}).get("phase") == "Running":
            db.transact(lambda db: db.run("mark_running", task_id=key.task_id))
        orphan = row is None and db.transact(lambda db: db.run("task_is_terminal", task_id=key.task_id))
        if orphan:
            _delete(where, pod)
        return False, bool(orphan)
    concluded = db.transact(lambda db: tasks.conclude(db, key, _outcome(where, pod, key, verdict)))
    _delete(where, pod)
    return concluded, True


def _outcome(where: Cluster, pod: dict[str, Any], key: TaskKey, verdict: Verdict) -> Outcome:
    reason = verdict.reason
    if verdict.clean_end:
        reason = f"{reason} The task ended without writing its result."
    tail = _tail(where, pod, verdict.wants_log) if verdict.wants_log else ""
    text = f"{reason}\n{tail}" if tail else reason
    # A check's description starts with FAILED too: its console shows the text as it is (contract.md B).
    description = text if key.command is Command.DISCOVER else f"{verdict.prefix}: {text}"
    return Outcome(TaskState.FAILED, reason=text, description=description)


def _tail(where: Cluster, pod: dict[str, Any], container: str) -> str:
    """The end of a container's log, from the first line that sounds like trouble."""
    try:
        raw = where.read_log(pod["metadata"]["name"], container, _LOG_LINES)
    except SyncError:
        return ""
    lines = raw.decode("utf-8", "replace").splitlines()
    alarms = [at for at, line in enumerate(lines) if any(word in line.lower() for word in _ALARMS)]
    return "\n".join(lines[alarms[0] if alarms else max(len(lines) - 10, 0) :]).strip()


def _without_pod(where: Cluster, db: Database, row: Row) -> bool:
    """Fails a row whose pod is gone, once it is certain: not fresh, and not there when asked by name."""
    if row["age_seconds"] < _MISSING_GRACE_SECONDS or where.get_pod(row["pod_name"]) is not None:
        return False
    pending = row["state"] == TaskState.PENDING
    text = (
        "The task's pod was never created; start the task again."
        if pending
        else "The task's pod is gone: it was deleted from outside, or lost with its node. Start the task again."
    )
    key = TaskKey(
        command=Command(row["command"]),
        **{name: row[name] for name in ("task_id", "package", "version", "sync_id", "storage_key", "started_by")},
        started_at=row["started_at"],
    )
    outcome = Outcome(TaskState.FAILED, reason=text, description=f"FAILED: {text}")
    return db.transact(lambda db: tasks.conclude(db, key, outcome))


def task_of(pod: dict[str, Any]) -> TaskKey:
    """The task a pod runs, from its annotations; raises SyncError where they cannot be read."""
    notes = pod["metadata"].get("annotations") or {}
    try:
        # An unreadable time stamp must not stand for "now": the task would never time out.
        created = diagnosis.unix_seconds(pod["metadata"].get("creationTimestamp"), 0)
        return TaskKey(
            command=Command(notes["TaskType"]),
            task_id=notes.get("TaskID", ""),
            package=notes["Package"],
            version=notes["PackageVersion"],
            sync_id=notes.get("SyncID", ""),
            storage_key=notes.get("StorageKey", ""),
            started_by=notes.get("StartedBy", ""),
            started_at=int(diagnosis.unix_seconds(notes.get("StartedAt"), created)),
        )
    except (KeyError, ValueError) as error:
        raise SyncError(f"The annotations of pod {pod['metadata']['name']} cannot be read: {error}.") from error


def _delete(where: Cluster, pod: dict[str, Any]) -> None:
    where.delete_pod(pod["metadata"]["name"], pod["metadata"]["uid"], _DELETE_GRACE_SECONDS)
