"""Our sidecar's image in a pod that the original controller made (docs/reference/contract.md C, without H)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cluster import kube
from tests.cluster.stack import FAKER, FAKER_VERSION, TEST, TEST_VERSION, Stack, catalog, deployed_settings, ids

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(300)]

NAMESPACE = "sync-original"
WAREHOUSE = "http://warehouse.sync-backing.svc.cluster.local:3042"
DATABASE = "postgresql://sync:development-only@postgres.sync-backing.svc.cluster.local:5432/sync?search_path=newjitsu&sslmode=disable"
INIT = "mkfifo /pipes/stdout; mkfifo /pipes/stderr; cp /configmap/* /config/"
SOURCE = (
    'eval "$AIRBYTE_ENTRYPOINT read --config /config/config.json --catalog /config/catalog.json '
    '--state /config/state.json" 2> /pipes/stderr > /pipes/stdout'
)


def objects(
    deployed: Stack, package: str, version: str, config: object, stream: str
) -> tuple[dict[str, str], Any, Any]:
    """The task, its Secret and its pod; no security context, no exit code's file, credentials in plain env."""
    task = ids()
    name = f"airbyte-source-{task['syncId']}"
    labels = {"jitsu.com/creator": "bulker-sync-controller"}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    given = {"config.json": config, "catalog.json": catalog(stream), "state.json": {}}
    data = {key.removesuffix(".json"): json.dumps(value) for key, value in given.items()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "immutable": True,
        "metadata": {**metadata, "name": f"{name}-config"},
        "stringData": data,
    }
    notes = {"TaskID": task["taskId"], "TaskType": "read", "SyncID": task["syncId"], "Package": package}
    env = {
        "STDOUT_PIPE_FILE": "/pipes/stdout",
        "STDERR_PIPE_FILE": "/pipes/stderr",
        "BULKER_URL": WAREHOUSE,
        "BULKER_AUTH_TOKEN": "development",
        "PACKAGE": package,
        "PACKAGE_VERSION": version,
        "COMMAND": "read",
        "TABLE_NAME_PREFIX": f"{task['syncId']}_",
        "DATABASE_URL": DATABASE,
        "STARTED_BY": '{"trigger":"manual"}',
        "STARTED_AT": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SYNC_ID": task["syncId"],
        "TASK_ID": task["taskId"],
    }
    sidecar = deployed_settings()["SYNCCTL_SIDECAR_IMAGE"]
    mounts = [{"name": "pipes", "mountPath": "/pipes"}, {"name": "config", "mountPath": "/config"}]
    items = [{"key": key, "path": f"{key}.json"} for key in data]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "annotations": notes},
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [
                {
                    "name": "init",
                    "image": f"{TEST}:{TEST_VERSION}",  # as root, like the original's alpine
                    "command": ["sh", "-c", INIT],
                    "volumeMounts": [*mounts, {"name": "configmap", "mountPath": "/configmap"}],
                }
            ],
            "containers": [
                {
                    "name": "source",
                    "image": f"{package}:{version}",
                    "command": ["sh", "-c", SOURCE],
                    "env": [{"name": "USE_STREAM_CAPABLE_STATE", "value": "true"}],
                    "volumeMounts": mounts,
                    "securityContext": {"runAsUser": 0},
                },
                {
                    "name": "sidecar",
                    "image": sidecar,
                    "env": [{"name": key, "value": value} for key, value in env.items()],
                    "volumeMounts": mounts,
                },
            ],
            "volumes": [
                {"name": "pipes", "emptyDir": {}},
                {"name": "config", "emptyDir": {}},
                {"name": "configmap", "secret": {"secretName": f"{name}-config", "items": items}},
            ],
        },
    }
    return task, secret, pod


@pytest.mark.parametrize(
    ("package", "version", "config", "stream", "count"),
    [
        (TEST, TEST_VERSION, {"do": "rows", "count": 25}, "plants", 25),
        (FAKER, FAKER_VERSION, {"count": 50, "seed": 1, "parallelism": 1, "always_updated": False}, "users", 50),
    ],
    ids=["test", "faker"],
)
def test_read(deployed: Stack, package: str, version: str, config: object, stream: str, count: int):
    """A connector that runs as root, with root's pipes and nobody to write its exit code, fills the warehouse."""
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    deployed.call("tasks", "GET")  # makes the tables, where this test comes first
    task, secret, pod = objects(deployed, package, version, config, stream)
    kube.wait_for("the account", lambda: kube.get("serviceaccount", "default", NAMESPACE), 30)
    kube.apply(secret, pod)
    try:
        where = f"task_id = '{task['taskId']}'"
        (row,) = kube.wait_for(
            "the outcome", lambda: deployed.rows(f"SELECT status, description FROM newjitsu.source_task WHERE {where}")
        )
        assert row["status"] == "SUCCESS", row
        assert deployed.tables()[f"{task['syncId']}_{stream}"] == count
        name = pod["metadata"]["name"]
        kube.wait_for("the pod's end", lambda: _phase(name) == "Succeeded")
    finally:
        kube.kubectl("delete", "pod,secret", "-n", NAMESPACE, "--all", "--wait=false")


def _phase(name: str) -> str:
    return str((kube.get("pod", name, NAMESPACE) or {}).get("status", {}).get("phase"))
