"""The sweeper's two ways in: events alone remove a finished pod, and so does the CronJob alone."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster import evidence, kube
from tests.cluster.kube import FUNCTIONS, TASKS
from tests.cluster.stack import Stack, nothing_left, pod_of, started, sweeper_with

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(600)]


def suspend(*, whether: bool) -> None:
    """Stops the CronJob from calling, or lets it again."""
    patch = json.dumps({"spec": {"suspend": whether}})
    kube.kubectl("patch", "cronjob", "sweep", "-n", FUNCTIONS, "--type=merge", "-p", patch)


@pytest.fixture
def no_cronjob(deployed: Stack) -> Iterator[None]:
    """Nobody calls the sweeper but the ApiServerSource."""
    kube.kubectl("wait", "--for=condition=Ready", "apiserversource/pod-events", "-n", FUNCTIONS, "--timeout=90s")
    suspend(whether=True)
    kube.kubectl("delete", "jobs", "--all", "-n", FUNCTIONS)
    yield
    suspend(whether=False)


@pytest.fixture
def no_events(deployed: Stack) -> Iterator[None]:
    """Nobody calls the sweeper but the CronJob."""
    source = kube.get("apiserversource", "pod-events", FUNCTIONS)
    assert source is not None
    kube.kubectl("delete", "apiserversource", "pod-events", "-n", FUNCTIONS)
    yield
    metadata = {"name": "pod-events", "namespace": FUNCTIONS}
    kube.apply({key: source[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata})


@pytest.fixture
def token(deployed: Stack) -> Iterator[None]:
    """The sweeper wants a token, which the ApiServerSource does not have."""
    with sweeper_with("SYNCCTL_AUTH_TOKENS=secret"):
        yield


def end(deployed: Stack, **expected: str) -> None:
    """Reads that do these things, at the same time: each gets its verdict, and its pod and Secret go."""
    tasks = {do: deployed.start(do)["taskId"] for do in expected}
    pods = {do: kube.wait_for("the pod is there", lambda task=task: pod_of(task), 30) for do, task in tasks.items()}  # type: ignore[misc] # the loop's own
    for do, task in tasks.items():
        assert deployed.ended(task, 150)["status"] == expected[do]
    for pod in pods.values():
        nothing_left(pod, 150)


def test_events_alone(deployed: Stack, no_cronjob: None):
    """With the CronJob suspended, events make the verdict and the deletion.

    The adapter may lose one (../../knative/sweeper/events.yaml); whatever comes next then sweeps everything.
    """
    lost = 0
    for do, state in (("rows", "SUCCESS"), ("eat", "FAILED"), ("rows", "SUCCESS")):
        task = deployed.start(do)["taskId"]
        pod = kube.wait_for("the pod is there", lambda task=task: pod_of(task), 30)  # type: ignore[misc] # the loop's own
        assert deployed.ended(task, 150)["status"] == state
        try:
            nothing_left(pod, 60)
        except AssertionError:
            lost += 1
            print(evidence.collect())  # noqa: T201 - shown if the test fails
            deployed.start("rows")
            nothing_left(pod, 150)
    assert lost <= 1


@pytest.mark.fault(98)
def test_an_active_task_is_swept_without_the_cronjob(deployed: Stack, no_cronjob: None):
    """After the event about its start no other comes: the sweeper calls itself, and sweeps everything again and again."""
    query = deployed.start("hang")
    pod = started(query["taskId"])
    [row] = deployed.rows("SELECT (now() + interval '25 seconds')::text AS later")
    later = f"SELECT 1 AS found FROM syncctl.syncctl_sweep WHERE swept_at > '{row['later']}'"
    kube.wait_for("a sweep, long after the last event", lambda: deployed.rows(later), 90)
    assert deployed.call("cancel", "POST", taskId=query["taskId"]).status_code == 200
    nothing_left(pod, 150)


def test_events_alone_where_a_token_is_wanted(deployed: Stack, no_cronjob: None, token: None):
    """Events need no token; whatever is no event does."""
    end(deployed, rows="SUCCESS")
    headers = {"Host": f"sweeper.{FUNCTIONS}.svc.cluster.local"}
    assert deployed.client.post(f"http://{_inside()}/sweeper", headers=headers).status_code == 401


@pytest.mark.fault(14)
def test_cronjob_alone(deployed: Stack, no_events: None):
    """With the ApiServerSource deleted, the CronJob makes the verdict and the deletion."""
    end(deployed, rows="SUCCESS", eat="FAILED")


@pytest.mark.fault(15)
def test_forged_and_odd_events(deployed: Stack, no_cronjob: None):
    """An event about a pod that does not exist, or is not ours, or is no event at all, changes nothing."""
    query = deployed.start("hang")
    pod = kube.wait_for("the pod is there", lambda: pod_of(query["taskId"]), 30)
    forged = [
        {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": TASKS, "status": {"phase": "Failed"}},
        {"kind": "Pod", "name": "nobody", "namespace": TASKS},
        {"kind": "Pod", "name": "activator", "namespace": "knative-serving"},
        [1, 2],
    ]
    headers = {
        "Host": f"sweeper.{FUNCTIONS}.svc.cluster.local",
        "ce-specversion": "1.0",
        "ce-type": "dev.knative.apiserver.ref.update",
        "ce-source": "forged",
        "ce-id": "1",
        "Content-Type": "application/json",
    }
    url = f"http://{_inside()}/sweeper"
    for event in forged:
        answer = deployed.client.post(url, headers=headers, content=json.dumps(event))
        assert answer.status_code < 500, answer.text
    assert deployed.task(query["taskId"])["status"] == "RUNNING"
    assert pod_of(query["taskId"]) is not None
    kube.kubectl("delete", "pod", pod["metadata"]["name"], "-n", TASKS)


def _inside() -> str:
    """The address of Knative's ingress for what only the cluster may reach."""
    service = kube.get("service", "kourier-internal", "kourier-system")
    assert service is not None
    return str(service["spec"]["clusterIP"])
