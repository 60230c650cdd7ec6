"""A start and a sweep, each killed at every single one of its steps: what it says to Postgres and to the Kubernetes API.

Each runs in a process of its own, before a real Postgres and a stand-in for the API that only remembers pods.
"""

from typing import Any

import pytest

from common.errors import Conflict
from common.settings import Settings
from common.sweep.sweep import sweep
from common.tasks.start import Started, start
from tests.support.chaos.killing import Steps, killing_proxy, until_killed
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_kubernetes import FakeKubernetes, made
from tests.support.local_system import read_task

pytestmark = pytest.mark.kills

START_STEPS, SWEEP_STEPS = 31, 162
"""More than there are: the last run finds nothing left to kill."""
EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}


def _settings(database_url: str, api: FakeKubernetes) -> Settings:
    return Settings.load(_environment(database_url, api))


def _environment(database_url: str, api: FakeKubernetes) -> dict[str, Any]:
    return environment(database_url, api) | {"SYNCCTL_TASK_RETRY_PAUSE_SECONDS": "0"}


def _killed(work: str, database: TestDatabase, api: FakeKubernetes, at: int) -> Steps:
    """Runs it until it is killed, or done."""
    steps = Steps(at)
    steps.watch(api)
    with killing_proxy(database.url) as gate:
        until_killed(work, _environment(gate.url, api), gate, steps)
    api.fail = lambda *_: False
    return steps


def _task(database: TestDatabase, task: str = "task-1") -> dict[str, Any]:
    sql = "SELECT state, reason, pod_name, extract(epoch FROM created_at)::bigint AS at FROM syncctl_task WHERE task_id = :t"
    return dict(next(iter(database.rows(sql, t=task)), {}))


@pytest.mark.fault(18, 19)
@pytest.mark.parametrize("at", range(1, START_STEPS + 1))
def test_a_start_that_is_killed_is_finished_by_its_repetition(
    database: TestDatabase, api: FakeKubernetes, at: int
) -> None:
    """No pod without its row, no Secret without its pod; then the first attempt's answer, one pod and one Secret."""
    settings = _settings(database.url, api)
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
def test_a_start_that_is_killed_and_forgotten_is_swept_up(database: TestDatabase, api: FakeKubernetes, at: int) -> None:
    """Nobody asks again: once the time for starting is over, one sweep leaves a final row and no pod."""
    settings = _settings(database.url, api)
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
def trouble(database: TestDatabase, api: FakeKubernetes) -> dict[str, str]:
    """An evicted pod, one that has begun to run, a row without a pod, a pod whose task is over, an evicted pod whose
    read may be started again, and one that waits for its state after that. Returns the pods of the last two tasks.
    """
    settings = _settings(database.url, api)
    for task in ("waits", "again"):
        start(read_task(task, task), settings)
        api.pods[_task(database, task)["pod_name"]]["status"] = EVICTED
        if task == "waits":
            sweep(settings)
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
    api.pods |= {f"p-{task}": {**made(f"p-{task}", task=task), "status": said} for task, said in statuses.items()}
    return {task: _task(database, task)["pod_name"] for task in ("waits", "again")}


@pytest.mark.fault(17, 21)
@pytest.mark.parametrize("at", range(1, SWEEP_STEPS + 1))
def test_a_sweep_that_is_killed_is_finished_by_the_next(
    database: TestDatabase, api: FakeKubernetes, trouble: dict[str, str], at: int
) -> None:
    """No pod is gone whose row is not final or has another pod; the next sweep does the rest, and nothing twice."""
    steps = _killed("sweep", database, api, at)
    assert (at < SWEEP_STEPS) or not steps.killed.is_set(), "there are more steps: raise SWEEP_STEPS"
    assert "p-evicted" in api.pods or _task(database, "evicted")["state"] == "FAILED"
    assert {"p-runs", trouble["waits"]} <= api.pods.keys()
    assert trouble["again"] in api.pods or _task(database, "again")["pod_name"] in api.pods
    first = {task: _task(database, task) for task in ("evicted", "lost")}
    settings = _settings(database.url, api)
    sweep(settings)
    for task, words in (("evicted", "low on memory"), ("lost", "pod is gone")):
        row = _task(database, task)
        assert (row["state"], words in row["reason"]) == ("FAILED", True)
        assert first[task]["state"] == "RUNNING" or first[task] == row
    assert (_task(database, "over")["state"], _task(database, "runs")["state"]) == ("SUCCESS", "RUNNING")
    _started_again_once(database, api, trouble)
    assert sweep(settings).concluded == 0
    _started_again_once(database, api, trouble)


def _started_again_once(database: TestDatabase, api: FakeKubernetes, first: dict[str, str]) -> None:
    """Both reads are at their second attempt, each with one pod and its Secrets; the one that waited goes on."""
    waits, again = _task(database, "waits"), _task(database, "again")
    assert again["pod_name"] != first["again"]
    assert waits["pod_name"] == first["waits"]
    assert api.pods.keys() == {"p-runs", waits["pod_name"], again["pod_name"]}
    assert {f"{pod}-config" for pod in (waits["pod_name"], again["pod_name"])} <= api.secrets
    assert f"{waits['pod_name']}-resume" in api.secrets
    rows = database.rows(
        "SELECT task_id, attempt, jsonb_array_length(attempts) AS before, resume_at IS NULL AS released"
        " FROM syncctl_task WHERE task_id IN ('again', 'waits') ORDER BY 1 DESC"
    )
    assert [(row["attempt"], row["before"]) for row in rows] == [(2, 1), (2, 1)]
    assert rows[0]["released"]
