"""A pod's annotations name its task, for a sweep that finds no row; its labels repeat that for people."""

import hashlib
import re

from common import VERSION
from common.cluster.objects import LABELS, Pod
from common.pods import explain, scripts
from common.pods.options import NO_OPTIONS, Options
from common.protocol.commands import Command
from common.store.tasks import Task

_STAYS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
"""A node that is only half used is not given up while a task runs there: its pod would have to begin again."""
_LABEL_CHARACTERS = 63
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def labels(task: Task) -> dict[str, str]:
    """Return the labels of a task's pod and Secrets: ours, the standard ones, and what `kubectl get -l` looks for."""
    own = {"command": str(task.command), "sync": task.sync_id, "task": task.task_id}
    standard = {"name": "sync-functions", "component": "task", "part-of": "sync-functions", "version": VERSION}
    return {
        **LABELS,
        **{f"app.kubernetes.io/{key}": value for key, value in (standard | {"managed-by": "sync-functions"}).items()},
        **{f"sync-functions/{key}": label_value(value) for key, value in own.items() if value},
    }


def label_value(text: str) -> str:
    """Return a text as a label's value: itself if that is legal, else the legal part of its start and a hash of it."""
    if _LABEL.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[: _LABEL_CHARACTERS - len(digest) - 1].strip("-._")
    return f"{words}-{digest}" if words else digest


def build(task: Task, prefix: str, options: Options = NO_OPTIONS) -> dict[str, str]:
    """Return the annotations of a task's pod; empty ones are left out."""
    limits = {"Retries": options.retries, "TimeoutHours": options.timeout_hours}
    limits |= {"StallTimeoutSeconds": options.stall_timeout_seconds}
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
        **{key: "" if value is None else str(value) for key, value in limits.items()},
    }
    return {key: value for key, value in values.items() if value} | _STAYS


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


def retries(pod: Pod) -> int | None:
    """Return how often a pod's task may be started again, if its sync says so."""
    return None if (found := _number(pod, "Retries")) is None else int(found)


def timeout_seconds(pod: Pod) -> float | None:
    """Return how long a pod's task may run, if its sync says so."""
    return None if (found := _number(pod, "TimeoutHours")) is None else found * 3600


def stall_seconds(pod: Pod) -> float | None:
    """Return how long a pod's connector may be silent, if its sync says so; 0: without limit."""
    return _number(pod, "StallTimeoutSeconds")


def _number(pod: Pod, key: str) -> float | None:
    """What somebody has changed into no number counts as absent."""
    text = pod.metadata.annotations.get(key, "")
    return float(text) if _NUMBER.fullmatch(text) else None
