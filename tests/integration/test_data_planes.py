"""Two deployments that share one schema, each with pods of its own (local processes): nobody judges what he cannot see."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from common import cluster
from common.cluster.objects import Pod
from common.errors import Conflict, QuotaExceeded
from common.sweep.sweep import sweep_pod
from common.tasks.cancel import cancel
from common.tasks.query import get_task, list_tasks
from common.tasks.requests import CancelQuery, TaskQuery
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import PACKAGE, Broken, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import catalog, trace_error
from tests.support.wire import changed

WAITS = "import pathlib\nwhile not pathlib.Path(sys.argv[0] + '.go').exists(): time.sleep(0.05)\n"
BUSY = f"out(**{trace_error('busy', kind='transient_error')!r})\nsys.exit(1)\n"
AGED = "UPDATE syncctl_task SET created_at = now() - interval '1 minute', updated_at = now() - interval '1 minute'"
OURS = "SELECT task_id, state, data_plane FROM syncctl_task ORDER BY task_id"


@contextmanager
def two(
    folder: Path, database: TestDatabase, bulker: FakeBulker, code: str, **settings: str
) -> Iterator[list[LocalSystem]]:
    """The data planes `east` and `west`."""
    commands = {PACKAGE: connector(folder, code)}
    with (
        local_system(folder / "east", database, bulker.url, commands, SYNCCTL_DATA_PLANE="east", **settings) as one,
        local_system(folder / "west", database, bulker.url, commands, SYNCCTL_DATA_PLANE="west", **settings) as other,
    ):
        yield [one, other]
        cluster.use(None)


@pytest.fixture
def planes(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[list[LocalSystem]]:
    """Their connector does nothing until it is stopped; nothing is started again."""
    with two(tmp_path, database, bulker, WAITS, SYNCCTL_TASK_RETRIES="0") as both:
        yield both


def at(place: LocalSystem) -> LocalSystem:
    """The functions of this data plane are those that are asked next."""
    cluster.use(place.pods)
    return place


def lose(place: LocalSystem) -> None:
    """Its pods go, as with a node."""
    for pod in place.pods.list_pods():
        place.pods.delete_pod(pod.name, pod.uid, 0)
    wait_for(lambda: not list(place.pods.list_pods()), what="no pod")


def states(database: TestDatabase) -> dict[str, str]:
    return {row["task_id"]: row["state"] for row in database.rows(OURS)}


def only_pod(place: LocalSystem) -> str:
    [pod] = place.pods.list_pods()
    return str(pod.name)


def test_a_sweep_leaves_the_rows_of_another_data_plane_alone(planes: list[LocalSystem], database: TestDatabase) -> None:
    """Whole or for one pod, however old the rows are; what is lost is concluded by its own place."""
    east, west = planes
    at(east).start(read_task(task="t-east", sync="s-east"))
    at(west).start(read_task(task="t-west", sync="s-west"))
    database.rows(AGED)
    for place, other in ((east, west), (west, east)):
        swept = at(place).sweep()
        assert (swept.pods, swept.active, swept.concluded, swept.orphaned_rows) == (1, 1, 0, 0)
        assert sweep_pod(place.settings, only_pod(other)).orphaned_rows == 0
    lose(east)
    lose(west)
    database.rows(AGED)
    assert at(west).sweep().orphaned_rows == 1
    assert (states(database)["t-east"] in {"PENDING", "RUNNING"}, states(database)["t-west"]) == (True, "FAILED")
    assert at(east).sweep().orphaned_rows == 1
    assert states(database) == {"t-east": "FAILED", "t-west": "FAILED"}
    assert database.rows("SELECT DISTINCT status FROM source_task") == [{"status": "FAILED"}]


def test_a_row_without_a_data_plane_is_anybody_s(planes: list[LocalSystem], database: TestDatabase) -> None:
    """As all were before: it was written by a version that knew no data planes."""
    east, west = planes
    at(east).start(read_task())
    database.rows(f"{AGED}, data_plane = NULL")
    assert at(west).sweep().orphaned_rows == 1
    assert states(database) == {"task-1": "FAILED"}


def test_a_pod_that_is_here_is_judged_here(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """Whatever its row says: the data plane may have got another name since. The next attempt's row says this one."""
    with two(tmp_path, database, bulker, BUSY, SYNCCTL_TASK_RETRIES="1", SYNCCTL_TASK_RETRY_PAUSE_SECONDS="0") as both:
        east = at(both[0])
        east.start(read_task(body={"catalog": catalog("plants")}))
        database.rows("UPDATE syncctl_task SET data_plane = 'as it was called before'")
        assert east.finish("task-1")["attempt"] == 2
    assert database.rows("SELECT state, data_plane FROM syncctl_task") == [{"state": "FAILED", "data_plane": "east"}]


def test_a_task_of_another_data_plane_is_cancelled(planes: list[LocalSystem], database: TestDatabase) -> None:
    """At once in the tables; its sidecar sees it and ends, its own data plane's sweep does the rest, and the answer says so."""
    east, west = planes
    at(east).start(read_task())
    wait_for(lambda: at(east).sweep() and states(database) == {"task-1": "RUNNING"}, 30, "a running pod")
    at(west)
    said = cancel(CancelQuery("task-1"), west.settings).answer()
    assert (said["ok"], said["state"]) == (True, "CANCELLED")
    assert "in another data plane, east, and is not stopped from here" in said["note"]
    assert get_task(west.settings, "task-1")["task"]["dataPlane"] == "east"

    def ended() -> bool:
        [pod] = east.pods.list_pods()
        found = dict(pod.states())
        return found["sidecar"].terminated is not None and found["source"].running is not None

    wait_for(ended, 60, "the end of a sidecar that nobody stops")
    assert at(west).sweep().deleted == 0
    assert at(east).sweep().deleted == 1
    assert database.rows("SELECT status, description FROM source_task") == [
        {"status": "CANCELLED", "description": "The task was cancelled."}
    ]
    assert "note" not in cancel(CancelQuery("task-1"), east.settings).answer()


def test_a_sync_thin_another_data_plane_reads_is_not_read_here(
    planes: list[LocalSystem], database: TestDatabase
) -> None:
    """One active read of a sync, wherever it is; the answer says where."""
    east, west = planes
    at(east).start(read_task())
    with pytest.raises(Conflict, match=r"Sync sync-1 already runs in another data plane \(east\): task task-1 is "):
        at(west).start(read_task(task="task-2"))
    assert list(west.pods.list_pods()) == []
    assert list(states(database)) == ["task-1"]


def test_a_repeated_request_makes_no_second_pod_in_another_data_plane(
    planes: list[LocalSystem], database: TestDatabase
) -> None:
    """Its own data plane makes the pod. Where that is known to have failed, the caller is sent there."""
    east, west = planes
    cluster.use(Broken(east.pods, "create_pod", QuotaExceeded("exceeded quota: task-pods")))
    with pytest.raises(QuotaExceeded):
        east.start(read_task())
    with pytest.raises(
        Conflict, match=r"in another data plane, east, and has no pod there yet: exceeded quota: task-pods\."
    ):
        at(west).start(read_task())
    database.rows("UPDATE syncctl_task SET reason = ''")
    assert at(west).start(read_task()).task_id == "task-1"
    assert list(west.pods.list_pods()) == []
    assert at(east).start(read_task()).task_id == "task-1"
    assert len(list(east.pods.list_pods())) == 1


@pytest.mark.parametrize("command", ["spec", "check", "discover"])
def test_a_task_that_runs_in_another_data_plane_is_shared(
    planes: list[LocalSystem], database: TestDatabase, command: str
) -> None:
    """The same spec, check or discover is answered with the task that there is; its rows are for everybody."""
    east, west = planes
    first = at(east).start(other_task(command))
    database.rows("UPDATE syncctl_task SET state = 'PENDING', reason = ''")
    assert at(west).start(other_task(command)) == first
    assert list(west.pods.list_pods()) == []


def test_the_list_of_tasks_tells_of_the_data_plane_that_nobody_sweeps(
    planes: list[LocalSystem], database: TestDatabase
) -> None:
    """Of the data planes with active tasks, the one that was swept the longest ago; never is longest."""
    east, west = planes
    at(east).sweep()
    at(west).start(read_task())
    assert list_tasks(east.settings, TaskQuery())["lastSweep"] is None
    west.sweep()
    database.rows("UPDATE syncctl_sweep SET swept_at = now() - interval '1 hour' WHERE data_plane = 'west'")
    at(east).sweep()
    last = list_tasks(east.settings, TaskQuery())["lastSweep"]
    assert (last["dataPlane"], last["ageSeconds"] > 3500) == ("west", True)
    cancel(CancelQuery("task-1"), at(west).settings)
    assert list_tasks(east.settings, TaskQuery())["lastSweep"]["dataPlane"] == "east"


class Silent:
    """A cluster that shows its pods as running for ever."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def list_pods(self) -> Iterator[Pod]:
        runs = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        statuses = [{"name": name, "state": runs} for name in ("source", "sidecar")]
        for pod in self._real.list_pods():
            yield changed(pod, {"status": {"phase": "Running", "containerStatuses": statuses}})


def test_a_sweep_elsewhere_does_not_make_a_sidecar_silent(planes: list[LocalSystem], database: TestDatabase) -> None:
    """That another data plane reaches Postgres does not tell whether this one's sidecars do."""
    east, west = planes
    at(east).start(read_task())
    database.rows("UPDATE syncctl_task SET state = 'RUNNING', streams = '{\"plants\": {}}'")
    silent = "UPDATE syncctl_task SET updated_at = now() - interval '2 hours'"
    at(west).sweep()
    cluster.use(Silent(east.pods))
    concluded = []
    for _ in range(2):
        database.rows(silent)
        concluded.append(east.sweep().concluded)
    assert concluded == [0, 1]


OLDER_SWEEP = """INSERT INTO syncctl_sweep
(swept_at, seconds, pods, active, concluded, deleted, unreadable, orphaned_rows) VALUES (now(), 1, 1, 1, 1, 1, 1, 1)
ON CONFLICT (id) DO UPDATE SET swept_at = excluded.swept_at"""
OLDER_TASK = """INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, created_at)
VALUES (:t, 'read', :t, 'p', '1', :t, 'h', now() - interval '1 hour')"""


def test_a_database_from_before_data_planes_goes_on(
    planes: list[LocalSystem], database: TestDatabase, empty_database: TestDatabase
) -> None:
    """Its rows have no data plane, and are concluded as before; an older version can go on writing, and go back."""
    empty_database.make_older(6)
    for sql in (OLDER_SWEEP, OLDER_SWEEP):
        empty_database.rows(sql)
    empty_database.rows(OLDER_TASK, t="before")
    east, west = planes
    for place in (east, west):
        place.settings = place.settings.model_copy(update={"database_url": _secret(empty_database.url)})
    at(east).start(read_task())
    empty_database.rows(OLDER_TASK, t="between")
    ours = OURS.replace("FROM ", "FROM syncctl.")  # a view is in the older place, and has the older columns
    before = [{"task_id": t, "state": "PENDING", "data_plane": None} for t in ("before", "between")]
    assert empty_database.rows(ours)[:2] == before
    empty_database.rows("UPDATE syncctl_task SET updated_at = created_at")
    assert at(west).sweep().orphaned_rows == 2
    empty_database.rows(OLDER_SWEEP)
    swept = empty_database.rows("SELECT id, data_plane FROM syncctl.syncctl_sweep ORDER BY id")
    assert swept == [{"id": 1, "data_plane": None}, {"id": 2, "data_plane": "west"}]
    [task] = [row for row in empty_database.rows(ours) if row["task_id"] == "task-1"]
    assert (task["data_plane"], task["state"] in {"PENDING", "RUNNING"}) == ("east", True)


def _secret(url: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(url)
