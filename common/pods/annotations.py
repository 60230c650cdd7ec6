"""A pod's annotations name its task: written with the pod, read by a sweep that finds no row."""

from common.cluster.objects import Pod
from common.pods import explain, scripts
from common.protocol.commands import Command
from common.store.tasks import Task


def build(task: Task, prefix: str) -> dict[str, str]:
    """Return the annotations of a task's pod; empty ones are left out."""
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


def parse(pod: Pod) -> Task | None:
    """Return the task that a pod runs, or None if its annotations cannot be read."""
    notes = pod.metadata.annotations
    # An unreadable time stamp must not stand for "now": the task would never time out.
    created = explain.unix_seconds(pod.metadata.creation_timestamp, 0)
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
