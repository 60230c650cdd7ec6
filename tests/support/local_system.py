"""A small site without HTTP: start, sweep and local pods on a test's database and Bulker."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from common import cluster
from common.settings import Settings
from common.store.sweeps import SweepStats
from common.sweep.sweep import sweep
from common.tasks.query import get_task
from common.tasks.requests import NewTask, parse_check, parse_discover, parse_read, parse_spec
from common.tasks.start import Started, start
from embedded.pods.cluster import LocalCluster
from embedded.pods.images import Images
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import wait_for

SIDECAR = "sync-functions/sidecar:test"
PACKAGE, VERSION = "airbyte/source-garden", "1.4.0"
REPLAY = Path(__file__).parent.parent / "reports/tools/replay.py"


class Query:
    """Query parameters as a web framework holds them."""

    def __init__(self, **values: str) -> None:
        self._values = values

    def lists(self) -> list[tuple[str, list[str]]]:
        return [(name, [value]) for name, value in self._values.items()]


def read_task(task: str = "task-1", sync: str = "sync-1", body: Any = None, **query: str) -> NewTask:
    """A parsed POST /read."""
    given = {"config": {"api_key": canaries.CONFIG}, "catalog": {"streams": []}} | (body or {})
    parameters = {"package": PACKAGE, "version": VERSION, "syncId": sync, "taskId": task} | query
    return parse_read(Query(**parameters), json.dumps(given).encode())


def other_task(command: str, key: str = "key-1", config: Any = None) -> NewTask:
    """A parsed spec, check or discover."""
    image = {"package": PACKAGE, "version": VERSION}
    if command == "spec":
        return parse_spec(Query(**image))
    parse = parse_check if command == "check" else parse_discover
    body = {"config": {"api_key": canaries.CONFIG} if config is None else config}
    return parse(Query(storageKey=key, **image), json.dumps(body).encode())


class Broken:
    """A cluster whose one verb fails: faults that local processes cannot be made to show."""

    def __init__(self, real: Any, verb: str, error: BaseException) -> None:
        self._real, self._verb, self._error = real, verb, error

    def __getattr__(self, name: str) -> Any:
        if name == self._verb:
            return self._fail
        return getattr(self._real, name)

    def _fail(self, *_: Any) -> None:
        raise self._error


class LocalSystem:
    """Starts tasks and sweeps, as functions do, but called directly."""

    def __init__(self, settings: Settings, pods: LocalCluster, database: TestDatabase) -> None:
        self.settings, self.pods, self.database = settings, pods, database

    def start(self, task: NewTask) -> Started:
        return start(task, self.settings)

    def sweep(self) -> SweepStats:
        return sweep(self.settings)

    def run(self, task: NewTask, seconds: float = 60.0) -> dict[str, Any]:
        """Starts a task and sweeps until it is over; returns GET /tasks/<id>'s task."""
        started = self.start(task)
        return self.finish(started.task_id, seconds)

    def finish(self, task_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """Sweeps until a task is over and its pod gone."""

        def over() -> Any:
            self.sweep()
            # As a client sees it: the result is passed on as bytes.
            task = msgspec.json.decode(msgspec.json.encode(get_task(self.settings, task_id)))["task"]
            return task if task["state"] not in {"PENDING", "RUNNING"} else None

        deadline = time.monotonic() + seconds
        task: dict[str, Any] = wait_for(over, seconds, f"the end of {task_id}")
        wait_for(lambda: not self.swept_pods(), max(deadline - time.monotonic(), 10), "no pod")
        return task

    def swept_pods(self) -> list[Any]:
        self.sweep()
        return list(self.pods.list_pods())


@contextmanager
def local_system(
    folder: Path,
    database: TestDatabase,
    bulker_url: str,
    commands: Mapping[str, str],
    *,
    factory: str = "",
    **settings: str,
) -> Iterator[LocalSystem]:
    """A running site; `commands` maps images to local command lines, or a `factory` in `folder` resolves them."""
    given = Settings.load(
        {
            "SYNCCTL_DATABASE_URL": database.url,
            "SYNCCTL_BULKER_URL": bulker_url,
            "SYNCCTL_BULKER_AUTH_TOKEN": canaries.BULKER,
            "SYNCCTL_SIDECAR_IMAGE": SIDECAR,
            "SYNCCTL_CONTAINER_GRACE_SHUTDOWN_SECONDS": "10",
        }
        | settings
    )
    images = Images(cache=str(folder / "connectors"), local_images=dict(commands))
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    if factory:
        images, path = structs.replace(images, factory=factory), path | {"PYTHONPATH": str(folder)}
    pods = LocalCluster(folder / "pods", images, SIDECAR, path, credentials=folder / "secrets")
    cluster.use(pods)
    try:
        yield LocalSystem(given, pods, database)
    finally:
        cluster.use(None)
        pods.close(grace_seconds=1.0)


def python(script: Path, *arguments: str) -> str:
    """A command line that runs a script with this Python."""
    return " ".join([sys.executable, str(script), *arguments])


def connector(folder: Path, code: str) -> str:
    """Writes a connector of a few lines; `out(**message)` prints one. Returns its command line."""
    head = "import json, os, sys, time, signal\ndef out(**m): print(json.dumps(m), flush=True)\n"
    path = folder / f"connector_{abs(hash(code))}.py"
    path.write_text(head + code)
    return python(path)


def decode(raw: bytes) -> Any:
    return msgspec.json.decode(raw)
