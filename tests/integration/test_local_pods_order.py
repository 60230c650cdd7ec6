"""Pods of the embedded edition whose two containers start, stop and fail in any order: start, sweep, real processes."""

import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from common import cluster
from common.tasks.cancel import cancel
from common.tasks.requests import CancelQuery
from embedded.pods.cluster import LocalCluster
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, read_task
from tests.support.sidecar_process import catalog

SAYS = """
out(type="RECORD", record={"stream": "plants", "data": {"word": "heath"}, "emitted_at": 1})
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})
"""
# Installs for as long as a file is missing.
RESOLVER = """
import time
from pathlib import Path

class Resolver:
    def __init__(self, cache, local_images, environment, packages):
        self.cache, self.images = Path(cache), local_images

    def is_ready(self, image):
        return (self.cache / "go").exists()

    def command(self, image):
        return self.images[image.partition(":")[0]]

    def install(self, image, report):
        report("installing, 40 %")
        while not self.is_ready(image):
            time.sleep(0.02)
"""
BODY = {"catalog": catalog("plants")}
Change = Callable[[dict[str, Any]], None]


class Changed:
    """A cluster whose pods are created otherwise than they were made."""

    def __init__(self, real: LocalCluster, change: Change) -> None:
        self._real, self._change = real, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_pod(self, pod: dict[str, Any]) -> Any:
        by_name = {one["name"]: one for one in pod["spec"]["containers"]}
        self._change(by_name["sidecar"])
        pod["spec"]["containers"] = [by_name[name] for name in ("source", "sidecar")]
        return self._real.create_pod(pod)


def _sidecar(script: str) -> Change:
    def change(sidecar: dict[str, Any]) -> None:
        sidecar["command"] = ["sh", "-c", script.replace("$", "$$")]

    return change


@contextmanager
def _site(
    tmp_path: Any, database: TestDatabase, bulker: FakeBulker, change: Change | None = None, **settings: str
) -> Any:
    commands = {PACKAGE: connector(tmp_path, SAYS)}
    with local_system(tmp_path, database, bulker.url, commands, **settings) as system:
        if change:
            cluster.use(Changed(system.pods, change))  # type: ignore[arg-type] # it has all verbs
        yield system


def _words(bulker: FakeBulker) -> list[str]:
    return [row["word"] for bulk in bulker.requests for row in bulk.rows]


@pytest.mark.fault(781)
@pytest.mark.parametrize("late", ["", "sleep 3; "])
def test_a_source_that_is_first_waits_for_its_sidecar(
    tmp_path: Any, database: TestDatabase, bulker: FakeBulker, late: str
) -> None:
    """As where the sidecar's image is pulled for longer than the source's."""
    with _site(tmp_path, database, bulker, _sidecar(f'{late}exec "{sys.executable}" -m sidecar')) as system:
        task = system.run(read_task(body=BODY))
    assert (task["state"], task["attempt"]) == ("SUCCESS", 1), task["reason"]
    assert _words(bulker) == ["heath"]


@pytest.mark.fault(783)
def test_a_sidecar_that_dies_before_the_pipes_are_there_is_tried_again(
    tmp_path: Any, database: TestDatabase, bulker: FakeBulker
) -> None:
    """By another attempt, and its waiting source goes at once."""
    once = tmp_path / "once"
    script = f'[ -e "{once}" ] || {{ touch "{once}"; sleep 1; kill -9 $$; }}; exec "{sys.executable}" -m sidecar'
    with _site(tmp_path, database, bulker, _sidecar(script), SYNCCTL_TASK_RETRY_PAUSE_SECONDS="0") as system:
        task = system.run(read_task(body=BODY))
    assert (task["state"], task["attempt"]) == ("SUCCESS", 2), task["reason"]
    assert task["attempts"][0]["kind"] == "sidecar_killed"
    assert _words(bulker) == ["heath"]


@pytest.mark.fault(785)
def test_pipes_that_cannot_be_made_end_the_task_by_name(
    tmp_path: Any, database: TestDatabase, bulker: FakeBulker
) -> None:
    """The sidecar's row tells it, and the source, which waits, is stopped with its pod."""

    def change(sidecar: dict[str, Any]) -> None:
        [folder] = [one for one in sidecar["env"] if one["name"] == "PIPES_FOLDER"]
        folder["value"] = "/nowhere"

    with _site(tmp_path, database, bulker, change, SYNCCTL_TASK_RETRIES="0") as system:
        task = system.run(read_task(body=BODY))
    assert (task["state"], task["failure"]["kind"]) == ("FAILED", "init_failed")
    assert "No such file or directory" in task["reason"]
    assert _words(bulker) == []


@pytest.mark.fault(786)
def test_the_sidecar_runs_while_the_connector_is_installed(
    tmp_path: Any, database: TestDatabase, bulker: FakeBulker
) -> None:
    """The task is PENDING until its source begins, and says what it waits for."""
    (tmp_path / "slow_resolver.py").write_text(RESOLVER)
    (tmp_path / "connectors").mkdir()
    commands = {PACKAGE: connector(tmp_path, SAYS)}
    with local_system(tmp_path, database, bulker.url, commands, factory="slow_resolver:Resolver") as system:
        system.start(read_task(body=BODY))
        pod = wait_for(lambda: next(iter(system.pods.list_pods()), None), 30, "the pod")
        wait_for(lambda: any(n == "sidecar" and s.running for n, s in _states(system, pod.name)), 60, "the sidecar")
        said = "The pod waits: source: ContainerCreating: installing, 40 %"
        wait_for(lambda: system.sweep() and _row(database)["reason"] == said, 60, "the reason")
        assert _row(database)["state"] == "PENDING"
        (tmp_path / "connectors/go").touch()
        task = system.finish("task-1")
    assert task["state"] == "SUCCESS", task["reason"]
    assert _words(bulker) == ["heath"]


@pytest.mark.fault(786)
def test_a_task_is_cancelled_while_its_connector_is_installed(
    tmp_path: Any, database: TestDatabase, bulker: FakeBulker
) -> None:
    """Its sidecar does not wait for a source that will not come."""
    (tmp_path / "slow_resolver.py").write_text(RESOLVER)
    (tmp_path / "connectors").mkdir()
    with local_system(tmp_path, database, bulker.url, {PACKAGE: "true"}, factory="slow_resolver:Resolver") as system:
        system.start(read_task(body=BODY))
        pod = wait_for(lambda: next(iter(system.pods.list_pods()), None), 30, "the pod")
        wait_for(lambda: any(n == "sidecar" and s.running for n, s in _states(system, pod.name)), 60, "the sidecar")
        cancel(CancelQuery("task-1"), system.settings)
        wait_for(lambda: not system.swept_pods(), 60, "no pod")
        assert _row(database)["state"] == "CANCELLED"


def _states(system: LocalSystem, name: str) -> Any:
    found = system.pods.get_pod(name)
    return list(found.states()) if found else []


def _row(database: TestDatabase) -> dict[str, Any]:
    [row] = database.rows("SELECT * FROM syncctl_task")
    return row
