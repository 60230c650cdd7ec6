"""Cancelling tasks on real pods (local processes), with whatever else may happen at the same time."""

import functools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common import cluster
from common.errors import ClusterUnavailable, NotFound
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, tasks
from common.tasks.cancel import REASON, cancel
from common.tasks.query import get_task
from common.tasks.requests import CancelQuery
from common.tasks.start import Started, start
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.fake_kubernetes import Asked, FakeKubernetes, fake_kubernetes
from tests.support.functions import Server, running
from tests.support.local_system import PACKAGE, VERSION, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import catalog

WAITS = "import pathlib\nwhile not pathlib.Path(sys.argv[0] + '.go').exists(): time.sleep(0.05)\n"
ENDS = "out(type='SPEC', spec={'connectionSpecification': {}})\n"


@pytest.fixture
def waiting(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    """A connector that does nothing until it is stopped."""
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, WAITS)}) as place:
        yield place


@pytest.fixture
def ending(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    """A connector that ends at once."""
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, ENDS)}) as place:
        yield place


def state(place: LocalSystem, task_id: str, **query: str) -> TaskState:
    """Cancels; returns what the answer says."""
    return cancel(CancelQuery(task_id, **query), place.settings).state


def nothing_left(place: LocalSystem) -> None:
    """Neither pod nor Secret, and the sweep finds nothing to do."""
    wait_for(lambda: not list(place.pods.list_pods()), what="no pod")
    assert [p for p in (place.pods._pods.parent / "secrets").iterdir() if p.suffix != ".lock"] == []
    assert place.sweep().concluded == 0


def runs(place: LocalSystem, task_id: str) -> bool:
    """Whether the task's row says RUNNING, once a sweep has looked."""
    place.sweep()
    rows = place.database.rows("SELECT state FROM syncctl_task WHERE task_id = :id", id=task_id)
    return rows == [{"state": "RUNNING"}]


@pytest.mark.fault(80)
def test_a_running_read_is_cancelled(waiting: LocalSystem, database: TestDatabase) -> None:
    """Both tables say CANCELLED, whatever its sidecar says later; the sync is free again."""
    body = {"catalog": catalog("plants")}
    waiting.start(read_task(body=body))
    wait_for(lambda: runs(waiting, "task-1"), 30, "a running pod")
    assert state(waiting, "task-1", package=PACKAGE, sync_id="sync-1") is TaskState.CANCELLED
    assert waiting.start(read_task(task="task-2", body=body)).task_id == "task-2"
    assert state(waiting, "task-2") is TaskState.CANCELLED
    nothing_left(waiting)
    rows = database.rows("SELECT status, description FROM source_task")
    assert rows == [{"status": "CANCELLED", "description": REASON}] * 2
    ours = database.rows("SELECT state, reason, finished_at IS NOT NULL AS over FROM syncctl_task")
    assert ours == [{"state": "CANCELLED", "reason": REASON, "over": True}] * 2


@pytest.mark.parametrize("command", ["spec", "check", "discover"])
def test_every_command_is_cancelled(waiting: LocalSystem, database: TestDatabase, command: str) -> None:
    """Their tables have no word for it but FAILED, with a text that says so."""
    started = waiting.start(other_task(command))
    assert state(waiting, started.task_id, package=PACKAGE) is TaskState.CANCELLED
    table, column = {
        "spec": ("source_spec", "error"),
        "check": ("source_check", "description"),
        "discover": ("source_catalog", "description"),
    }[command]
    [row] = database.rows(f"SELECT {column} AS text FROM {table}")
    assert row["text"].removeprefix("FAILED: ") == REASON
    if command != "spec":
        assert database.rows(f"SELECT status FROM {table}") == [{"status": "FAILED"}]
    nothing_left(waiting)


def test_a_cancel_may_be_repeated(waiting: LocalSystem, database: TestDatabase) -> None:
    """The same answer, the same rows; the pod keeps the grace that it was given."""
    waiting.start(read_task())
    assert [state(waiting, "task-1") for _ in range(3)] == [TaskState.CANCELLED] * 3
    before = database.rows("SELECT finished_at FROM syncctl_task")
    nothing_left(waiting)
    assert state(waiting, "task-1") is TaskState.CANCELLED
    assert database.rows("SELECT finished_at FROM syncctl_task") == before


def test_a_sweep_does_not_cut_a_cancelled_pod_s_grace(waiting: LocalSystem) -> None:
    """The event of the deletion itself makes a sweep look at the pod."""
    waiting.start(read_task())
    [pod] = waiting.pods.list_pods()
    waiting.pods.delete_pod(pod.name, pod.uid, 30)
    waiting.sweep()
    graces = {p.metadata.deletion_grace_period_seconds for p in waiting.pods.list_pods()}
    assert graces <= {30}


@pytest.mark.fault(22)
def test_what_is_over_stays_as_it_is(ending: LocalSystem, database: TestDatabase) -> None:
    """The answer says what it had come to."""
    started = ending.start(other_task("spec"))
    assert ending.finish(started.task_id)["state"] == "SUCCESS"
    before = database.rows("SELECT * FROM syncctl_task") + database.rows("SELECT * FROM source_spec")
    assert state(ending, started.task_id) is TaskState.SUCCESS
    assert database.rows("SELECT * FROM syncctl_task") + database.rows("SELECT * FROM source_spec") == before


def test_an_unknown_task_is_not_found(waiting: LocalSystem, database: TestDatabase) -> None:
    """Nor is one of another sync or connector, which goes on."""
    waiting.start(read_task())
    for query in ({"task_id": "other"}, {"sync_id": "sync-2"}, {"package": "airbyte/source-other"}):
        with pytest.raises(NotFound, match="GET /tasks lists them"):
            cancel(CancelQuery(**{"task_id": "task-1", **query}), waiting.settings)
    assert database.rows("SELECT status FROM source_task") == [{"status": "RUNNING"}]


class Gate:
    """A cluster that lets somebody act just before a pod is made."""

    def __init__(self, real: Any, act: Any) -> None:
        self._real, self._act = real, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_pod(self, pod: Any) -> Any:
        self._act()
        return self._real.create_pod(pod)


@pytest.mark.fault(80)
def test_cancelled_between_row_and_pod(waiting: LocalSystem, database: TestDatabase) -> None:
    """The pod that comes too late is deleted by whoever made it; the row stays CANCELLED."""
    cluster.use(Gate(waiting.pods, lambda: state(waiting, "task-1")))
    waiting.start(read_task())
    cluster.use(waiting.pods)
    assert database.rows("SELECT status FROM source_task") == [{"status": "CANCELLED"}]
    nothing_left(waiting)
    assert database.rows("SELECT status FROM source_task") == [{"status": "CANCELLED"}]


@pytest.fixture
def api() -> Iterator[FakeKubernetes]:
    """A stand-in for the Kubernetes API."""
    with fake_kubernetes() as running:
        yield running


@pytest.mark.fault(80)
@pytest.mark.parametrize("kind", ["pods", "secrets"])
def test_cancelled_while_it_starts(database: TestDatabase, api: FakeKubernetes, kind: str) -> None:
    """Nothing of it runs until the next sweep: whoever started it looks again, once its pod is there."""
    settings = Settings.load(environment(database.url, api))

    def cancelled(asked: Asked, _: int) -> bool:
        if asked.method == "POST" and asked.path.endswith(kind):
            assert cancel(CancelQuery("task-1"), settings).state is TaskState.CANCELLED
        return False

    api.fail = cancelled
    assert start(read_task(), settings).task_id == "task-1"
    assert api.pods == {}
    [made] = [asked.body["metadata"]["name"] for asked in api.asked if asked.path.endswith("/pods")]
    assert {asked.body["preconditions"]["uid"] for asked in api.asked if asked.method == "DELETE"} == {f"uid-{made}"}
    assert database.rows("SELECT status FROM source_task") == [{"status": "CANCELLED"}]


@pytest.mark.fault(48)
def test_a_start_whose_second_look_fails_is_a_start(database: TestDatabase, api: FakeKubernetes) -> None:
    """Row, pod and Secret are there; Postgres that goes away only then costs the caller nothing."""
    settings = Settings.load(environment(database.url, api))

    def lost(asked: Asked, _: int) -> bool:
        if asked.method == "POST" and asked.path.endswith("/secrets"):
            database.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return False

    api.fail = lost
    assert start(read_task(), settings).task_id == "task-1"
    assert (len(api.pods), len(api.secrets)) == (1, 1)


@pytest.mark.fault(19, 23)
def test_a_start_that_is_repeated_before_its_pod_is_there_makes_one_pod(
    database: TestDatabase, api: FakeKubernetes
) -> None:
    """The repetition makes pod and Secret; the first one then meets both by their names, and answers the same."""
    settings = Settings.load(environment(database.url, api))
    answers = list[Started]()

    def repeated(asked: Asked, number: int) -> bool:
        if number == 0:
            assert asked.path.endswith("/pods")
            answers.append(start(read_task(), settings))
        return False

    api.fail = repeated
    answers.append(start(read_task(), settings))
    assert answers[0] == answers[1]
    assert (len(api.pods), len(api.secrets), len(database.rows("SELECT 1 FROM source_task"))) == (1, 1, 1)
    assert api.verbs().count("POST pods") == 2


class Away:
    """A cluster that cannot be reached."""

    def __getattr__(self, _: str) -> Any:
        def fail(*_: Any) -> None:
            raise ClusterUnavailable("away")

        return fail


def test_the_sweep_does_what_a_cancel_could_not(waiting: LocalSystem, database: TestDatabase) -> None:
    """With the cluster out of reach the row is CANCELLED all the same, and the pod goes later, with its grace."""
    waiting.start(read_task())
    cluster.use(Away())
    assert state(waiting, "task-1") is TaskState.CANCELLED
    cluster.use(waiting.pods)
    assert waiting.sweep().deleted == 1
    nothing_left(waiting)
    assert database.rows("SELECT status FROM source_task") == [{"status": "CANCELLED"}]


@pytest.mark.fault(22)
def test_of_cancel_and_finish_the_first_wins(waiting: LocalSystem, database: TestDatabase) -> None:
    """Raced many times: one outcome in both tables, and the answer names it."""
    for number in range(12):
        task, sync = f"race-{number}", f"sync-{number}"
        key = Task(Command.READ, task, PACKAGE, VERSION, sync_id=sync)
        with Database(database.url) as db:
            assert db.transact(functools.partial(_begin, key=key))
        said: list[TaskState] = []
        barrier = threading.Barrier(3)

        def stop(task: str = task, said: list[TaskState] = said, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            said.append(state(waiting, task))

        def finish(key: Task = key, barrier: threading.Barrier = barrier) -> None:
            with Database(database.url) as db:
                db.transact(lambda db: db.run("database_now"))
                barrier.wait()
                db.transact(lambda db: outcomes.conclude(db, key, Outcome(TaskState.SUCCESS, description="{}")))

        threads = [threading.Thread(target=work) for work in (stop, stop, finish)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        [ours] = database.rows("SELECT state FROM syncctl_task WHERE task_id = :id", id=task)
        [caller_s] = database.rows("SELECT status FROM source_task WHERE task_id = :id", id=task)
        assert ours["state"] == caller_s["status"]
        assert {str(one) for one in said} == {ours["state"]}


def _begin(db: Database, key: Task) -> bool:
    return tasks.begin(db, key, pod_name=f"p-{key.task_id}", request_hash="h")[1]


@pytest.fixture
def served(database: TestDatabase) -> Iterator[Server]:
    """The function as it is deployed; no cluster is there."""
    with running("cancel", token="right", SYNCCTL_DATABASE_URL=database.url) as server:
        yield server


def test_the_function(served: Server, db: Database) -> None:
    """By GET and by POST; parameters are checked; errors are JSON."""
    key = Task(Command.READ, "t", PACKAGE, VERSION, sync_id="s")
    db.transact(lambda db: tasks.begin(db, key, pod_name="p", request_hash="h"))
    assert served.ask("GET", "/cancel?taskId=t", token="wrong").status == 401
    assert served.ask("GET", "/cancel").status == 400
    assert "taskId" in served.ask("GET", "/cancel?package=p").error
    assert served.ask("GET", "/cancel?taskId=t&force=1").status == 400
    assert served.ask("GET", "/cancel?taskId=unknown").status == 404
    refused = served.ask("DELETE", "/cancel?taskId=t")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, POST")
    target = f"/cancel?package={PACKAGE}&syncId=s&taskId=t&connectorType=airbyte"
    for method in ("POST", "GET", "GET"):
        answer = served.ask(method, target)
        assert (answer.status, answer.json) == (
            200,
            {"ok": True, "status": "ok", "taskId": "t", "state": "CANCELLED"},
        )


SENDS = """
for n in range(1, 41):
    out(type='RECORD', record={'stream': 'plants', 'emitted_at': 1, 'data': {'id': n, 'name': 'x' * 20000}})
    out(type='RECORD', record={'stream': 'ticks', 'emitted_at': 1, 'data': {'id': n}})
stream = {'stream_descriptor': {'name': 'ticks'}, 'stream_state': {'n': 40}}
out(type='STATE', state={'type': 'STREAM', 'stream': stream})
while True: time.sleep(0.05)
"""


@pytest.mark.fault(217)
def test_a_cancelled_reads_counts_are_those_of_its_end(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker
) -> None:
    """What is stored after the cancel is counted; of a full refresh that is nothing, and its error says so."""
    streams = [*catalog("plants")["streams"], *catalog("ticks", incremental=True)["streams"]]
    body = {"catalog": {"streams": streams}, "state": [{}]}
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, SENDS)}) as place:
        place.start(read_task(body=body))

        def accounts() -> dict[str, Any]:
            shown: dict[str, Any] = get_task(place.settings, "task-1")["task"]["streams"]
            return shown

        wait_for(lambda: accounts().get("ticks", {}).get("emitted") == 40, 60, "all records")
        assert accounts()["ticks"]["stored"] == 0
        assert state(place, "task-1") is TaskState.CANCELLED
        [before] = database.rows("SELECT state, reason, finished_at, updated_at FROM syncctl_task")
        nothing_left(place)
        [after] = database.rows("SELECT state, reason, finished_at, updated_at FROM syncctl_task")
        found = accounts()
    assert after == before
    assert (found["ticks"]["status"], found["ticks"]["stored"]) == ("PARTIAL", 40)
    assert len(bulker.rows("ticks")) == 40
    plants = found["plants"]
    assert plants["sent"] > 0
    assert (plants["status"], plants["stored"], bulker.rows("plants")) == ("FAILED", 0, [])
    assert plants["error"] == (
        "The task was cancelled; what was sent of it is discarded, and its table is as it was (40 emitted, 0 stored)"
    )
    assert database.rows("SELECT description FROM source_task") == [{"description": REASON}]
