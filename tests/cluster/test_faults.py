"""Task pods that go wrong: every row says why, in words that help, and nothing is left behind."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import kube, stack
from tests.cluster.kube import TASKS
from tests.cluster.stack import TEST, TEST_VERSION, Stack, catalog, ids, nothing_left, pod_of, started, started_again

pytestmark = [pytest.mark.usefixtures("connectors", "one_retry"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def one_retry(deployed: Stack) -> Iterator[None]:
    """One further attempt shows what two do, and at once: a cluster is not needed to see a pause go by."""
    with stack.sweeper_with("SYNCCTL_TASK_RETRIES=1", "SYNCCTL_TASK_RETRY_PAUSE_SECONDS=0"):
        yield


def failed(deployed: Stack, task_id: str, pod: dict[str, Any], *words: str, seconds: float = 120) -> None:
    """The task's row fails with these words in its reason, and its pod and Secret go."""
    row = deployed.ended(task_id, seconds)
    assert row["status"] == "FAILED", row
    missing = [word for word in words if word.lower() not in row["description"].lower()]
    assert not missing, f"{missing} not in {row['description']!r}"
    nothing_left(pod)


def pod_soon(task_id: str) -> dict[str, Any]:
    """The pod of a task that was accepted, whatever its state."""
    return kube.wait_for("the pod is there", lambda: pod_of(task_id), 30)


@pytest.mark.fault(30)
def test_source_out_of_memory(deployed: Stack):
    """A connector that is OOM-killed fails with its memory limit in the reason."""
    task = deployed.start("eat")["taskId"]
    failed(deployed, task, pod_soon(task), "source ran out of memory at 2Gi")


@pytest.mark.fault(32)
def test_image_cannot_be_pulled(deployed: Stack):
    """An image that no registry has fails with the image's name, after a grace for registries that recover: on the node,
    and where the words may stand for a passing trouble, in a further attempt.
    """
    query = {"package": "dev.local/nowhere", "version": "1", **ids()}
    assert deployed.call("read", "POST", {"config": {}, "catalog": catalog("plants")}, **query).status_code == 200
    pod = pod_soon(query["taskId"])
    failed(deployed, query["taskId"], pod, "dev.local/nowhere:1", "cannot be used", seconds=400)


@pytest.mark.fault(781)
def test_sidecar_cannot_be_pulled(deployed: Stack):
    """Its source runs, and waits. The next attempt, which the sweeper makes by its own settings, has another image."""
    with stack.variant("read", "read-alone", SYNCCTL_SIDECAR_IMAGE="dev.local/no-sidecar:1"):
        task = deployed.start("hang", "read-alone")["taskId"]
    pod = pod_soon(task)
    kube.wait_for("the source runs", lambda: "running" in (_state(task, "source") or {}), 60)
    started_again(deployed, task, pod, "image_pull", "dev.local/no-sidecar:1 of sidecar cannot be used")


def _state(task_id: str, name: str) -> dict[str, Any] | None:
    """The state of a container of the task's pod."""
    pod = pod_of(task_id)
    found = pod["status"].get("containerStatuses", []) if pod else []
    return next((one["state"] for one in found if one["name"] == name), None)


def test_another_sidecar_gets_an_init_container(deployed: Stack):
    """One that does not make pipes and files; ours does not either unless it is asked to."""
    with stack.variant("read", "read-init", SYNCCTL_SIDECAR_PREPARES="false"):
        task = deployed.start("rows", "read-init", count=10, every=10, pause=0)["taskId"]
    pod = pod_soon(task)
    assert [one["name"] for one in pod["spec"]["initContainers"]] == ["init"]
    assert deployed.ended(task)["status"] == "SUCCESS"
    nothing_left(pod)


@pytest.mark.parametrize("package", ["Airbyte/Source-Faker", "a b", "dev.local/x;reboot", "../x"])
@pytest.mark.fault(33)
def test_image_name_that_is_invalid(deployed: Stack, package: str):
    """What is no image's name is refused before anything is made."""
    query = {"package": package, "version": "1", **ids()}
    answer = deployed.call("read", "POST", {"config": {}, "catalog": catalog("plants")}, **query)
    assert answer.status_code == 422
    assert answer.json()["ok"] is False
    assert pod_of(query["taskId"]) is None


@pytest.mark.fault(35)
def test_unschedulable(deployed: Stack):
    """A pod that no node takes waits past the time to start and fails at its own limit, with the scheduler's words."""
    with stack.variant("read", "read-nowhere", SYNCCTL_KUBERNETES_NODE_SELECTOR="{disk: none}"):
        task = deployed.start("rows", "read-nowhere")["taskId"]
    pod = pod_soon(task)
    sweep_until_ended(deployed, task, SYNCCTL_NODE_TIMEOUT_SECONDS="5", SYNCCTL_TASK_RETRIES="0")
    failed(deployed, task, pod, "INIT_TIMEOUT", "node", "selector")


def sweep_until_ended(deployed: Stack, task_id: str, **setting: str) -> None:
    """Sweeps with another setting until the task's row is final."""
    with stack.variant("sweeper", "sweeper-strict", SYNCCTL_SWEEP_SECONDS="0", **setting):

        def swept() -> bool:
            assert deployed.call("sweeper-strict", "POST").status_code == 200
            return bool(deployed.task(task_id)["status"] != "RUNNING")

        kube.wait_for("a sweep ends the task", swept, 60, 1)


def test_start_takes_too_long(deployed: Stack):
    """A pod whose image is still awaited at the init time-out fails then, with what it waited for."""
    query = {"package": "dev.local/never", "version": "1", **ids()}
    assert deployed.call("read", "POST", {"config": {}, "catalog": catalog("plants")}, **query).status_code == 200
    pod = pod_soon(query["taskId"])
    sweep_until_ended(deployed, query["taskId"], SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS="5")
    failed(deployed, query["taskId"], pod, "INIT_TIMEOUT", "within 5 s", "dev.local/never:1")


def test_task_takes_too_long(deployed: Stack):
    """A task that runs longer than it may fails with the limit in its reason, and its connector is stopped."""
    task = deployed.start("hang")["taskId"]
    pod = started(task)
    sweep_until_ended(deployed, task, SYNCCTL_TASK_TIMEOUT_HOURS="0.001")
    failed(deployed, task, pod, "ran longer than", "SYNCCTL_TASK_TIMEOUT_HOURS")


@pytest.mark.fault(26)
def test_node_pressure_eviction(deployed: Stack):
    """A read whose node evicted its pod for lack of memory is started again, with the node's words beside it. The node's
    part is played here: its status is written through the API, as a kubelet under pressure writes it.
    """
    task = deployed.start("hang")["taskId"]
    pod = started(task)
    said = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi."
    status = {"status": {"phase": "Failed", "reason": "Evicted", "message": said}}
    kube.kubectl(
        "patch",
        "pod",
        pod["metadata"]["name"],
        "-n",
        TASKS,
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps(status),
    )
    started_again(deployed, task, pod, "evicted", "low on resource: memory")


@pytest.mark.fault(29)
def test_pod_deleted_by_hand(deployed: Stack):
    """A running pod that somebody deletes by force fails as gone."""
    task = deployed.start("hang")["taskId"]
    pod = started(task)
    kube.kubectl("delete", "pod", pod["metadata"]["name"], "-n", TASKS, "--grace-period=0", "--force")
    failed(deployed, task, pod, seconds=180)


@pytest.mark.fault(26, 28)
def test_pod_evicted_through_the_api(deployed: Stack):
    """An eviction (a drained node) starts the read again in another pod, though the first one takes its Secret along."""
    task = deployed.start("hang")["taskId"]
    pod = started(task)
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": TASKS}}
    path = f"/api/v1/namespaces/{TASKS}/pods/{name}/eviction"
    kube.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(eviction))
    started_again(deployed, task, pod, "evicted")


@pytest.mark.fault(3)
def test_quota_used_up_then_freed(deployed: Stack):
    """A task over the quota is answered 429 with Retry-After, leaves no pod, and starts when there is room."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "test", "namespace": TASKS},
        "spec": {"hard": {"pods": "0"}},
    }
    kube.apply(quota)
    query = {"package": TEST, "version": TEST_VERSION, "tableNamePrefix": "quota_", **ids()}
    body = {"config": {"do": "rows"}, "catalog": catalog("plants")}
    try:
        kube.wait_for("the quota counts", lambda: (kube.get("resourcequota", "test") or {})["status"].get("hard"))
        answer = deployed.call("read", "POST", body, **query)
        assert answer.status_code == 429, answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert pod_of(query["taskId"]) is None
    finally:
        kube.kubectl("delete", "resourcequota", "test", "-n", TASKS)
    assert deployed.call("read", "POST", body, **query).status_code == 200
    assert deployed.ended(query["taskId"])["status"] == "SUCCESS"


@pytest.mark.fault(48)
def test_postgres_restarts_in_the_middle(deployed: Stack):
    """A sync goes on through a restart of Postgres, and no row is lost."""
    query = deployed.start("rows", count=60, every=2, pause=0.5)
    started(query["taskId"])
    kube.kubectl("exec", "-n", kube.BACKING, "deploy/postgres", "--", "sh", "-c", "kill -INT 1")
    kube.wait_for("Postgres stopped", lambda: "Running" not in _states("postgres"), 30, 0.05)
    kube.kubectl("wait", "--for=condition=Available", "deployment/postgres", "-n", kube.BACKING, "--timeout=90s")
    row = deployed.ended(query["taskId"])
    assert row["status"] == "SUCCESS", row
    assert deployed.tables()[f"{query['tableNamePrefix']}plants"] == 60


def _states(app: str) -> str:
    pods = kube.items("pod", kube.BACKING, f"app={app}")
    states = [next(iter(c["state"])) for pod in pods for c in pod["status"].get("containerStatuses", [])]
    return " ".join(states).title()
