"""Before a deployment is removed, everything that it runs is ended: no row stays active, and no pod is left."""

import pytest

from common import cluster
from common.errors import ClusterUnavailable, TimedOut
from common.sweep import leave as module
from common.sweep.leave import leave
from tests.integration.test_sweeper import Shown, name_of, shown, waiting
from tests.support.databases import TestDatabase
from tests.support.local_system import Broken, LocalSystem, other_task, read_task

__all__ = ["shown", "waiting"]

STATES = "SELECT task_id, state FROM syncctl_task ORDER BY task_id"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often, and gives up soon."""
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.05)


@pytest.mark.fault(99)
def test_everything_that_runs_is_ended(waiting: LocalSystem, database: TestDatabase) -> None:
    """Reads and others, with a pod and without one yet; each is CANCELLED in the caller's tables too, once."""
    for number in "12":
        waiting.start(read_task(task=f"t{number}", sync=f"s{number}"))
    waiting.start(other_task("discover"))
    database.rows("UPDATE syncctl_task SET pod_name = 'never-made', state = 'PENDING' WHERE task_id = 't2'")
    assert leave(waiting.settings) == 3
    assert {row["state"] for row in database.rows(STATES)} == {"CANCELLED"}
    assert {row["status"] for row in database.rows("SELECT status FROM source_task")} == {"CANCELLED"}
    assert list(waiting.pods.list_pods()) == []
    assert leave(waiting.settings) == 0


def test_another_data_plane_s_tasks_go_on(waiting: LocalSystem, database: TestDatabase) -> None:
    """A deployment that shares the tables is not removed with this one."""
    for number in "12":
        waiting.start(read_task(task=f"t{number}", sync=f"s{number}"))
    other = name_of(waiting, "t2")
    elsewhere = waiting.settings.model_copy(update={"data_plane": "elsewhere"})
    database.rows("UPDATE syncctl_task SET data_plane = 'elsewhere' WHERE task_id = 't2'")
    shown = Shown(waiting.pods)
    cluster.use(shown)
    shown.show = {other: None}
    assert leave(waiting.settings) == 1
    assert [row["state"] == "CANCELLED" for row in database.rows(STATES)] == [True, False]
    shown.show = {}
    assert leave(elsewhere) == 1


@pytest.mark.fault(99)
def test_a_pod_that_stays_is_named(waiting: LocalSystem, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is gone confirms no deletion: the removal says so, instead of waiting without end."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    monkeypatch.setattr(module, "_MARGIN_SECONDS", -60)
    shown.delete_pod = lambda *_: None  # type: ignore[method-assign] # a fault put into one verb
    with pytest.raises(TimedOut, match=pod):
        leave(waiting.settings.model_copy(update={"container_grace_shutdown_seconds": 60}))


def test_a_cluster_that_is_away_ends_nothing_silently(waiting: LocalSystem) -> None:
    """Nothing is taken for gone because it cannot be listed."""
    cluster.use(Broken(waiting.pods, "list_pods", ClusterUnavailable("away")))
    with pytest.raises(ClusterUnavailable):
        leave(waiting.settings)
