"""Runs of declared syncs on real Postgres, sidecars and local pods: from the document to rows."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common import cluster
from common.declared.query import get_sync, list_syncs
from common.declared.run import run_sync
from common.errors import Conflict, QuotaExceeded, Refused, SyncError
from common.request import Request
from common.runs import run
from common.runs.declared import Declared, read
from common.runs.due import Start, Trigger, follower_id
from common.runs.reconcile import Reconciled, reconcile
from common.store import Database, sweeps
from common.store.runs import Wanted
from common.syncs.validate import Rules
from common.tasks.cancel import cancel
from common.tasks.query import get_task
from common.tasks.requests import CancelQuery
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.local_system import Broken, LocalSystem, Query, local_system, python
from tests.support.syncs import document

GARDEN = Path(__file__).parent.parent / "support/garden_connector.py"
IMAGE = "airbyte/source-garden:1.4.0"
OFFERED: dict[str, Any] = {"herbs": {"id": {"type": "integer"}}, "trees": {}}


class Site:
    """A site with one connector, whose source offers what a file says."""

    def __init__(self, system: LocalSystem, offered: Path) -> None:
        self.system, self.settings, self._offered = system, system.settings, offered
        self.offer(OFFERED)

    def offer(self, streams: dict[str, Any]) -> None:
        self._offered.write_text(json.dumps(streams))

    def declare(self, name: str = "garden", **spec: Any) -> None:
        config = {"offered": str(self._offered)} | spec.pop("config", {})
        self.system.pods.put_sync(document(name, **{"image": IMAGE, "config": config} | spec), "")

    def declared(self, name: str = "garden") -> Declared:
        found = read(self.system.pods.get_sync(name) or {}, Rules())
        assert isinstance(found, Declared)
        return found

    def status(self, name: str = "garden") -> Any:
        return (self.system.pods.get_sync(name) or {}).get("status")

    def begin(self, task_id: str = "garden-1", name: str = "garden", **wanted: Any) -> None:
        how = Start(task_id, Trigger.MANUAL)
        run.begin(self.declared(name), how, Wanted(name, **wanted), self.settings)

    def at(self, moment: datetime) -> Reconciled:
        """What a sweep does about declared syncs, at another time."""
        with Database(self.settings.require_database_url()) as db:
            return reconcile(self.system.pods, db, self.settings, moment.timestamp())

    def now(self) -> datetime:
        with Database(self.settings.require_database_url()) as db:
            return datetime.fromtimestamp(db.transact(sweeps.now), UTC)

    def task(self, task_id: str = "garden-1") -> Any:
        return get_task(self.settings, task_id)["task"]

    def finish(self, task_id: str = "garden-1") -> dict[str, Any]:
        return self.system.finish(task_id)

    def run(self, task_id: str = "garden-1", name: str = "garden", **wanted: Any) -> dict[str, Any]:
        self.begin(task_id, name, **wanted)
        return self.finish(task_id)


@pytest.fixture
def site(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[Site]:
    """Local pods with one connector."""
    with local_system(tmp_path, database, bulker.url, {IMAGE: python(GARDEN)}) as system:
        yield Site(system, tmp_path / "offered.json")


def test_a_run_discovers_first_and_then_reads(site: Site, database: TestDatabase) -> None:
    """Its row is there from the start; the next run uses the same discovery, and resumes."""
    site.declare(streams=[{"name": "herbs"}], prefix="p_")
    site.begin()
    assert (site.task()["state"], site.task()["reason"]) == (
        "PENDING",
        "Discovers streams first: task garden-1-discover.",
    )
    task = site.finish()
    assert (task["state"], task["reason"], task["streams"]["herbs"]["stored"]) == ("SUCCESS", "", 1)
    assert json.loads(task["startedBy"]) == {"trigger": "manual", "sync": "garden"}
    assert site.task("garden-1-discover")["state"] == "SUCCESS"
    site.begin("garden-2")
    assert site.task("garden-2")["reason"] == ""  # its pod is made at once
    assert site.finish("garden-2")["state"] == "SUCCESS"
    rows = database.rows("SELECT task_id, awaits, discovery FROM syncctl_task WHERE command = 'read' ORDER BY 1")
    assert rows == [
        {"task_id": "garden-1", "awaits": None, "discovery": "garden-1-discover"},
        {"task_id": "garden-2", "awaits": None, "discovery": "garden-1-discover"},
    ]
    assert database.rows("SELECT state->>'n' AS n FROM source_state") == [{"n": "2"}]
    assert database.rows("SELECT status FROM source_task") == [{"status": "SUCCESS"}] * 2


def test_a_schedule_and_what_comes_after_it(site: Site, database: TestDatabase, bulker: FakeBulker) -> None:
    """One moment starts one run, whichever sweep comes first; its success starts the next sync once; all resume."""
    site.declare(schedule="* * * * *", streams=[{"name": "herbs"}])
    site.declare("later", after=["garden"], streams=[{"name": "trees"}])
    moment = site.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    task_id = f"garden-{moment:%Y%m%dT%H%MZ}"
    assert site.at(moment - timedelta(seconds=1)).active == 0
    site.at(moment + timedelta(seconds=1))
    site.at(moment + timedelta(seconds=2))
    assert site.status()["state"] == "PENDING"
    assert site.finish(task_id)["state"] == "SUCCESS"
    follower = follower_id("later", task_id)
    assert site.finish(follower)["state"] == "SUCCESS"
    assert json.loads(site.task(follower)["startedBy"]) == {"trigger": "after", "sync": "later", "after": task_id}
    for minutes in (1, 2):
        site.at(moment + timedelta(minutes=minutes, seconds=5))
        assert site.finish(f"garden-{moment + timedelta(minutes=minutes):%Y%m%dT%H%MZ}")["state"] == "SUCCESS"
    site.system.sweep()
    assert [row["n"] for row in bulker.rows("herbs")] == [1, 2, 3]
    rows = database.rows("SELECT sync_id, count(*) AS n FROM source_task GROUP BY 1 ORDER BY 1")
    assert rows == [{"sync_id": "garden", "n": 3}, {"sync_id": "later", "n": 3}]
    shown = site.status()
    assert (shown["state"], shown["lastTask"]) == ("SUCCESS", f"garden-{moment + timedelta(minutes=2):%Y%m%dT%H%MZ}")
    assert shown["lastSuccess"]
    assert shown["nextRun"]


@pytest.mark.fault(351)
def test_a_stream_that_is_not_offered_fails_the_run_by_name(site: Site) -> None:
    """Before anything is read, and in the status."""
    site.declare(streams=[{"name": "herbs"}, {"name": "weeds"}])
    task = site.run()
    assert (task["state"], task["failure"]["kind"], task["streams"]) == ("FAILED", "not_offered", {})
    assert task["reason"] == ("spec.streams: weeds is not offered by the source. The source offers herbs, trees.")
    site.system.sweep()
    assert site.status()["message"] == task["reason"]
    with pytest.raises(Refused, match="weeds is not offered"):  # by hand, with the discovery at hand: at once
        site.begin("garden-2")
    assert site.task("garden-2")["state"] == "FAILED"


@pytest.mark.fault(353)
def test_a_discovery_that_fails_fails_its_run(site: Site) -> None:
    """With its kind and its words; the next run discovers again."""
    site.declare(config={"broken": True})
    task = site.run()
    assert (task["state"], task["failure"]["kind"]) == ("FAILED", "config_error")
    assert task["reason"] == ("The discovery of its streams (task garden-1-discover) has failed: No such account")
    site.begin("garden-2")
    assert site.task("garden-2")["reason"] == "Discovers streams first: task garden-2-discover."


@pytest.mark.fault(463)
def test_a_discovery_that_fails_of_what_may_pass_is_repeated(
    site: Site, tmp_path: Path, database: TestDatabase
) -> None:
    """As often as a read would be, after a pause; the run then reads."""
    site.declare(config={"shaky": str(tmp_path / "first")}, retries=0)
    task = site.run()
    assert (task["state"], task["failure"]["kind"]) == ("FAILED", "transient_error")
    site.declare(config={"shaky": str(tmp_path / "second")}, retries=1)
    site.begin("garden-2")
    site.finish("garden-2-discover")
    site.system.sweep()
    assert site.task("garden-2")["state"] == "PENDING"  # the pause
    database.rows("UPDATE syncctl_task SET finished_at = now() - interval '1 hour' WHERE task_id = 'garden-2-discover'")
    site.system.sweep()
    again = "Discovers streams once more: task garden-2-discover-retry1, after: Try again later"
    assert site.task("garden-2")["reason"] == again
    assert site.finish("garden-2")["state"] == "SUCCESS"


@pytest.mark.fault(354)
def test_a_run_that_waits_can_be_cancelled_and_stands_in_the_way_of_others(site: Site) -> None:
    """It counts as active; its discovery goes on, and serves the next run."""
    site.declare()
    site.begin()
    with pytest.raises(Conflict, match="Sync garden already runs: task garden-1 is PENDING"):
        site.begin("garden-2")
    site.begin()  # the same once more is answered as the first time
    with pytest.raises(Conflict, match="exists already, with another request"):
        site.begin(full_sync=True)
    assert site.system.sweep().active >= 1
    assert cancel(CancelQuery("garden-1"), site.settings).state == "CANCELLED"
    assert site.finish("garden-1-discover")["state"] == "SUCCESS"
    assert site.task()["state"] == "CANCELLED"
    assert site.run("garden-3")["state"] == "SUCCESS"


@pytest.mark.fault(355)
def test_a_sync_that_is_deleted_or_changed_before_its_run_has_begun(site: Site, database: TestDatabase) -> None:
    """A deleted one's run is cancelled; a changed one's discovers what is declared now, and reads that."""
    site.declare()
    site.begin()
    site.system.pods.delete_sync("garden")
    task = site.finish()
    assert (task["state"], task["reason"]) == (
        "CANCELLED",
        "The sync garden was deleted before its run had begun.",
    )
    site.declare(config={"version": 2})
    site.begin("garden-2")
    site.declare(config={"version": 3}, streams=[{"name": "trees"}])
    assert list(site.finish("garden-2")["streams"]) == ["trees"]
    [row] = database.rows("SELECT discovery FROM syncctl_task WHERE task_id = 'garden-2'")
    assert row["discovery"].startswith("garden-2-discover-")
    site.declare(config={"version": 4})
    site.begin("garden-3")
    site.system.pods.put_sync(document("garden", image="nope"), "")
    task = site.finish("garden-3")
    assert (task["state"], task["failure"]["kind"]) == ("FAILED", "create_failed")
    assert "spec.image: expected an image" in task["reason"]


def test_what_has_changed_since_the_last_run_is_in_the_task_and_its_log(site: Site) -> None:
    """Streams, columns and types; nothing in the first run, and nothing where nothing has changed."""
    site.declare(discoverHours=0)
    assert site.run()["schemaChanges"] is None
    site.offer({"herbs": {"id": {"type": "string"}, "leaf": {"type": "boolean"}}, "weeds": {}})
    task = site.run("garden-2")
    assert task["schemaChanges"] == {
        "streamsAdded": ["weeds"],
        "streamsRemoved": ["trees"],
        "columns": [
            {"stream": "herbs", "column": "id", "was": "integer", "now": "string"},
            {"stream": "herbs", "column": "leaf", "was": None, "now": "boolean"},
        ],
    }
    logs = [line["message"] for line in task["logs"]]
    assert (
        "Columns that have changed since the last run: herbs.id: integer -> string, herbs.leaf: new -> boolean." in logs
    )
    assert site.run("garden-3")["schemaChanges"] is None


def test_some_streams_and_a_full_sync(site: Site, bulker: FakeBulker) -> None:
    """Only those are read, and only their states are forgotten."""
    site.declare()
    site.run()
    site.run("garden-2")
    site.run("garden-3", streams=("herbs",), full_sync=True)
    assert [row["n"] for row in bulker.rows("herbs")] == [1]
    assert [row["n"] for row in bulker.rows("trees")] == [1, 2]
    assert site.run("garden-4")["state"] == "SUCCESS"
    assert [row["n"] for row in bulker.rows("trees")] == [1, 2, 3]


def test_one_bad_sync_never_stops_the_others(site: Site) -> None:
    """An invalid document, two of one id and a circle show what is wrong; the others run."""
    site.declare(schedule="* * * * *", streams=[{"name": "herbs"}])
    site.system.pods.put_sync(document("bad", image="nope"), "")
    site.declare("twin", syncId="garden")
    site.declare("a", after=["b"])
    site.declare("b", after=["a"])
    moment = site.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    site.at(moment)
    assert site.task(f"garden-{moment:%Y%m%dT%H%MZ}")["state"] == "PENDING"
    assert {site.status(name)["state"] for name in ("bad", "twin", "a", "b")} == {"INVALID"}
    assert "the sync garden has it" in site.status("twin")["message"]
    assert site.status("a")["message"].startswith("spec.after: expected no circle: ")


@pytest.mark.fault(356)
def test_two_sweepers_start_a_run_once(site: Site, database: TestDatabase) -> None:
    """At the same moment, with its discovery at hand or not."""
    site.declare(schedule="* * * * *", streams=[{"name": "herbs"}])
    moment = site.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    for minutes in (0, 1):
        at = moment + timedelta(minutes=minutes, seconds=1)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(site.at, [at] * 4))
        assert site.finish(f"garden-{at:%Y%m%dT%H%MZ}")["state"] == "SUCCESS"
    rows = database.rows("SELECT command, count(*) AS n FROM syncctl_task GROUP BY 1 ORDER BY 1")
    assert rows == [{"command": "discover", "n": 1}, {"command": "read", "n": 2}]
    assert database.rows("SELECT state->>'n' AS n FROM source_state") == [{"n": "2"}]


@pytest.mark.fault(357)
def test_a_pod_that_cannot_be_made_yet_is_made_by_a_later_sweep(site: Site) -> None:
    """The discovery's, and the read's: the run waits, and says for what."""
    site.declare()
    cluster.use(Broken(site.system.pods, "create_pod", QuotaExceeded("exceeded quota: pods")))
    with pytest.raises(QuotaExceeded):
        site.begin()
    assert site.task()["reason"] == "Discovers streams first: task garden-1-discover. exceeded quota: pods"
    assert site.task("garden-1-discover")["reason"] == "exceeded quota: pods"
    site.system.sweep()
    cluster.use(site.system.pods)
    assert site.finish()["state"] == "SUCCESS"
    cluster.use(Broken(site.system.pods, "create_pod", QuotaExceeded("exceeded quota: pods")))
    with pytest.raises(QuotaExceeded):
        site.begin("garden-2")
    site.system.sweep()
    assert (site.task("garden-2")["state"], site.task("garden-2")["reason"]) == ("PENDING", "exceeded quota: pods")
    cluster.use(site.system.pods)
    assert site.finish("garden-2")["state"] == "SUCCESS"


@pytest.mark.fault(358)
def test_a_sweeper_that_dies_before_a_run_is_released(
    site: Site, tmp_path: Path, database: TestDatabase, bulker: FakeBulker
) -> None:
    """Its pod is there, and the row still awaits: the next sweep meets that pod, and a full sync forgets nothing twice."""
    waits = tmp_path / "waits"
    site.declare(streams=[{"name": "herbs"}], config={"waits": str(waits)})
    site.run()
    site.begin("garden-2", full_sync=True)
    database.rows("UPDATE syncctl_task SET awaits = discovery WHERE task_id = 'garden-2'")
    assert site.finish("garden-2")["state"] == "SUCCESS"
    assert database.rows("SELECT state->>'n' AS n FROM source_state") == [{"n": "1"}]
    waits.touch()
    site.begin("garden-3")
    database.rows("UPDATE syncctl_task SET awaits = discovery WHERE task_id = 'garden-3'")
    site.declare(streams=[{"name": "herbs"}], config={"waits": str(waits)}, prefix="other_")
    task = site.finish("garden-3")
    assert (task["state"], task["reason"]) == ("FAILED", "The sync was changed while its run began; run it again.")


def test_some_streams_of_a_sync_with_one_state_for_all(site: Site, database: TestDatabase) -> None:
    """They are read together: without a full sync that is refused, with one only they begin from nothing."""
    site.declare()
    site.run()
    parts = [{"stream_descriptor": {"name": name}, "stream_state": {"n": 1}} for name in ("herbs", "trees")]
    state = json.dumps({"shared_state": {}, "stream_states": parts})
    database.rows("DELETE FROM source_state")
    database.rows(
        "INSERT INTO source_state (sync_id, stream, state) VALUES ('garden', '_GLOBAL_STATE', :state::jsonb)",
        state=state,
    )
    with pytest.raises(Refused, match="so they are read together"):
        site.begin("garden-2", streams=("herbs",))
    site.begin("garden-3", streams=("herbs",), full_sync=True)
    [row] = database.rows("SELECT state::text AS state FROM source_state")
    assert [part["stream_descriptor"]["name"] for part in json.loads(row["state"])["stream_states"]] == ["trees"]
    assert set(site.finish("garden-3")["streams"]) == {"herbs", "trees"}


def _request(site: Site, *names: str, **query: str) -> Request:
    return Request(Query(**query), b"", "", site.settings, {}, "GET", names)


def test_over_http(site: Site, database: TestDatabase) -> None:
    """A run by hand, also of a suspended sync; what GET shows of it, and of syncs that only have tasks."""
    site.declare(suspend=True, schedule="@daily")
    answer = run_sync(_request(site, "garden", taskId="by-hand", streams="herbs"))
    assert answer["taskId"] == "by-hand"
    assert run_sync(_request(site, "garden", taskId="by-hand", streams="herbs")) == answer
    site.finish("by-hand")
    database.rows(
        "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state)"
        " VALUES ('other-1', 'read', 'other', 'p', '1', 'pod', 'h', 'FAILED')"
    )
    listed = list_syncs(_request(site))
    assert [one["status"]["state"] for one in listed["syncs"]] == ["SUSPENDED"]
    assert listed["undeclared"] == [
        {"syncId": "other", "declared": False, "status": {"state": "FAILED", "lastTask": "other-1"}}
    ]
    shown = get_sync(_request(site, "garden"))
    assert (shown["syncId"], shown["sync"]["status"]["lastTask"]) == ("garden", "by-hand")
    [stream] = shown["streams"]
    assert (stream["stream"], stream["status"], stream["rows"]) == ("herbs", "SUCCESS", 1)
    assert stream["lastRecord"]
    assert [one["key"] for one in shown["states"]] == ["herbs"]
    made = run_sync(_request(site, "garden"))["taskId"]
    assert re.fullmatch("garden-[0-9]{8}T[0-9]{6}-[0-9a-f]{8}", made)


@pytest.mark.parametrize(
    ("name", "query", "error"),
    [
        ("none", {}, "No sync is declared as 'none'"),
        ("garden", {"streams": ","}, "streams: expected names of streams"),
        ("garden", {"taskId": "a/../b"}, "taskId: expected at most 180 characters"),
        ("garden", {"fullSync": "yes"}, "fullSync: expected true or false"),
        ("garden", {"stream": "x"}, "Unknown parameter 'stream'"),
        ("bad", {}, "The sync bad cannot run as it is declared: "),
        ("some", {"streams": "herb"}, "streams: the sync does not select herb; it selects herbs, tall.trees."),
    ],
)
@pytest.mark.fault(461)
def test_a_run_by_hand_that_is_refused_starts_nothing(
    site: Site, database: TestDatabase, name: str, query: dict[str, str], error: str
) -> None:
    """By field."""
    site.declare()
    site.declare("some", streams=[{"name": "herbs"}, {"name": "trees", "namespace": "tall"}])
    site.system.pods.put_sync(document("bad", image="nope"), "")
    with pytest.raises(SyncError, match=re.escape(error)):
        run_sync(_request(site, name, **query))
    assert database.rows("SELECT 1 FROM syncctl_task") == []
