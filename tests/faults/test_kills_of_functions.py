"""A start and a sweep, each killed at every single one of its steps: what it says to Postgres and to the Kubernetes API.

Each runs in a process of its own, before a real Postgres and a stand-in for the API that only remembers pods.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.errors import Conflict
from common.settings import Settings
from common.tasks.start import Started, start
from common.tasks.sweep import sweep
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.killing import Steps, killing_proxy
from tests.support.kube_api import KubeApi, made
from tests.support.site import read_task

pytestmark = pytest.mark.kills

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from common.settings import Settings
from common.tasks.start import start
from common.tasks.sweep import sweep
from tests.support.site import read_task
settings = Settings.load(json.loads(sys.argv[2]))
start(read_task(), settings) if sys.argv[1] == "start" else sweep(settings)
"""
START_STEPS, SWEEP_STEPS = 21, 49
"""One more than there are: the last run finds nothing left to kill."""
EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}


def _killed(what: str, database: TestDatabase, api: KubeApi, at: int) -> Steps:
    """Runs it until it is killed, or done."""
    steps = Steps(at)
    steps.watch(api)
    with killing_proxy(database.url) as gate:
        gate.steps = steps
        given = json.dumps(environment(gate.url, api))
        with subprocess.Popen([sys.executable, "-c", PROGRAM, what, given], cwd=ROOT) as process:
            steps.pid = process.pid
            code = process.wait(60)
        assert code == (-9 if steps.killed.is_set() else 0)
    api.fail = lambda *_: False
    return steps


def _task(database: TestDatabase, task: str = "task-1") -> dict[str, Any]:
    sql = "SELECT state, reason, pod_name, extract(epoch FROM created_at)::bigint AS at FROM syncctl_task WHERE task_id = :t"
    return dict(next(iter(database.rows(sql, t=task)), {}))


@pytest.mark.fault(18, 19)
@pytest.mark.parametrize("at", range(1, START_STEPS + 1))
def test_a_start_that_is_killed_is_finished_by_its_repetition(database: TestDatabase, api: KubeApi, at: int) -> None:
    """No pod without its row, no Secret without its pod; then the first attempt's answer, one pod and one Secret."""
    settings = Settings.load(environment(database.url, api))
    steps = _killed("start", database, api, at)
    assert (at < START_STEPS) or not steps.killed.is_set(), "there are more steps: raise START_STEPS"
    row = _task(database)
    assert {name.removesuffix("-config") for name in api.secrets} <= api.pods.keys() <= {row.get("pod_name")}
    for _ in range(2):
        again = start(read_task(), settings)
        assert again == Started("task-1", row.get("at", again.started_at))
    [pod] = api.pods
    assert api.secrets == {f"{pod}-config"}
    assert database.rows("SELECT status FROM source_task") == [{"status": "RUNNING"}]


@pytest.mark.fault(18, 19)
@pytest.mark.parametrize("at", range(1, START_STEPS + 1, 2))
def test_a_start_that_is_killed_and_forgotten_is_swept_up(database: TestDatabase, api: KubeApi, at: int) -> None:
    """Nobody asks again: once the time for starting is over, one sweep leaves a final row and no pod."""
    settings = Settings.load(environment(database.url, api))
    _killed("start", database, api, at)
    database.rows("UPDATE syncctl_task SET created_at = '2020-01-01', updated_at = '2020-01-01'")
    waits = [{"name": "init", "state": {"waiting": {"reason": "PodInitializing"}}}]
    for pod in api.pods.values():
        pod["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
        pod["status"] = {"phase": "Pending", "startTime": "2020-01-01T00:00:00Z", "initContainerStatuses": waits}
    sweep(settings)
    assert api.pods == {}
    if row := _task(database):
        assert (row["state"], bool(row["reason"])) == ("FAILED", True)
        assert database.rows("SELECT DISTINCT status FROM source_task") == [{"status": "FAILED"}]
        with pytest.raises(Conflict, match="Use a new taskId"):
            start(read_task(), settings)
        assert api.pods == {}
    assert start(read_task("task-2"), settings).task_id == "task-2"


@pytest.fixture
def trouble(database: TestDatabase, api: KubeApi) -> None:
    """An evicted pod, one that has begun to run, a row without a pod, and a pod whose task is over."""
    for task, state, finished in (
        ("evicted", "RUNNING", None),
        ("runs", "PENDING", None),
        ("lost", "RUNNING", None),
        ("over", "SUCCESS", "2020-01-01"),
    ):
        database.rows(
            "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state,"
            " created_at, finished_at) VALUES (:t, 'read', :t, 'p', '1', 'p-' || :t, 'h', :s, now() - interval '1 hour',"
            " :f::timestamptz)", t=task, s=state, f=finished,
        )  # fmt: skip
    statuses = {"evicted": EVICTED, "runs": {"phase": "Running"}, "over": {"phase": "Succeeded"}}
    api.pods = {f"p-{task}": {**made(f"p-{task}", task=task), "status": said} for task, said in statuses.items()}


@pytest.mark.fault(17, 21)
@pytest.mark.parametrize("at", range(1, SWEEP_STEPS + 1))
def test_a_sweep_that_is_killed_is_finished_by_the_next(
    database: TestDatabase, api: KubeApi, trouble: None, at: int
) -> None:
    """No pod is gone whose row is not final; the next sweep does the rest, and concludes nothing twice."""
    steps = _killed("sweep", database, api, at)
    assert (at < SWEEP_STEPS) or not steps.killed.is_set(), "there are more steps: raise SWEEP_STEPS"
    assert "p-evicted" in api.pods or _task(database, "evicted")["state"] == "FAILED"
    assert "p-runs" in api.pods
    first = {task: _task(database, task) for task in ("evicted", "lost")}
    settings = Settings.load(environment(database.url, api))
    sweep(settings)
    assert api.pods.keys() == {"p-runs"}
    for task, words in (("evicted", "low on memory"), ("lost", "pod is gone")):
        row = _task(database, task)
        assert (row["state"], words in row["reason"]) == ("FAILED", True)
        assert first[task]["state"] == "RUNNING" or first[task] == row
    assert (_task(database, "over")["state"], _task(database, "runs")["state"]) == ("SUCCESS", "RUNNING")
    assert sweep(settings).concluded == 0
