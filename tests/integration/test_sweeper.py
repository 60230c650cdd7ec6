"""The sweep: by event and by call, alone and with others, with rows and pods that do not match."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from common import cluster
from common.cluster.objects import Pod
from common.errors import ClusterUnavailable
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Task, states
from common.store.sweeps import SweepStats
from common.sweep import events
from common.sweep.sweep import keep_sweeping, sweep_pod
from common.tasks.query import list_tasks
from common.tasks.requests import TaskQuery
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.functions import running
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import catalog
from tests.support.wire import changed

WAITS = "import pathlib\nwhile not pathlib.Path(sys.argv[0] + '.go').exists(): time.sleep(0.05)\n"
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "dev.knative.apiserver.ref.update"}


@pytest.fixture
def waiting(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    """A connector that does nothing until it is stopped; nothing is started again (test_retries.py does that)."""
    commands = {PACKAGE: connector(tmp_path, WAITS)}
    with local_system(tmp_path, database, bulker.url, commands, SYNCCTL_TASK_RETRIES="0") as place:
        yield place


class Shown:
    """The real cluster, with pods shown as a node would show them where local processes cannot get into that state.

    `show` takes a pod's name to what is changed in it, None for "not there".
    """

    def __init__(self, real: Any) -> None:
        self._real = real
        self.show: dict[str, dict[str, Any] | None] = {}
        self.gets: list[str] = []
        self.secrets_are_gone = False
        self.logs: dict[str, str] = {}
        self.deleted: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def _shown(self, pod: Pod | None) -> Pod | None:
        change = None if pod is None else self.show.get(pod.name, {})
        return None if pod is None or change is None else changed(pod, change)

    def get_pod(self, name: str) -> Pod | None:
        self.gets.append(name)
        return self._shown(self._real.get_pod(name))

    def list_pods(self) -> Iterator[Pod]:
        return (pod for found in self._real.list_pods() if (pod := self._shown(found)))

    def read_secret(self, name: str) -> dict[str, bytes] | None:
        found: dict[str, bytes] | None = self._real.read_secret(name)
        return None if self.secrets_are_gone else found

    def read_log(self, name: str, container: str, tail_lines: int) -> bytes:
        found: bytes = self._real.read_log(name, container, tail_lines)
        return self.logs[container].encode() if container in self.logs else found

    def delete_pod(self, name: str, uid: str, grace_seconds: int) -> None:
        self.deleted.append((name, grace_seconds))
        self._real.delete_pod(name, uid, grace_seconds)


@pytest.fixture
def shown(waiting: LocalSystem) -> Shown:
    made = Shown(waiting.pods)
    cluster.use(made)
    return made


def name_of(place: LocalSystem, task_id: str) -> str:
    [row] = place.database.rows("SELECT pod_name FROM syncctl_task WHERE task_id = :id", id=task_id)
    return str(row["pod_name"])


def event(place: LocalSystem, pod: str, **headers: str) -> Any:
    """What the sweeper answers to an event about a pod."""
    namespace = place.settings.kubernetes_namespace
    given = EVENT | {"ce-subject": f"/apis/v1/namespaces/{namespace}/pods/{pod}"} | headers
    return events.sweep_on_request(given, b"not even JSON", place.settings)


EVICTED = {"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}}


def test_an_event_makes_it_look_at_one_pod(waiting: LocalSystem, shown: Shown, database: TestDatabase) -> None:
    """Only that one: the verdict is written, the pod deleted; the other's is left to its own event."""
    for number in "12":
        waiting.start(read_task(task=f"t{number}", sync=f"s{number}"))
    one, other = name_of(waiting, "t1"), name_of(waiting, "t2")
    shown.show = {one: EVICTED, other: EVICTED}
    answer = event(waiting, one)
    assert (answer["pod"], answer["pods"], answer["concluded"], answer["deleted"]) == (one, 1, 1, 1)
    assert shown.gets == [one]
    rows = {r["task_id"]: r for r in database.rows("SELECT task_id, status, description FROM source_task")}
    assert rows["t1"]["status"] == "FAILED"
    assert "(evicted): The node was low on resource: memory" in rows["t1"]["description"]
    assert rows["t2"]["status"] == "RUNNING"


@pytest.mark.fault(261)
@pytest.mark.parametrize("command", ["check", "read"])
def test_a_failing_end_is_concluded_by_its_pod_s_event(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, command: str
) -> None:
    """While no other sweep comes: the sidecar ends with its source, and the event about that brings the verdict."""
    code = "import pathlib\npathlib.Path(sys.argv[0] + '.runs').touch()\n" + WAITS + "sys.exit(3)\n"
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, code)}) as place:
        started = place.start(read_task() if command == "read" else other_task(command))
        pod = name_of(place, started.task_id)
        wait_for(lambda: list(tmp_path.glob("connector_*.runs")), 60, "the connector")
        assert place.sweep().active == 1
        swept = database.rows("SELECT id, swept_at FROM syncctl_sweep")
        [runs] = tmp_path.glob("connector_*.runs")
        runs.with_suffix(".go").touch()
        wait_for(lambda: (found := place.pods.get_pod(pod)) and found.has_ended, 60, "the pod's end")
        answer = event(place, pod)
        assert (answer["concluded"], answer["deleted"], answer["active"]) == (1, 1, 0)
        assert database.rows("SELECT id, swept_at FROM syncctl_sweep") == swept
    [row] = database.rows("SELECT state, failure->>'kind' AS kind FROM syncctl_task")
    assert (row["state"], row["kind"]) == ("FAILED", "source_exit")


@pytest.mark.fault(12, 13, 15)
def test_an_event_decides_nothing(waiting: LocalSystem, database: TestDatabase) -> None:
    """Doubled, forged, about what is not there or is not ours: the pod is read again, and it goes on."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    for kind in ("update", "delete", "delete"):
        answer = event(waiting, pod, **{"ce-type": f"dev.knative.apiserver.ref.{kind}"})
        assert (answer["ok"], answer["active"], answer["deleted"]) == (True, 1, 0)
    assert event(waiting, "no-such-pod")["pods"] == 0
    assert event(waiting, "..%2F..%2Fsecrets")["pods"] == 0
    assert database.rows("SELECT status FROM source_task") == [{"status": "RUNNING"}]


@pytest.mark.fault(15)
def test_a_pod_without_our_label_is_not_touched(waiting: LocalSystem, shown: Shown) -> None:
    """An event may name any pod of the namespace."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    shown.show = {pod: EVICTED | {"metadata": {"labels": {"app": "other"}}}}
    assert sweep_pod(waiting.settings, pod) == SweepStats()
    assert shown.deleted == []


def test_an_event_about_a_deleted_pod_looks_at_its_row(
    waiting: LocalSystem, shown: Shown, database: TestDatabase
) -> None:
    """Not while it is fresh; then it fails at once, without waiting for the next full sweep."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    shown.show = {pod: None}
    assert event(waiting, pod)["orphanedRows"] == 0
    database.rows("UPDATE syncctl_task SET created_at = now() - interval '1 minute', state = 'RUNNING'")
    assert event(waiting, pod)["orphanedRows"] == 1
    [row] = database.rows("SELECT status, description FROM source_task")
    assert row["status"] == "FAILED"
    assert "pod is gone: it was deleted from outside" in row["description"]


@pytest.mark.fault(16)
def test_a_flood_of_events_about_one_pod_is_two_looks(waiting: LocalSystem, shown: Shown) -> None:
    """Those that come during a look are answered at once, and one more look follows."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    looking, go_on = threading.Event(), threading.Event()

    def slow(name: str) -> Any:
        shown.gets.append(name)
        looking.set()
        assert go_on.wait(30)
        return None

    shown.get_pod = slow  # type: ignore[method-assign] # a fault put into one verb
    first = threading.Thread(target=event, args=(waiting, pod))
    first.start()
    assert looking.wait(30)
    for _ in range(30):
        assert event(waiting, pod)["ok"] is True
    assert shown.gets == [pod]
    go_on.set()
    first.join(60)
    assert shown.gets == [pod, pod]


@pytest.mark.fault(17)
def test_two_sweepers_at_once_are_harmless(waiting: LocalSystem, shown: Shown, database: TestDatabase) -> None:
    """Every task is concluded once, with one reason, and no pod is left."""
    for number in range(6):
        waiting.start(read_task(task=f"t{number}", sync=f"s{number}"))
    shown.show = {pod.name: EVICTED for pod in waiting.pods.list_pods()}
    barrier = threading.Barrier(4)
    swept: list[SweepStats] = []

    def work() -> None:
        barrier.wait()
        swept.append(waiting.sweep())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(swept) == 4
    assert sum(one.concluded for one in swept) == 6
    assert database.rows("SELECT DISTINCT status FROM source_task") == [{"status": "FAILED"}]
    wait_for(lambda: not list(waiting.pods.list_pods()), 30, "no pod")


@pytest.mark.fault(20)
def test_a_poison_pod_costs_itself_alone(waiting: LocalSystem, shown: Shown, database: TestDatabase) -> None:
    """Without readable annotations its row is found by its name; without a row too it is cleared away and counted."""
    for number in "123":
        waiting.start(read_task(task=f"t{number}", sync=f"s{number}"))
    one, two, three = (name_of(waiting, f"t{number}") for number in "123")
    database.rows("DELETE FROM syncctl_task WHERE task_id = 't2'")
    broken = {"metadata": {"annotations": {"TaskType": "dance"}}}
    shown.show = {one: EVICTED | broken, two: EVICTED | {"metadata": {"annotations": {}}}, three: EVICTED}
    swept = waiting.sweep()
    assert (swept.pods, swept.concluded, swept.unreadable, swept.deleted) == (3, 2, 1, 3)
    assert database.rows("SELECT task_id FROM syncctl_task WHERE state = 'FAILED' ORDER BY task_id") == [
        {"task_id": "t1"},
        {"task_id": "t3"},
    ]


def test_a_pod_without_a_row_is_adopted(waiting: LocalSystem, shown: Shown, database: TestDatabase) -> None:
    """Its annotations name the task: it goes on, and its end is told to the caller."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    database.rows("DELETE FROM syncctl_task")
    assert waiting.sweep().active == 1
    shown.show = {pod: EVICTED}
    assert waiting.sweep().concluded == 1
    assert database.rows("SELECT status FROM source_task") == [{"status": "FAILED"}]


@pytest.mark.fault(10)
def test_a_cluster_that_fails_in_the_middle_of_a_list_concludes_no_absence(
    waiting: LocalSystem, database: TestDatabase
) -> None:
    """Half a list proves nothing about the other half."""
    for number in "12":
        waiting.start(read_task(task=f"t{number}", sync=f"s{number}"))
    database.rows("UPDATE syncctl_task SET created_at = now() - interval '1 minute'")

    class Half(Shown):
        def list_pods(self) -> Iterator[Pod]:
            yield next(iter(super().list_pods()))
            raise ClusterUnavailable("away")

    cluster.use(Half(waiting.pods))
    with pytest.raises(ClusterUnavailable):
        waiting.sweep()
    assert database.rows("SELECT DISTINCT status FROM source_task") == [{"status": "RUNNING"}]


@pytest.mark.fault(3)
def test_a_task_that_waits_for_a_quota_has_until_the_init_time_out(
    waiting: LocalSystem, database: TestDatabase
) -> None:
    """Its request may be repeated; only then it fails, with the quota's words."""
    waiting.start(read_task())
    [pod] = waiting.pods.list_pods()
    waiting.pods.delete_pod(pod.name, pod.uid, 0)
    wait_for(lambda: not list(waiting.pods.list_pods()), 30, "no pod")
    age = "UPDATE syncctl_task SET state = 'PENDING', reason = 'exceeded quota: pods=2', created_at = now() - interval '1 hour', updated_at = now() - interval '{} s'"
    database.rows(age.format(100))
    assert waiting.sweep().orphaned_rows == 0
    database.rows(age.format(200))
    assert waiting.sweep().orphaned_rows == 1
    [row] = database.rows("SELECT description FROM source_task")
    assert row["description"] == (
        "INIT_TIMEOUT: The task's pod could not be created within 3 min: exceeded quota: pods=2; raise the namespace's "
        "quota, or run fewer tasks at once."
    )


@pytest.mark.fault(75)
def test_the_first_pull_error_is_kept(waiting: LocalSystem, shown: Shown, database: TestDatabase) -> None:
    """Older clusters replace the registry's text by BackOff's own; a waiting task shows what it waits for."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")

    def pulls(reason: str, message: str, since: str) -> dict[str, Any]:
        waits = {"waiting": {"reason": reason, "message": message}}
        status = {"phase": "Pending", "startTime": since, "containerStatuses": [{"name": "source", "state": waits}]}
        return {"status": status}

    shown.show = {pod: pulls("ErrImagePull", "manifest unknown", "2999-01-01T00:00:00Z")}
    waiting.sweep()
    noted = "The pod waits: source: ErrImagePull: manifest unknown"
    assert database.rows("SELECT reason FROM syncctl_task") == [{"reason": noted}]
    shown.show = {pod: pulls("ImagePullBackOff", "Back-off pulling image", "2999-01-01T00:00:00Z")}
    waiting.sweep()
    assert database.rows("SELECT reason FROM syncctl_task") == [{"reason": noted}]
    shown.show = {pod: pulls("ImagePullBackOff", "Back-off pulling image", "2020-01-01T00:00:00Z")}
    waiting.sweep()
    [row] = database.rows("SELECT reason FROM syncctl_task")
    assert "ImagePullBackOff" in row["reason"]
    assert "It began with source: ErrImagePull: manifest unknown; " in row["reason"]


@pytest.mark.fault(32, 35)
def test_what_a_pod_waits_for_is_its_row_s_reason_while_it_lasts(
    waiting: LocalSystem, shown: Shown, database: TestDatabase
) -> None:
    """A node, for longer than a start may take; then an image, though its sidecar reports already; then nothing."""
    waiting.start(read_task(body={"catalog": catalog("plants")}))
    pod = name_of(waiting, "task-1")
    database.rows("UPDATE syncctl_task SET created_at = now() - interval '30 minutes'")
    full = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
    bare: dict[str, Any] = {"phase": "Pending", "startTime": None, "initContainerStatuses": [], "containerStatuses": []}
    shown.show = {
        pod: {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}, "status": bare | {"conditions": [full]}}
    }
    database.rows("UPDATE syncctl_task SET state = 'PENDING'")

    def swept() -> tuple[str, str]:
        waiting.sweep()
        [row] = database.rows("SELECT state, reason FROM syncctl_task")
        return row["state"], row["reason"]

    assert swept()[1] == "The pod waits: no node takes it (0/1 nodes are available)"
    waits = [{"name": "source", "state": {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}}]
    shown.show = {
        pod: {"status": {"phase": "Pending", "startTime": "2999-01-01T00:00:00Z", "containerStatuses": waits}}
    }
    wait_for(lambda: swept() == ("RUNNING", "The pod waits: source: ErrImagePull: manifest unknown"), 30, "a report")
    shown.show = {}
    wait_for(lambda: swept() == ("RUNNING", ""), 30, "a pod that runs")


ENDED_WELL = {"exitCode": 0, "reason": "Completed"}
THREE = '{"plants":{"events":3,"bytes":10,"status":"%s","error":"%s"}}'


def _ended(source: int) -> dict[str, Any]:
    """A pod whose sidecar ended in order, and its source with that code."""
    ends = {"source": {"exitCode": source, "reason": "Error"} if source else ENDED_WELL, "sidecar": ENDED_WELL}
    statuses = [{"name": name, "state": {"terminated": end}} for name, end in ends.items()]
    return {"status": {"phase": "Failed" if source else "Succeeded", "containerStatuses": statuses}}


@pytest.mark.fault(101)
@pytest.mark.parametrize(
    ("status", "description", "source", "expected"),
    [
        ("SUCCESS", THREE % ("SUCCESS", ""), 0, ("SUCCESS", "", None)),
        ("FAILED", THREE % ("FAILED", "no such plant"), 0, ("FAILED", "plants: no such plant", "source_error")),
        ("FAILED", "ERROR: no permission", 1, ("FAILED", "ERROR: no permission", "source_exit")),
        ("PARTIAL", THREE % ("PARTIAL", "cut"), 0, ("PARTIAL", "plants: cut", "source_error")),
        ("RUNNING", "", 0, ("FAILED", "The pod ended. The task ended without writing its result;", "sidecar_failed")),
        ("SUCCESS", THREE % ("SUCCESS", ""), 1, ("FAILED", "source ended with exit code 1.", "source_exit")),
    ],
)
def test_a_read_that_only_the_caller_s_row_has_the_end_of(
    waiting: LocalSystem,
    shown: Shown,
    database: TestDatabase,
    status: str,
    description: str,
    source: int,
    expected: tuple[str, str, str | None],
) -> None:
    """The original's sidecar in our pod writes its own table alone; both tables then agree."""
    waiting.start(read_task(body={"catalog": catalog("plants")}))
    shown.show = {name_of(waiting, "task-1"): _ended(source)}
    database.rows("UPDATE source_task SET status = :s, description = :d", s=status, d=description)
    assert waiting.sweep().concluded == 1
    [row] = database.rows("SELECT state, reason, failure ->> 'kind' AS kind, streams FROM syncctl_task")
    state, reason, kind = expected
    assert (row["state"], row["kind"], row["reason"].startswith(reason)) == (state, kind, True)
    assert ("plants" in row["streams"]) is ("plants" in description and not source)
    [theirs] = database.rows("SELECT status, description FROM source_task")
    assert theirs["status"] == (status if status != "RUNNING" else "FAILED")


ROWS = {
    "spec": "INSERT INTO source_spec (package, version, specs, timestamp, error)"
    " SELECT package, version, '{\"a\": 1}', created_at, '' FROM syncctl_task",
    "check": "INSERT INTO source_check (package, version, key, status, description, timestamp)"
    " SELECT package, version, storage_key, 'SUCCESS', 'ok', created_at FROM syncctl_task",
    "discover": "UPDATE source_catalog SET status = 'SUCCESS', catalog = '{\"streams\": []}'",
}


@pytest.mark.fault(101)
@pytest.mark.parametrize("command", ROWS)
def test_another_command_that_only_the_caller_s_row_has_the_end_of(
    waiting: LocalSystem, shown: Shown, database: TestDatabase, command: str
) -> None:
    """With what it found; a row of an earlier run is none of this one's."""
    waiting.start(other_task(command))
    [row] = database.rows("SELECT task_id, pod_name FROM syncctl_task")
    database.rows(ROWS[command])
    shown.show = {row["pod_name"]: _ended(0)}
    assert waiting.sweep().concluded == 1
    found = database.rows("SELECT t.state, r.result FROM syncctl_task t LEFT JOIN syncctl_result r USING (task_id)")
    results: dict[str, Any] = {"spec": {"a": 1}, "check": None, "discover": {"streams": []}}
    assert found == [{"state": "SUCCESS", "result": results[command]}]


@pytest.mark.fault(101)
def test_an_earlier_run_s_row_is_no_end_of_this_one(waiting: LocalSystem, shown: Shown, database: TestDatabase) -> None:
    waiting.start(other_task("check"))
    [row] = database.rows("SELECT pod_name FROM syncctl_task")
    database.rows(ROWS["check"].replace("created_at", "created_at - interval '1 day'"))
    shown.show = {row["pod_name"]: _ended(0)}
    assert waiting.sweep().concluded == 1
    assert database.rows("SELECT state FROM syncctl_task") == [{"state": "FAILED"}]


def test_a_running_pod_that_is_stopped_gets_time_to_save(
    waiting: LocalSystem, shown: Shown, database: TestDatabase
) -> None:
    """Over its time limit: the row first, then the deletion with the settings' grace."""
    waiting.start(read_task(body={"catalog": catalog("plants")}))
    pod = name_of(waiting, "task-1")
    wait_for(lambda: (found := waiting.pods.get_pod(pod)) and found.status.phase == "Running", 30, "a running pod")
    database.rows("UPDATE syncctl_task SET created_at = '2020-01-01'")
    shown.show = {pod: {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}}}
    assert waiting.sweep().concluded == 1
    assert shown.deleted == [(pod, waiting.settings.container_grace_shutdown_seconds)]


@pytest.mark.fault(38)
def test_a_silent_sidecar_is_only_judged_by_who_could_have_heard_it(
    waiting: LocalSystem, shown: Shown, database: TestDatabase
) -> None:
    """After Postgres was away for long, nobody has reported; the first sweep then concludes nothing."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    runs = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    statuses = [{"name": "source", "state": runs}, {"name": "sidecar", "state": runs}]
    shown.show = {pod: {"status": {"phase": "Running", "containerStatuses": statuses}}}
    silent = """UPDATE syncctl_task SET state = 'RUNNING', streams = '{"plants": {}}', updated_at = now() - interval '2 hours'"""
    database.rows(silent)
    database.rows("DELETE FROM syncctl_sweep")
    assert waiting.sweep().concluded == 0
    assert waiting.sweep().concluded == 1
    [row] = database.rows("SELECT description FROM source_task")
    assert "sidecar has not reported for 2 h" in row["description"]


@pytest.mark.fault(39, 48)
def test_a_sidecar_that_drains_is_not_judged_by_what_nobody_could_hear(
    waiting: LocalSystem, shown: Shown, database: TestDatabase
) -> None:
    """After Postgres (or every sweeper) was away, a sidecar that has rows to send is left alone, as before."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    over = {"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T00:00:00Z"}}
    runs = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    statuses = [{"name": "source", "state": over}, {"name": "sidecar", "state": runs}]
    shown.show = {pod: {"status": {"phase": "Running", "containerStatuses": statuses}}}
    reports = "UPDATE syncctl_task SET state = 'RUNNING', streams = :s::jsonb, updated_at = now()"
    database.rows(reports, s='{"plants": {"emitted": 5}}')
    database.rows("DELETE FROM syncctl_sweep")
    assert [waiting.sweep().concluded for _ in range(2)] == [0, 0]
    database.rows(reports, s='{"plants": {"emitted": 0}}')
    assert waiting.sweep().concluded == 1


def test_a_call_goes_on_while_anything_is_active(waiting: LocalSystem, shown: Shown, database: TestDatabase) -> None:
    """It ends as soon as nothing is, and in any case before its time is over; a failed sweep is repeated."""
    quick = waiting.settings.model_copy(update={"container_status_check_seconds": 0, "sweep_seconds": 60})
    assert keep_sweeping(quick).sweeps == 1
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    real, lists = shown.list_pods, []

    def list_pods() -> Iterator[Pod]:
        lists.append(1)
        if len(lists) == 3:
            raise ClusterUnavailable("away")
        if len(lists) == 5:
            shown.show = {pod: EVICTED}
        return real()

    shown.list_pods = list_pods  # type: ignore[method-assign] # a fault put into one verb
    summary = keep_sweeping(quick)
    assert (summary.sweeps, summary.failed, summary.concluded, summary.deleted) == (4, 1, 1, 1)
    assert summary.last.active == 0


@pytest.mark.fault(21)
def test_a_call_ends_before_its_time_is_over(waiting: LocalSystem) -> None:
    """An active task is left to the next call."""
    waiting.start(read_task())
    short = waiting.settings.model_copy(update={"container_status_check_seconds": 1, "sweep_seconds": 1})
    summary = keep_sweeping(short)
    assert (summary.sweeps, summary.last.active) == (1, 1)


@pytest.mark.fault(14)
def test_the_last_sweep_shows_in_the_list_of_tasks(waiting: LocalSystem) -> None:
    """Its age and counts; null before the first one."""
    assert list_tasks(waiting.settings, TaskQuery())["lastSweep"] is None
    waiting.start(other_task("spec"))
    waiting.sweep()
    last = list_tasks(waiting.settings, TaskQuery())["lastSweep"]
    assert (last["pods"], last["active"], last["orphanedRows"]) == (1, 1, 0)
    assert 0 <= last["ageSeconds"] < 60
    assert last["at"].endswith("Z")


def test_a_database_of_an_older_version_is_brought_up(
    waiting: LocalSystem, database: TestDatabase, empty_database: TestDatabase
) -> None:
    """The first sweep after an upgrade makes the table that it needs."""
    empty_database.make_older(1)
    older = Settings.load({"SYNCCTL_DATABASE_URL": empty_database.url})
    assert keep_sweeping(older).sweeps == 1
    assert empty_database.rows("SELECT data_plane FROM syncctl.syncctl_sweep") == [{"data_plane": "default"}]


def test_the_function_says_what_is_missing(database: TestDatabase) -> None:
    """Outside of a cluster `local` cannot work: the setting is named, for calls and events alike."""
    with running("sweeper", token="right", SYNCCTL_DATABASE_URL=database.url) as server:
        headers = {name.title().replace("-", "_"): value for name, value in EVENT.items()}
        subject = {"Ce_Subject": "/apis/v1/namespaces/default/pods/p-1"}
        for answer in (server.ask("POST", "/sweeper"), server.ask("POST", "/", **headers, **subject)):
            assert (answer.status, "SYNCCTL_KUBERNETES_CLIENT_CONFIG" in answer.error) == (500, True)
        assert server.ask("POST", "/sweeper?all=1").status == 400
        assert server.ask("GET", "/sweeper").status == 405
        assert server.ask("POST", "/sweeper", json.dumps(EVENT)).status == 400


@pytest.mark.fault(15, 66)
@pytest.mark.parametrize("allowed", ["true", "false"])
def test_an_event_without_a_token_is_a_hint_where_that_is_allowed(database: TestDatabase, allowed: str) -> None:
    """ApiServerSource sends no token. Whatever else comes without one, or with a wrong one, is refused."""
    with running(
        "sweeper", token="right", SYNCCTL_DATABASE_URL=database.url, SYNCCTL_EVENTS_WITHOUT_TOKEN=allowed
    ) as server:
        headers = {name.title().replace("-", "_"): value for name, value in EVENT.items()}
        structured = {"Content_Type": "application/cloudevents+json"}
        refused = [
            server.ask("POST", "/sweeper", token=""),
            server.ask("POST", "/sweeper", json.dumps(EVENT), token=""),
            server.ask("POST", "/sweeper", token="wrong", **headers),
            server.ask("GET", "/sweeper", token=""),
        ]
        assert [answer.status for answer in refused] == [401] * 4
        events = [
            server.ask("POST", "/sweeper", token="", **headers),
            server.ask("POST", "/sweeper", "{}", token="", **structured),
        ]
        # The second one is only half an event, and learns that.
        assert [answer.status for answer in events] == ([200, 400] if allowed == "true" else [401, 401])


def _broken(message: str, reason: str = "Error", name: str = "source") -> dict[str, Any]:
    """A pod whose source, or what else, ended with a termination message."""
    end = {"exitCode": 1, "reason": reason, "message": message}
    ends = {"source": {"exitCode": 1, "reason": "Error"}, "sidecar": {"exitCode": 0}, name: end}
    statuses = [{"name": container, "state": {"terminated": state}} for container, state in ends.items()]
    return {"status": {"phase": "Failed", "containerStatuses": statuses}}


def _texts(database: TestDatabase, task: str = "task-1") -> str:
    tables = ("syncctl_task", "source_task")
    rows = [
        row for name in tables for row in database.rows(f"SELECT t::text AS t FROM {name} t WHERE task_id = :i", i=task)
    ]
    return "\n".join(row["t"] for row in rows)


SPECIFICATION = {"connectionSpecification": {"properties": {"host": {"airbyte_secret": True}}}}
GIVEN = {"api_key": canaries.CONFIG, "host": "planted-by-mark.test"}


@pytest.mark.fault(215)
def test_a_termination_message_is_masked_as_what_a_connector_prints(
    waiting: LocalSystem, shown: Shown, database: TestDatabase
) -> None:
    """By the configuration, what its specification marks, and what the connector changed; also where it was cut."""
    database.rows(
        "INSERT INTO source_spec (package, version, specs, error) VALUES (:p, :v, :s::jsonb, '')",
        p=PACKAGE, v="1.4.0", s=json.dumps(SPECIFICATION),
    )  # fmt: skip
    waiting.start(read_task(body={"config": GIVEN}))
    renewed = json.dumps(GIVEN | {"access_token": "renewed-token-1"}).encode()
    task = Task(Command.READ, "task-1", PACKAGE, "1.4.0")
    with Database(database.url) as db:
        db.transact(lambda db: states.keep_config(db, task, renewed))
    words = f"no licence: {canaries.CONFIG} planted-by-mark.test renewed-token-1 {canaries.CONFIG[:-3]}"
    shown.show = {name_of(waiting, "task-1"): _broken(words)}
    waiting.sweep()
    texts = _texts(database)
    assert "source ended with exit code 1: no licence: ******** ******** ******** ********" in texts
    for secret in (canaries.CONFIG[:-3], "planted-by-mark", "renewed-token-1"):
        assert secret not in texts


@pytest.mark.fault(215)
@pytest.mark.parametrize("name", ["source", "sidecar", "init", "stranger"])
def test_a_message_that_cannot_be_masked_is_withheld(
    waiting: LocalSystem, shown: Shown, database: TestDatabase, name: str
) -> None:
    """The Secret is gone, deleted by hand: nobody knows any more what is secret."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    shown.show = {pod: _broken(f"no licence: {canaries.CONFIG}", name=name)}
    shown.secrets_are_gone = True
    waiting.sweep()
    texts = _texts(database)
    assert canaries.CONFIG not in texts
    assert "no licence" not in texts
    assert "FAILED" in texts


@pytest.mark.fault(215)
def test_texts_that_only_the_pod_could_mask_are_left_out(
    waiting: LocalSystem, shown: Shown, database: TestDatabase
) -> None:
    """The task refers to Secrets, which the sweeper may not read: neither a message nor a container's log is shown."""
    reference = {"valueFrom": {"secretKeyRef": {"name": "credentials-shop", "key": "site"}}}
    for number, message in enumerate((f"no licence: {canaries.CONFIG}", "")):
        body = {"config": {"site": reference}}
        waiting.start(structs.replace(read_task(f"task-{number}", f"sync-{number}", body=body), resolve=True))
        pod = name_of(waiting, f"task-{number}")
        shown.show = {pod: _broken(message)}
        shown.logs = {"source": f"error: {canaries.CONFIG} does not fit", "sidecar": "ERROR : masked already"}
        waiting.sweep()
        texts = _texts(database, f"task-{number}")
        assert canaries.CONFIG not in texts
        assert ("withheld, as it may hold values of Secrets" in texts) == bool(message)
        assert "ERROR : masked already" in texts


def test_the_runtimes_own_words_are_never_withheld(waiting: LocalSystem, shown: Shown, database: TestDatabase) -> None:
    """A container that never ran wrote nothing."""
    waiting.start(read_task())
    shown.show = {name_of(waiting, "task-1"): _broken("exec: sh: not found", reason="StartError")}
    shown.secrets_are_gone = True
    waiting.sweep()
    assert "source could not be started: StartError: exec: sh: not found" in _texts(database)


@pytest.mark.fault(215)
@pytest.mark.parametrize("gone", [False, True])
def test_the_log_of_the_sources_container_is_masked(
    waiting: LocalSystem, shown: Shown, database: TestDatabase, gone: bool
) -> None:
    """A connector may print past its pipes; without the Secret the sidecar's log, which masks itself, stands there."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    shown.show = {pod: _broken("")}
    shown.logs = {"source": f"error: {canaries.CONFIG} does not fit", "sidecar": "ERROR : masked already"}
    shown.secrets_are_gone = gone
    waiting.sweep()
    texts = _texts(database)
    assert canaries.CONFIG not in texts
    assert ("ERROR : masked already" if gone else "error: ******** does not fit") in texts
