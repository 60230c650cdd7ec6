"""The same task asked for twice, and tasks that are cancelled at every stage of their life."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.cluster import kube
from tests.cluster.kube import CREATOR, TASKS
from tests.cluster.stack import TEST, TEST_VERSION, Stack, catalog, ids, nothing_left, pod_of, started

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(600)]


def cancel(deployed: Stack, query: dict[str, str]) -> httpx.Response:
    """GET /cancel as a console sends it."""
    return deployed.call("cancel", "GET", **{key: query[key] for key in ("package", "syncId", "taskId")})


@pytest.mark.fault(23)
def test_same_read_many_times_at_once(deployed: Stack):
    """Concurrent duplicates of one request get the same answer and one pod between them."""
    query = {"package": TEST, "version": TEST_VERSION, "tableNamePrefix": "same_", **ids()}
    body = {"config": {"do": "rows", "pause": 1}, "catalog": catalog("plants")}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: deployed.call("read", "POST", body, **query), range(8)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert len({answer.json()["startedAt"] for answer in answers}) == 1
    pods = [
        pod
        for pod in kube.items("pod", TASKS, CREATOR)
        if pod["metadata"]["annotations"].get("SyncID") == query["syncId"]
    ]
    assert len(pods) <= 1
    assert deployed.ended(query["taskId"])["status"] == "SUCCESS"


def test_same_task_with_another_body(deployed: Stack):
    """Of two concurrent requests with one taskId and different bodies one wins, and the other is told."""
    query = {"package": TEST, "version": TEST_VERSION, "tableNamePrefix": "other_", **ids()}
    bodies = [{"config": {"do": "rows", "count": count}, "catalog": catalog("plants")} for count in (5, 10)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda body: deployed.call("read", "POST", body, **query), bodies))
    assert sorted(answer.status_code for answer in answers) == [200, 409], [answer.text for answer in answers]
    assert deployed.ended(query["taskId"])["status"] == "SUCCESS"


def test_cancel_before_the_start(deployed: Stack):
    """A task whose image is still awaited is cancelled, and nothing of it is left."""
    query = {"package": "dev.local/never", "version": "1", **ids()}
    assert deployed.call("read", "POST", {"config": {}, "catalog": catalog("plants")}, **query).status_code == 200
    pod = kube.wait_for("the pod is there", lambda: pod_of(query["taskId"]), 30)
    assert cancel(deployed, query).json()["ok"] is True
    assert deployed.task(query["taskId"])["status"] == "CANCELLED"
    nothing_left(pod)


def test_cancel_while_running(deployed: Stack):
    """A running task is cancelled; the row stays cancelled whatever its pod still says."""
    query = deployed.start("hang")
    pod = started(query["taskId"])
    assert cancel(deployed, query).json()["ok"] is True
    nothing_left(pod)
    assert deployed.task(query["taskId"])["status"] == "CANCELLED"


def test_cancel_twice_and_after_the_end(deployed: Stack):
    """Cancelling what has ended changes nothing, and is not an error."""
    query = deployed.start("rows")
    assert deployed.ended(query["taskId"])["status"] == "SUCCESS"
    for _ in range(2):
        assert cancel(deployed, query).json()["ok"] is True
    assert deployed.task(query["taskId"])["status"] == "SUCCESS"
