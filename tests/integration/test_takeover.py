"""Taking over from the original in place: pods and rows as it leaves them (docs/reference/contract.md F33 to F36)."""

import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import ClusterUnavailable, Conflict, NotFound
from common.settings import Settings
from common.store import TaskState
from common.store.sweeps import SweepStats
from common.sweep.sweep import sweep, sweep_pod
from common.tasks.cancel import cancel
from common.tasks.query import get_task, list_tasks
from common.tasks.requests import CancelQuery, TaskQuery
from common.tasks.start import start
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.docs import read
from tests.support.fake_kubernetes import NAMESPACE, Answer, Asked, FakeKubernetes, fake_kubernetes, made, status
from tests.support.local_system import PACKAGE, VERSION, other_task, read_task

TASK, SYNC = "0b7e2f4c-3a0e-4f0d-9a53-7a1c9e5d2b10", "cm-sync-1"
POD = f"airbyte-source-garden-{SYNC}.{TASK}"
LATER_POD = f"garden-{SYNC}-read-2b10"
"""As the later original names it."""
EXITED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
SUCCEEDED: dict[str, Any] = {
    "phase": "Succeeded",
    "containerStatuses": [{"name": "source", "state": EXITED}, {"name": "sidecar", "state": EXITED}],
}
EVICTED: dict[str, Any] = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}


class Original:
    """What the original has left in the namespace and in the tables."""

    def __init__(self, api: FakeKubernetes, database: TestDatabase) -> None:
        self.api, self.database = api, database
        self.settings = self.configured()

    def configured(self, **more: str) -> Settings:
        return Settings.load(environment(self.database.url, self.api) | more)

    def row(self, word: str = "RUNNING", *, minutes: float = 0.0, text: str = "CREATED: ", task: str = TASK) -> None:
        """A row, and how long ago it was last touched."""
        self.database.rows(
            "INSERT INTO source_task (sync_id, task_id, package, version, started_at, updated_at, status, description)"
            " VALUES (:sync, :task, :package, :version, now() - interval '3 h', now() - :minutes * interval '1 min',"
            " :word, :text) RETURNING 1",
            sync=SYNC, task=task, package=PACKAGE, version=VERSION, word=word, text=text, minutes=minutes,
        )  # fmt: skip

    def pod(self, name: str = POD, task: str = TASK, **state: Any) -> None:
        """A pod and its Secret, which belongs to nobody."""
        notes = {"TaskID": task, "TaskType": "read", "SyncID": SYNC, "Package": PACKAGE, "PackageVersion": VERSION}
        started = {"StartedAt": "2024-04-19T09:30:00Z", "StartedBy": '{"trigger":"scheduled"}'}
        self.api.pods[name] = made(name, task, annotations=notes | started) | ({"status": state} if state else {})
        self.api.secrets.add(f"{name}-config")

    def sweep(self, **settings: str) -> SweepStats:
        return sweep(self.configured(**settings))

    def said(self, task: str = TASK) -> list[Any]:
        """The row's status and description."""
        found = self.database.rows("SELECT status, description FROM source_task WHERE task_id = :task", task=task)
        return [value for row in found for value in row.values()]

    def shown(self, task: str = TASK) -> dict[str, Any]:
        shown: dict[str, Any] = get_task(self.settings, task)["task"]
        return shown

    def read(self, task: str = "new", **query: str) -> str:
        return start(read_task(task, SYNC, **query), self.settings).task_id


@pytest.fixture
def original(database: TestDatabase) -> Iterator[Original]:
    """Stopped, and nothing left of it yet."""
    with fake_kubernetes() as api:
        yield Original(api, database)


# Its tasks that go on


@pytest.mark.fault(125)
def test_a_read_that_goes_on_is_taken_over(original: Original) -> None:
    """It is shown, it keeps its sync, its row is touched as the original would, and it ends as its sidecar says."""
    original.row(minutes=90)
    original.pod()
    with pytest.raises(Conflict, match=f"another controller.*{TASK}"):
        original.read()
    assert original.sweep().concluded == 0
    [shown] = list_tasks(original.settings, TaskQuery(status="RUNNING"))["tasks"]
    assert (shown["taskId"], shown["syncId"], shown["package"], shown["command"]) == (TASK, SYNC, PACKAGE, "read")
    [touched] = original.database.rows("SELECT now() - updated_at < interval '1 min' AS now FROM source_task")
    assert (touched["now"], original.said()) == (True, ["RUNNING", "CREATED: "])
    with pytest.raises(Conflict, match=f"already runs: task {TASK}"):
        original.read()
    text = '{"users": {"events": 3, "bytes": 9, "status": "SUCCESS"}}'
    original.database.rows("UPDATE source_task SET status = 'SUCCESS', description = :t RETURNING 1", t=text)
    original.pod(**SUCCEEDED)
    original.sweep()
    assert (original.shown()["state"], original.api.pods) == ("SUCCESS", {})
    assert original.said() == ["SUCCESS", text]
    assert original.read() == "new"


@pytest.mark.fault(125)
@pytest.mark.parametrize("adopted", [True, False], ids=["known", "first-seen"])
def test_a_read_that_failed_is_not_started_again(original: Original, adopted: bool) -> None:
    """Its Secret and its destination are the original's: only a new read goes on from its states."""
    original.row()
    original.pod()
    if adopted:
        original.sweep()
    original.pod(**EVICTED)
    original.sweep()
    assert original.api.pods == {}
    assert (original.said()[0], "low on resource" in original.said()[1]) == ("FAILED", True)
    shown = original.shown()
    assert (shown["state"], shown["attempt"], shown["failure"]["kind"]) == ("FAILED", 1, "evicted")


@pytest.mark.fault(125)
@pytest.mark.parametrize("name", [POD, LATER_POD])
@pytest.mark.parametrize("swept", [True, False], ids=["known", "never-swept"])
def test_a_cancel_knows_its_tasks(original: Original, name: str, swept: bool) -> None:
    """Before the first sweep too; a pod under a name that cannot be told from the row goes with the next sweep."""
    original.row()
    original.pod(name)
    if swept:
        original.sweep()
    query = CancelQuery(TASK, PACKAGE, SYNC)
    assert cancel(query, original.settings).state is TaskState.CANCELLED
    assert cancel(query, original.settings).state is TaskState.CANCELLED
    if swept or name == POD:
        assert original.api.pods == {}
    original.sweep()
    assert original.api.pods == {}
    assert original.said()[0] == "CANCELLED"
    with pytest.raises(NotFound):
        cancel(CancelQuery("unknown"), original.settings)


@pytest.mark.fault(125)
@pytest.mark.parametrize(
    ("word", "state"),
    [("SUCCESS", "SUCCESS"), ("PARTIAL", "PARTIAL"), ("FAILED", "FAILED"), ("TIME_EXCEEDED", "FAILED")],
)
def test_what_had_ended_stays_as_it_is(original: Original, word: str, state: str) -> None:
    """A cancel that comes too late says so, and a pod that is still there goes."""
    original.row(word, minutes=5, text="as it was")
    original.pod()
    assert str(cancel(CancelQuery(TASK), original.settings).state) == state
    original.sweep()
    assert (original.api.pods, original.said()) == ({}, [word, "as it was"])
    assert original.shown()["state"] == state


@pytest.mark.fault(125)
def test_a_read_that_the_console_gave_up_makes_way(original: Original) -> None:
    """Its pod is stopped; the new read goes on, whether a sweep saw the old one first or not."""
    original.row("FAILED", minutes=1)
    original.pod()
    assert original.read() == "new"
    original.sweep()
    assert POD not in original.api.pods
    assert len(original.api.pods) == 1
    assert original.shown("new")["state"] in {"PENDING", "RUNNING"}


@pytest.mark.fault(125)
def test_a_caller_may_ignore_its_task(original: Original) -> None:
    """As with a task of ours: it is cancelled first."""
    original.row()
    original.pod()
    assert original.read(ignoreRunning="true") == "new"
    assert (POD in original.api.pods, original.said()[0]) == (False, "CANCELLED")


@pytest.mark.fault(125)
def test_an_event_about_its_pod_is_enough(original: Original) -> None:
    """No sweep of everything has to come first."""
    original.row()
    original.pod(**EVICTED)
    assert sweep_pod(original.settings, POD).concluded == 1
    assert original.said()[0] == "FAILED"


@pytest.mark.fault(125)
def test_a_taken_over_pod_that_vanishes(original: Original) -> None:
    """Its row says what its sidecar wrote, else that the pod is gone."""
    for task, word in (("a", "SUCCESS"), ("b", "RUNNING")):
        original.row(task=task)
        original.pod(name=f"pod-{task}", task=task)
        original.sweep()
        original.database.rows(
            "UPDATE source_task SET status = :word WHERE task_id = :task RETURNING 1", word=word, task=task
        )
        original.database.rows(
            "UPDATE syncctl_task SET updated_at = now() - interval '9 min', created_at = created_at RETURNING 1"
        )
        original.api.pods.clear()
        original.sweep()
    assert (original.shown("a")["state"], original.said("a")[0]) == ("SUCCESS", "SUCCESS")
    assert (original.shown("b")["failure"]["kind"], original.said("b")[0]) == ("deleted", "FAILED")


@pytest.mark.fault(125)
def test_our_own_tasks_are_found_again_if_our_tables_are_lost(original: Original) -> None:
    """A console's schema push may drop them: the pods still say what they run."""
    assert original.read("task-1") == "task-1"
    original.database.rows("WITH gone AS (DELETE FROM syncctl_task RETURNING 1) SELECT count(*) FROM gone")
    original.sweep()
    assert original.shown("task-1")["state"] == "RUNNING"


# Its rows without a pod


@pytest.mark.fault(124)
@pytest.mark.parametrize(
    ("minutes", "settings", "ended"),
    [
        (61, {}, True),
        (59, {}, False),
        (2, {}, False),
        (2, {"SYNCCTL_ABANDONED_ROW_SECONDS": "60"}, True),
        (9000, {"SYNCCTL_ABANDONED_ROW_SECONDS": "0"}, False),
    ],
)
def test_a_row_without_a_pod_is_concluded(
    original: Original, minutes: float, settings: dict[str, str], *, ended: bool
) -> None:
    """Once nobody has touched it for so long that no live controller can have it; consoles then start the sync again."""
    original.row(minutes=minutes)
    stats = original.sweep(**settings)
    assert (stats.orphaned_rows, original.said()[0]) == ((1, "FAILED") if ended else (0, "RUNNING"))
    if ended:
        assert "another controller" in original.said()[1]
        assert original.shown()["failure"]["kind"] == "deleted"
        assert original.read() == "new"
    else:
        with pytest.raises(Conflict, match="SYNCCTL_ABANDONED_ROW_SECONDS"):
            original.read()
        with pytest.raises(Conflict):
            start(read_task(TASK, SYNC), original.settings)


@pytest.mark.fault(124)
def test_only_rows_that_nobody_has_are_concluded(original: Original) -> None:
    """Not one whose pod is here, nor one of ours, nor one that has ended; and beside a read of ours only the row."""
    assert original.read("ours") == "ours"
    original.row(task="beside", minutes=90)
    original.row("SKIPPED", task="skipped", minutes=90)
    original.row(task="alive", minutes=90)
    original.pod(task="alive")
    original.database.rows(
        "UPDATE source_task SET updated_at = now() - interval '2 h' WHERE task_id = 'ours' RETURNING 1"
    )
    assert original.sweep().orphaned_rows == 1
    words = {task: original.said(task)[0] for task in ("ours", "beside", "skipped", "alive")}
    assert words == {"ours": "RUNNING", "beside": "FAILED", "skipped": "SKIPPED", "alive": "RUNNING"}


@pytest.mark.fault(124)
def test_a_list_that_breaks_off_concludes_nothing(original: Original) -> None:
    """Its pod may be on the page that did not come."""
    original.row(minutes=90)
    original.api.fail = lambda asked, _: status(403, "Forbidden", "no") if asked.path.endswith("/pods") else False
    with pytest.raises(Exception, match="list") as failed:
        original.sweep()
    assert not isinstance(failed.value, ClusterUnavailable | AssertionError)
    assert original.said()[0] == "RUNNING"


@pytest.mark.fault(124)
@pytest.mark.parametrize(("minutes", "seconds", "ended"), [(61, 3600, True), (59, 3600, False), (999, 0, False)])
def test_a_result_that_never_came_is_no_longer_awaited(
    original: Original, minutes: float, seconds: int, *, ended: bool
) -> None:
    """A console asks for no other while the row says RUNNING, or its own "pending". One that we seek is awaited."""
    start(other_task("discover", "ours"), original.settings)
    rows = original.database.rows
    rows(
        "INSERT INTO source_catalog (package, version, key, status, description) VALUES (:package, :version, 'left',"
        " 'RUNNING', ''), (:package, :version, 'found', 'SUCCESS', '') RETURNING 1",
        package=PACKAGE, version=VERSION,
    )  # fmt: skip
    rows(
        "INSERT INTO source_spec (package, version, specs, error) VALUES ('left', '1', NULL, 'pending'),"
        " ('wrong', '1', NULL, 'no such image'), ('found', '1', '{}', 'pending') RETURNING 1"
    )
    for table in ("source_catalog", "source_spec"):
        rows(f"UPDATE {table} SET timestamp = now() - :minutes * interval '1 min' RETURNING 1", minutes=minutes)
    assert original.sweep(SYNCCTL_ABANDONED_ROW_SECONDS=str(seconds)).orphaned_rows == (2 if ended else 0)
    found = rows("SELECT key, status, description FROM source_catalog ORDER BY key")
    assert [row["status"] for row in found] == ["SUCCESS", "FAILED" if ended else "RUNNING", "RUNNING"]
    errors = {row["package"]: row["error"] for row in rows("SELECT package, error FROM source_spec")}
    assert (errors["wrong"], errors["found"]) == ("no such image", "pending")
    for text in (found[1]["description"], errors["left"]):
        assert ("start it again" in text) is ended


# Others


@pytest.mark.fault(125)
def test_pods_of_other_tables_are_left_to_themselves(original: Original) -> None:
    """Without a row in source_task a pod is not of this console: it is not shown, and goes on."""
    original.pod()
    original.sweep()
    assert list(original.api.pods) == [POD]
    assert list_tasks(original.settings, TaskQuery())["tasks"] == []


# Its Secrets

RESOURCES = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        {"name": name, "singularName": name[:-1], "namespaced": True, "kind": kind, "verbs": ["get", "list", "delete"]}
        for name, kind in (("pods", "Pod"), ("secrets", "Secret"))
    ],
}
DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": RESOURCES,
}


def secret(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE, **metadata}}


@pytest.mark.fault(126)
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="the guide's command is kubectl's")
@pytest.mark.parametrize("away", [False, True], ids=["there", "no-answer"])
def test_its_secrets_are_found_and_deleted(original: Original, tmp_path: Path, *, away: bool) -> None:
    """By the guide's own command: without an owner and without a pod. If pods cannot be asked for, none is deleted."""
    original.pod()
    owned = secret("ours-config", ownerReferences=[{"kind": "Pod", "name": "ours", "uid": "u"}])
    secrets = [owned, secret(f"{POD}-config"), secret("gone-config")]
    deleted = list[str]()

    def answer(asked: Asked, _: int) -> Answer | bool:
        if asked.path in DISCOVERY:
            return 200, DISCOVERY[asked.path]
        if away and "/pods/" in asked.path:
            return status(403, "Forbidden", "no")
        if asked.path.endswith("/secrets"):
            assert asked.query["labelSelector"] == "jitsu.com/creator=bulker-sync-controller"
            return 200, {"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": secrets}
        if asked.method == "DELETE":
            deleted.append(asked.path.rsplit("/", 1)[-1])
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        return False

    original.api.fail = answer
    config = tmp_path / "kubeconfig"
    given = original.api.kubeconfig.replace("current-context: nowhere", "current-context: used")
    config.write_text(given.replace(canaries.TOKEN, "t"))
    [block] = re.findall(r"```sh\n(.*?)```", read("docs/how-to/move-from-sync-controller.md"), re.DOTALL)
    place = Path(shutil.which("kubectl") or "").parent
    environ = {"PATH": f"{place}:/usr/bin:/bin", "HOME": str(tmp_path), "KUBECONFIG": str(config)}
    done = subprocess.run(
        ["sh", "-c", textwrap.dedent(block)], env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    assert deleted == ([] if away else ["gone-config"]), done
    assert (done.returncode == 0) is not away, done
