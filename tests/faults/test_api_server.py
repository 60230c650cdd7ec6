"""Whole starts and sweeps before a stand-in for the Kubernetes API that fails as API servers fail."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.errors import ClusterUnavailable, Conflict, QuotaExceeded
from common.settings import Settings
from common.store import Database
from common.store.sweeps import SweepStats
from common.sweep.sweep import sweep, sweep_pod
from common.tasks.start import start
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_kubernetes import Answer, Asked, FakeKubernetes, made, status
from tests.support.local_system import read_task
from tests.support.sidecar_process import catalog


@pytest.fixture
def settings(database: TestDatabase, api: FakeKubernetes) -> Settings:
    return Settings.load(environment(database.url, api))


def _states(database: TestDatabase) -> list[str]:
    return [row["state"] for row in database.rows("SELECT state FROM syncctl_task ORDER BY task_id")]


@pytest.mark.fault(1)
def test_a_pod_of_this_task_is_used_and_another_one_is_not(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """Its row is PENDING and its pod there: it gets its Secret. Where the name is another task's: refused for good."""
    api.fail = lambda asked, _: status(503, "ServiceUnavailable", "no") if asked.path.endswith("/secrets") else False
    with pytest.raises(ClusterUnavailable):
        start(read_task(), settings)
    api.fail = lambda *_: False
    assert start(read_task(), settings).task_id == "task-1"
    [name] = api.pods
    assert api.secrets == {f"{name}-config"}
    api.pods[name] = made(name, task="another")
    database.rows("DELETE FROM syncctl_task")
    database.rows("DELETE FROM source_task")
    with pytest.raises(Conflict, match="exists already"):
        start(read_task(), settings)
    assert _states(database) == ["FAILED"]


@pytest.mark.fault(3)
def test_a_quota_that_is_freed_lets_the_same_request_through(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """PENDING with the quota's words while it is used up; then the pod is made."""
    words = 'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    api.fail = lambda asked, _: status(403, "Forbidden", words) if asked.method == "POST" else False
    with pytest.raises(QuotaExceeded):
        start(read_task(), settings)
    [row] = database.rows("SELECT state, reason FROM syncctl_task")
    assert (row["state"], "exceeded quota: q" in row["reason"]) == ("PENDING", True)
    assert sweep(settings).concluded == 0
    api.fail = lambda *_: False
    start(read_task(), settings)
    assert len(api.pods) == 1


@pytest.mark.fault(7, 49)
@pytest.mark.parametrize("kind", ["pods", "secrets"])
def test_a_connection_that_breaks_after_the_post_makes_nothing_twice(
    settings: Settings, database: TestDatabase, api: FakeKubernetes, kind: str
) -> None:
    """Carried out, and the answer lost: the pod is found at once, the Secret by a repetition."""

    def fail(asked: Asked, _: int) -> Answer | bool:
        if asked.method != "POST" or not asked.path.endswith(kind):
            return False
        api.answer(asked)
        return None

    api.fail = fail
    if kind == "secrets":
        with pytest.raises(ClusterUnavailable):
            start(read_task(), settings)
        assert _states(database) == ["PENDING"]
        api.fail = lambda *_: False
    assert start(read_task(), settings).task_id == "task-1"
    assert (len(api.pods), len(api.secrets)) == (1, 1)
    assert all(asked.method != "DELETE" for asked in api.asked)


@pytest.mark.fault(11)
def test_a_pod_that_the_list_leaves_out_is_asked_for_by_name(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """However old its row: nothing is concluded while the pod is there. The list is asked for without a cache's leave."""
    start(read_task(), settings)
    database.rows("UPDATE syncctl_task SET created_at = now() - interval '1 hour'")

    def stale(asked: Asked, _: int) -> Answer | bool:
        return (200, {"items": [], "metadata": {}}) if asked.path.endswith("/pods") else False

    api.fail = stale
    assert (sweep(settings).orphaned_rows, _states(database)) == (0, ["PENDING"])
    lists = [asked.query for asked in api.asked if asked.method == "GET" and asked.path.endswith("/pods")]
    assert lists
    assert all("resourceVersion" not in query for query in lists)
    api.pods.clear()
    assert (sweep(settings).orphaned_rows, _states(database)) == (1, ["FAILED"])


EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}


def _ended(database: TestDatabase, api: FakeKubernetes, count: int) -> None:
    """As many running tasks, an hour old, whose pods have just been evicted; nothing is left to start them again from."""
    database.rows(
        "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state, created_at)"
        " SELECT n, 'read', n, 'p', '1', 'p' || n, 'h', 'RUNNING', now() - interval '1 hour'"
        " FROM (SELECT lpad(i::text, 3, '0') AS n FROM generate_series(0, :count - 1) i) s",
        count=count,
    )
    api.pods = {f"p{n:03}": {**made(f"p{n:03}", task=f"{n:03}"), "status": EVICTED} for n in range(count)}


@pytest.mark.fault(10, 21)
def test_a_sweep_that_breaks_off_leaves_less_to_do(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """Six hundred ended pods, and a server that is gone after the first page: that page is done, and no row is lost."""
    _ended(database, api, 600)
    api.fail = lambda asked, _: None if asked.query.get("continue") == "p499" else False
    with pytest.raises(ClusterUnavailable, match="listing"):
        sweep(settings)
    assert _states(database) == ["FAILED"] * 500 + ["RUNNING"] * 100
    assert len(api.pods) == 100
    api.fail = lambda *_: False
    swept = sweep(settings)
    assert (swept.pods, swept.concluded, swept.deleted, swept.orphaned_rows) == (100, 100, 100, 0)
    assert set(_states(database)) == {"FAILED"}


@pytest.mark.fault(17)
def test_sweepers_that_write_the_same_page_at_once_are_harmless(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """Three hundred tasks that ended, four sweepers: each task is concluded once, and no pod is left."""
    _ended(database, api, 300)
    barrier = threading.Barrier(4)

    def work(_: int) -> SweepStats:
        barrier.wait()
        return sweep(settings)

    with ThreadPoolExecutor(4) as pool:
        swept = list(pool.map(work, range(4)))
    assert sum(one.concluded for one in swept) == 300
    assert (set(_states(database)), api.pods) == ({"FAILED"}, {})
    assert {asked.body["preconditions"]["uid"] for asked in api.asked if asked.method == "DELETE"} == {
        f"uid-p{n:03}" for n in range(300)
    }


@pytest.mark.fault(4, 20)
def test_a_pod_that_cannot_be_deleted_costs_itself_alone(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """Its row is written all the same, and the next sweep deletes it."""
    _ended(database, api, 20)

    def refused(asked: Asked, _: int) -> Answer | bool:
        no = asked.method == "DELETE" and asked.path.endswith("/p007")
        return status(403, "Forbidden", "the hook says no") if no else False

    api.fail = refused
    swept = sweep(settings)
    assert (swept.concluded, swept.deleted, swept.unreadable, swept.active) == (20, 19, 1, 1)
    assert (set(_states(database)), list(api.pods)) == ({"FAILED"}, ["p007"])
    api.fail = lambda *_: False
    assert sweep(settings).deleted == 1


@pytest.mark.fault(20)
def test_a_task_that_postgres_refuses_to_write_costs_itself_alone(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """The caller's table has a rule of its own: that task's pod stays, and the others of its page are concluded."""
    _ended(database, api, 20)
    database.rows("ALTER TABLE source_task ADD CONSTRAINT odd CHECK (task_id <> '007')")
    swept = sweep(settings)
    assert (swept.concluded, swept.deleted, swept.unreadable, swept.active) == (19, 19, 1, 1)
    assert (_states(database).count("RUNNING"), list(api.pods)) == (1, ["p007"])
    database.rows("ALTER TABLE source_task DROP CONSTRAINT odd")
    assert (sweep(settings).concluded, api.pods) == (1, {})


@pytest.mark.fault(20)
def test_a_task_whose_row_somebody_holds_costs_itself_alone(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """A console's transaction that stays open: the other tasks of the page are concluded, and this one when it ends."""
    _ended(database, api, 20)
    database.rows(
        "INSERT INTO source_task SELECT sync_id, task_id, package, version, now(), now(), NULL, 'RUNNING', ''"
        " FROM syncctl_task"
    )
    with Database(database.url) as console:
        console.execute("BEGIN")
        console.execute("UPDATE newjitsu.source_task SET description = 'seen' WHERE task_id = '007'")
        swept = sweep(settings)
        assert (swept.concluded, swept.deleted, swept.unreadable, swept.active) == (19, 19, 1, 1)
        assert (_states(database).count("RUNNING"), list(api.pods)) == (1, ["p007"])
    assert (sweep(settings).concluded, api.pods) == (1, {})


@pytest.mark.fault(20)
@pytest.mark.parametrize("proposal", ['{"state":"FAILED","failure":{"kind":"of_tomorrow","message":"m"}}', "{", "[]"])
def test_a_proposal_that_cannot_be_read_costs_no_other_task(
    settings: Settings, database: TestDatabase, api: FakeKubernetes, proposal: str
) -> None:
    """As of a sidecar of a newer version: the pod's end alone decides about that task."""
    _ended(database, api, 3)
    database.rows("UPDATE syncctl_task SET proposal = :p WHERE task_id = '001'", p=proposal)
    assert (sweep(settings).concluded, api.pods) == (3, {})
    assert [row["kind"] for row in database.rows("SELECT failure->>'kind' AS kind FROM syncctl_task")] == [
        "evicted"
    ] * 3


@pytest.mark.fault(20)
def test_a_secret_that_was_tampered_with_costs_its_task_alone(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """What was kept to start a read again is not what was put there: its task is FAILED, and the others are concluded."""
    _ended(database, api, 3)
    start(read_task("task-1"), settings)
    [name] = set(api.pods) - {"p000", "p001", "p002"}
    database.rows("UPDATE syncctl_task SET state = 'RUNNING' WHERE task_id = 'task-1'")
    api.secret_data[f"{name}-config"] = {"config.gz": "AAAA"}
    api.pods[name]["status"] = EVICTED
    swept = sweep(settings)
    assert (swept.concluded, swept.unreadable, list(api.pods)) == (4, 0, [])


@pytest.mark.fault(29)
@pytest.mark.parametrize("page", [b"<html>404 page not found</html>", b"", b'{"error": "no such route"}'])
def test_a_404_that_is_not_the_api_server_s_own_proves_nothing(
    settings: Settings, database: TestDatabase, api: FakeKubernetes, page: bytes
) -> None:
    """A proxy in between that has lost its way: no running task fails for that, by an event or by a sweep."""
    start(read_task(), settings)
    database.rows("UPDATE syncctl_task SET created_at = now() - interval '1 hour', state = 'RUNNING'")
    [name] = api.pods
    api.fail = lambda asked, _: (404, page) if asked.path.endswith(name) else False
    with pytest.raises(ClusterUnavailable):
        sweep_pod(settings, name)
    sweep(settings)
    assert _states(database) == ["RUNNING"]
    api.fail = lambda *_: False
    del api.pods[name]
    assert (sweep_pod(settings, name).orphaned_rows, _states(database)) == (1, ["FAILED"])


@pytest.mark.fault(61)
def test_a_state_that_has_outgrown_its_secret_is_told(
    settings: Settings, database: TestDatabase, api: FakeKubernetes
) -> None:
    """By the time that the read is started again: the task says so at once, not that its image may be large."""
    start(read_task(body={"catalog": catalog("plants", incremental=True)}), settings)
    database.rows("UPDATE syncctl_task SET state = 'RUNNING', accepted_at = now() - interval '1 minute'")
    grown = json.dumps({"seen": random.Random(1).randbytes(1200 * 1024).hex()})
    database.rows("INSERT INTO source_state VALUES ('sync-1', 'plants', :state::jsonb, now())", state=grown)
    [pod] = api.pods.values()
    pod["status"] = EVICTED
    sweep(settings)
    database.rows("UPDATE syncctl_task SET resume_at = now()")
    with Database(database.url) as console:
        console.execute("BEGIN")
        console.execute("UPDATE newjitsu.source_task SET description = 'held'")
        assert (sweep(settings).pods, _states(database)) == (1, ["PENDING"])  # and no sweep stops for it
        console.execute("ROLLBACK")
    sweep(settings)
    [row] = database.rows("SELECT state, reason, attempt FROM syncctl_task")
    assert (row["state"], row["attempt"]) == ("FAILED", 2)
    assert "(state alone to 2,4" in row["reason"]
    database.rows("UPDATE syncctl_task SET finished_at = now() - interval '1 minute'")
    assert (sweep(settings).deleted, api.pods) == (1, {})
