"""The API server, a sidecar or a node's kubelet in trouble. These need the cluster of plain processes."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster import kube
from tests.cluster.kube import CREATOR, TASKS
from tests.cluster.stack import TEST, TEST_VERSION, Stack, catalog, ids, started, started_again, sweeper_with

pytestmark = [pytest.mark.usefixtures("connectors", "own_cluster"), pytest.mark.timeout(900)]

BURST = 50
_REPEAT = {429, 500, 502, 503, 504}


@pytest.fixture
def patient_sweeper(deployed: Stack) -> Iterator[None]:
    """Two cores start fifty pods one after the other: the last ones take minutes."""
    with sweeper_with("SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS=900"):
        yield


@pytest.mark.fault(5)
def test_apiserver_restarts_in_a_burst(deployed: Stack, patient_sweeper: None):
    """Of 50 starts across a restart of the API server, each runs exactly once, some after a safe repetition."""
    tasks = [
        {"package": TEST, "version": TEST_VERSION, "tableNamePrefix": f"burst_{n}_", **ids()} for n in range(BURST)
    ]
    body = {"config": {"do": "rows", "count": 5}, "catalog": catalog("plants")}
    answers: list[int] = []

    def start(query: dict[str, str]) -> None:
        def accepted() -> bool:
            answer = deployed.call("read", "POST", body, **query)
            answers.append(answer.status_code)
            assert answer.status_code in {200, *_REPEAT}, answer.text
            return answer.status_code == 200

        kube.wait_for(f"task {query['taskId']} is accepted", accepted, 180, 1)

    with ThreadPoolExecutor(10) as pool:
        starts = [pool.submit(start, query) for query in tasks[: BURST // 2]]
        kube.wait_for("some are accepted", lambda: answers.count(200) >= BURST // 5, 60, 0.05)
        kube.tool("kill", "kube-apiserver")
        starts += [pool.submit(start, query) for query in tasks[BURST // 2 :]]
        time.sleep(8)  # longer than what a start repeats by itself
        kube.tool("start", "kube-apiserver")
        for one in starts:
            one.result()
    assert _REPEAT & set(answers), "the outage was never met"
    rows = [deployed.ended(query["taskId"], 600) for query in tasks]
    assert [row["description"] for row in rows if row["status"] != "SUCCESS"] == []
    tables = deployed.tables()
    assert [tables.get(f"burst_{n}_plants") for n in range(BURST)] == [5] * BURST
    ours = {query["taskId"] for query in tasks}

    def left() -> list[Any]:
        pods = kube.items("pod", TASKS, CREATOR)
        return [pod for pod in pods if pod["metadata"]["annotations"].get("TaskID") in ours]

    kube.wait_for("no pod of the burst is left", lambda: not left(), 180, 1)


@pytest.mark.fault(31)
def test_sidecar_killed(deployed: Stack):
    """A sidecar that is killed never means success: the read is started again, and nothing of either attempt is left."""
    query = deployed.start("rows", count=1000, every=2, pause=0.5)
    pod = started(query["taskId"])
    os.kill(kube.first_process(pod, "sidecar"), signal.SIGKILL)
    started_again(deployed, query["taskId"], pod, "sidecar_killed")
