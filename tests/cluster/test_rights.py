"""What each account may do, and what it must not."""

import pytest

from tests.cluster import kube
from tests.cluster.kube import FUNCTIONS, TASKS
from tests.cluster.stack import Stack

STARTER = {"pods": {"create", "get", "delete"}, "secrets": {"create"}}
SYNCS = "syncs.sync-functions.dev"
ALLOWED: dict[str, dict[str, set[str]]] = {
    f"{FUNCTIONS}:spec": STARTER,
    f"{FUNCTIONS}:check": STARTER,
    f"{FUNCTIONS}:discover": STARTER,
    f"{FUNCTIONS}:read": STARTER,
    f"{FUNCTIONS}:cancel": {"pods": {"get", "delete"}},
    f"{FUNCTIONS}:syncs": STARTER | {SYNCS: {"get", "list", "create", "update", "delete"}},
    f"{FUNCTIONS}:sweeper": {
        "pods": {"list", "get", "create", "delete"},
        "pods/log": {"get"},
        "secrets": {"get", "create"},
        SYNCS: {"list"},
        f"{SYNCS}/status": {"patch"},
    },
    f"{FUNCTIONS}:pod-events": {"pods": {"get", "list", "watch"}},
    f"{FUNCTIONS}:tasks": {},
    f"{FUNCTIONS}:metrics": {},
    f"{FUNCTIONS}:console": {},
    f"{TASKS}:task": {},
}


@pytest.mark.parametrize("account", ALLOWED)
def test_rights_in_the_tasks_namespace(deployed: Stack, account: str):
    """An account may do exactly what its function does."""
    assert kube.rights(account, TASKS) == ALLOWED[account]


@pytest.mark.parametrize("account", ALLOWED)
@pytest.mark.parametrize("namespace", [FUNCTIONS, "default", "kube-system"])
def test_no_rights_elsewhere(deployed: Stack, account: str, namespace: str):
    """Nowhere else may any of them do anything."""
    assert kube.rights(account, namespace) == {}


@pytest.mark.parametrize(
    "trespass",
    [
        {"hostNetwork": True},
        {"containers": [{"name": "c", "image": "dev.local/none:1", "securityContext": {"privileged": True}}]},
        {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
    ],
    ids=["host-network", "privileged", "host-path"],
)
def test_pod_security(deployed: Stack, trespass: dict[str, object]):
    """Pod Security refuses a task pod that could reach its node."""
    container = {"name": "c", "image": "dev.local/none:1"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trespasser", "namespace": TASKS},
        "spec": {"containers": [container], **trespass},
    }
    with pytest.raises(kube.CommandFailed, match="violates PodSecurity"):
        kube.apply(pod)
