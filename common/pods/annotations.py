"""What a pod tells of its task: written with the pod, read by a sweep that finds no row."""

from typing import Any

from common.pods import explain, scripts
from common.protocol.commands import Command
from common.store.tasks import Task


def build(task: Task, prefix: str) -> dict[str, str]:
    """What a sweep knows a task by; empty ones are left out."""
    values = {
        "TaskID": task.task_id,
        "TaskType": str(task.command),
        "SyncID": task.sync_id,
        "StorageKey": task.storage_key,
        "Package": task.package,
        "PackageVersion": task.version,
        "TableNamePrefix": prefix,
        "StartedBy": task.started_by,
        "StartedAt": scripts.rfc3339(task.started_at),
        "Attempt": str(task.attempt) if task.attempt > 1 else "",
    }
    return {key: value for key, value in values.items() if value}


def parse(pod: dict[str, Any]) -> Task | None:
    """The task that a pod runs; None where its annotations cannot be read."""
    notes = pod["metadata"].get("annotations") or {}
    # An unreadable time stamp must not stand for "now": the task would never time out.
    created = explain.unix_seconds(pod["metadata"].get("creationTimestamp"), 0)
    try:
        return Task(
            command=Command(notes["TaskType"]),
            task_id=notes.get("TaskID", ""),
            package=notes["Package"],
            version=notes["PackageVersion"],
            sync_id=notes.get("SyncID", ""),
            storage_key=notes.get("StorageKey", ""),
            started_by=notes.get("StartedBy", ""),
            started_at=int(explain.unix_seconds(notes.get("StartedAt"), created)),
            attempt=int(notes.get("Attempt", "1")),
        )
    except (KeyError, ValueError):
        return None
