"""Declared syncs as cluster tests make, run and watch them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from tests.cluster import kube
from tests.cluster.kube import TASKS
from tests.cluster.stack import TEST, TEST_VERSION, Stack

API = "sync-functions.dev/v1alpha1"


def document(name: str = "", **spec: Any) -> dict[str, Any]:
    """A sync of the test connector, under a name that nothing else has."""
    name = name or f"sync-{uuid4().hex[:8]}"
    given = {"image": f"{TEST}:{TEST_VERSION}", "config": {"do": "rows"}, "prefix": f"{name.replace('-', '_')}_"}
    return {"apiVersion": API, "kind": "Sync", "metadata": {"name": name, "namespace": TASKS}, "spec": given | spec}


@contextmanager
def declared(**spec: Any) -> Iterator[str]:
    """Such a sync, applied for the length of the block; its name."""
    sync = document(**spec)
    name = str(sync["metadata"]["name"])
    kube.apply(sync)
    try:
        yield name
    finally:
        kube.kubectl("delete", "sync", name, "-n", TASKS, "--ignore-not-found")


@contextmanager
def secret(**values: str) -> Iterator[str]:
    """A Secret that syncs may refer to, for the length of the block; its name."""
    name = f"credentials-{uuid4().hex[:8]}"
    keep(name, **values)
    try:
        yield name
    finally:
        kube.kubectl("delete", "secret", name, "-n", TASKS)


def keep(name: str, **values: str) -> None:
    """Gives a Secret these values."""
    kube.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": TASKS}, "stringData": values}
    )


def reference(name: str, key: str = "password") -> dict[str, Any]:
    """What stands for a value in a configuration."""
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


def run(deployed: Stack, name: str, **query: str) -> str:
    """Starts a run by hand; its task."""
    answer = deployed.call("syncs", "POST", path=f"/{name}/run", **query)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["taskId"])


def runs(deployed: Stack, name: str) -> list[dict[str, Any]]:
    """The reads of a sync, the oldest first."""
    columns = "task_id, state, reason, failure, attempt, awaits, moment, created_at, started_by"
    query = f"SELECT {columns} FROM syncctl.syncctl_task WHERE sync_id = '{name}' AND command = 'read'"
    return deployed.rows(f"{query} ORDER BY created_at")


def ended(deployed: Stack, task_id: str, seconds: float = 150) -> dict[str, Any]:
    """The row of a run, once it is final."""
    query = (
        f"SELECT state, reason, failure FROM syncctl.syncctl_task WHERE task_id = '{task_id}' AND finished_at <= now()"
    )
    [row] = kube.wait_for(f"the run {task_id} ends", lambda: deployed.rows(query), seconds)
    return row


def log(deployed: Stack, task_id: str) -> str:
    """What a task's log has."""
    return json.dumps(deployed.rows(f"SELECT message FROM newjitsu.task_log WHERE task_id = '{task_id}'"))


def status(name: str) -> dict[str, Any]:
    """The status of a sync as its object has it."""
    found = kube.get("sync", name)
    return dict((found or {}).get("status") or {})
