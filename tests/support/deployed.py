"""Settings of a function that is deployed before a test's Postgres and a stand-in for the Kubernetes API."""

import json
from typing import Any
from urllib.parse import urlencode

from tests.support.fake_kubernetes import NAMESPACE, FakeKubernetes
from tests.support.functions import Answer, Server
from tests.support.local_system import PACKAGE, VERSION
from tests.support.sidecar_process import catalog


def environment(database_url: str, api: FakeKubernetes) -> dict[str, Any]:
    """For tests.support.functions.running, or Settings.load."""
    return {
        "SYNCCTL_DATABASE_URL": database_url,
        "SYNCCTL_KUBERNETES_CLIENT_CONFIG": api.kubeconfig,
        "SYNCCTL_KUBERNETES_CONTEXT": "used",
        "SYNCCTL_KUBERNETES_NAMESPACE": NAMESPACE,
    }


def read(server: Server, task: str = "task-1", sync: str = "sync-1") -> Answer:
    """POST /read."""
    query = urlencode({"package": PACKAGE, "version": VERSION, "syncId": sync, "taskId": task})
    return server.ask("POST", f"/read?{query}", json.dumps({"config": {}, "catalog": catalog("plants")}))
