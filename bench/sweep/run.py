"""Fills a real API server and Postgres with running tasks, ends some of them, and measures single sweeps.

The API server, etcd, Postgres and the sweep share this machine's cores, as they would not in a cluster.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.api_server import ApiServer, api_server
from bench.results import Goal, left_out, publish
from bench.statements import Statements, counting
from bench.sweep import pods
from common.pods.manifest import pod_name
from common.store import Database, Task, tasks
from tools.cluster import control_plane

ROOT = Path(__file__).parents[2]
_PAGE = 500
_FIXED = 10
"""Statements of every sweep: the time, the last sweep, which pods should be there, what another controller has left
(two), which tasks to count, whether old ones are to be removed, what is to be sent (two), and its own record."""
_SECONDS, _GROWTH_MB = 5.0, 10.0


class Taken(Struct, frozen=True):
    """One sweep, and what the servers saw of it."""

    name: str
    pods: int
    seconds: float
    cpu_seconds: float
    requests: int
    statements: int
    concluded: int
    deleted: int
    before_mb: float
    peak_mb: float


class Bench:
    """The two servers, and the sweeps between them."""

    def __init__(self, api: ApiServer, postgres: Statements) -> None:
        self._api, self._postgres = api, postgres

    def begin(self, keys: list[Task]) -> None:
        """Rows and pods of tasks that run."""
        with Database(self._postgres.url) as db:
            for some in _some(keys):
                db.transact(partial(_begin, keys=some))
        self._api.fill(pods.running(key) for key in keys)

    def end(self, keys: list[Task]) -> None:
        """Their pods are evicted, all at once."""
        self._api.show(pods.evicted(key) for key in keys)

    def sweep(self, name: str) -> Taken:
        """One sweep by a process of its own."""
        settings = self._api.settings | {"SYNCCTL_DATABASE_URL": self._postgres.url, "SYNCCTL_TASK_RETRIES": "0"}
        seen = self._api.seen()
        self._postgres.count()
        command = [sys.executable, "-m", "bench.sweep.once"]
        done = subprocess.run(
            command, cwd=ROOT, input=json.dumps(settings), stdout=subprocess.PIPE, text=True, check=True
        )
        found = json.loads(done.stdout)
        requests = (self._api.seen() - seen).total() - 1  # the one that warms the connection up
        own = {field: found[field] for field in Taken.__struct_fields__ if field in found}
        return Taken(name=name, requests=requests, statements=self._postgres.count(), **own)

    def left(self, keys: Iterable[Task]) -> int:
        """Of tasks that ended, those that still have a pod, or a row that is not final."""
        names = {pod["metadata"]["name"] for pod in self._api.there("pods")}
        with Database(self._postgres.url) as db:
            over = db.transact(lambda db: {key.task_id for key in keys if tasks.is_over(db, key)})
        return sum(pod_name(key) in names or key.task_id not in over for key in keys)


def _begin(db: Database, keys: list[Task]) -> None:
    for key in keys:
        tasks.begin(db, key, pod_name=pod_name(key), request_hash="bench")
    db.run("mark_running", task_ids=[key.task_id for key in keys])


def _some(keys: list[Task]) -> Iterable[list[Task]]:
    return (keys[start : start + _PAGE] for start in range(0, len(keys), _PAGE))


def run(*, quick: bool) -> bool:
    """Few pods, many, and a tenth of them that end at once."""
    if lacks := control_plane.missing():
        return left_out("sweep", lacks)
    few, many, ended = (500, 2_000, 200) if quick else (1_000, 10_000, 1_000)
    with api_server() as api, counting() as postgres:
        bench = Bench(api, postgres)
        bench.begin(list(pods.keys(0, few)))
        small = bench.sweep(f"{few:,} run")
        bench.begin(list(pods.keys(few, many - few)))
        large = min((bench.sweep(f"{many:,} run") for _ in range(3)), key=lambda taken: taken.seconds)
        over = list(pods.keys(0, ended))
        bench.end(over)
        finished = bench.sweep(f"{ended:,} of {many:,} evicted at once")
        left = bench.left(over)
    return _publish([small, large, finished], left)


def _publish(taken: list[Taken], left: int) -> bool:
    columns = (
        "sweep",
        "pods",
        "s",
        "cpu s",
        "requests",
        "statements",
        "concluded",
        "deleted",
        "MB before",
        "MB at most",
    )
    small, large, _ = taken
    pages = -(-large.pods // _PAGE)
    goals = [
        Goal("sweep-seconds", large.seconds, _SECONDS, at_most=True),
        Goal("sweep-statements-per-page", (large.statements - _FIXED) / pages, 1, at_most=True),
        Goal("sweep-memory-growth-mb", large.peak_mb - small.peak_mb, _GROWTH_MB, at_most=True),
        Goal("sweep-left-of-what-ended", left, 0, at_most=True),
    ]
    rows: list[tuple[Any, ...]] = [tuple(getattr(one, field) for field in Taken.__struct_fields__) for one in taken]
    return publish("sweep", columns, rows, goals, bars="s")
