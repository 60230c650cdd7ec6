"""Declares two thousand syncs on a real API server, lets two hundred be due at once, and measures the sweeps.

Their streams are known already, so that a run is a row, a pod and a Secret; without nodes no pod goes on.
"""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from msgspec import Struct

from bench.api_server import NAMESPACE, ApiServer, api_server
from bench.results import Goal, left_out, publish
from bench.statements import Statements, counting
from common.runs.declared import Declared, read
from common.runs.reconcile import MAX_STARTS
from common.store import Database
from common.syncs.model import API_VERSION, KIND
from common.syncs.validate import Rules
from tools.cluster import control_plane

ROOT = Path(__file__).parents[2]
_PAGE = 500
_FIXED = 9
"""Statements of a sweep with nothing to do: seven of every sweep, and two about all declared syncs."""
_SECONDS = 2.0
_NEVER = "0 0 29 2 *"
_AHEAD = timedelta(minutes=4)
"""Until they are due: the sweeps before need that long where servers and sweeps share two cores."""
_FOUND = """INSERT INTO syncctl.syncctl_task
    (task_id, command, storage_key, package, version, pod_name, request_hash, state, finished_at)
VALUES ('found', 'discover', :key, 'airbyte/source-faker', '7.2.1', 'none', 'h', 'SUCCESS', now())"""
_DISCOVERED = json.dumps({"streams": [{"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}]})


class Taken(Struct, frozen=True):
    """A sweep, and what the servers saw of it."""

    name: str
    seconds: float
    requests: int
    statements: int
    begun: int
    peak_mb: float


def document(number: int, due: int, schedule: str = _NEVER) -> dict[str, Any]:
    """One of the syncs; so many of them have the schedule."""
    spec = {"image": "airbyte/source-faker:7.2.1", "config": {"count": 10}}
    spec["schedule"] = schedule if number < due else _NEVER
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": f"sync-{number:05}"}, "spec": spec}


class Bench:
    """The two servers, and the sweeps between them."""

    def __init__(self, api: ApiServer, postgres: Statements) -> None:
        self._api, self._postgres = api, postgres
        self._settings = api.settings | {"SYNCCTL_DATABASE_URL": postgres.url, "SYNCCTL_SYNCS_ENABLED": "false"}

    def declare(self, count: int, due: int, moment: datetime) -> None:
        """The documents, so many of them due at that moment, and a discovery that serves all of them."""
        self._api.install(yaml.safe_load((ROOT / "knative/syncs/crd.yaml").read_text(encoding="utf-8")))
        path = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/syncs"
        schedule = f"{moment.minute} {moment.hour} * * *"
        self._api.make(path, [document(number, due, schedule) for number in range(count)])
        one = read(document(0, due), Rules())
        assert isinstance(one, Declared)
        with Database(self._postgres.url) as db:
            db.execute(_FOUND, key=one.storage_key)
            db.execute("INSERT INTO syncctl.syncctl_result VALUES ('found', :found::json)", found=_DISCOVERED)

    def enable(self) -> None:
        """From now on runs begin."""
        self._settings |= {"SYNCCTL_SYNCS_ENABLED": "true"}

    def sweep(self, name: str, *, warm: bool = False) -> Taken:
        """One sweep by a process of its own; `warm`: its second one."""
        seen, before = self._api.seen(), self._begun()
        self._postgres.count()
        command = [sys.executable, "-m", "bench.sweep.once", "2" if warm else "1"]
        done = subprocess.run(
            command, cwd=ROOT, input=json.dumps(self._settings), stdout=subprocess.PIPE, text=True, check=True
        )
        found = json.loads(done.stdout)
        sweeps = 2 if warm else 1
        requests = ((self._api.seen() - seen).total() - 1) // sweeps
        return Taken(
            name,
            found["seconds"],
            requests,
            self._postgres.count() // sweeps,
            self._begun() - before,
            found["peak_mb"],
        )

    def _begun(self) -> int:
        with Database(self._postgres.url) as db:
            rows = db.execute("SELECT count(*) AS n FROM syncctl.syncctl_task WHERE command = 'read'")
        return int(rows[0]["n"])


def run(*, quick: bool) -> bool:
    """Nothing due, then a tenth of them."""
    if lacks := control_plane.missing():
        return left_out("syncs", lacks)
    count, due = (200, 60) if quick else (2_000, 200)
    with api_server() as api, counting() as postgres:
        bench = Bench(api, postgres)
        moment = (datetime.now(UTC) + _AHEAD).replace(second=0, microsecond=0)
        bench.declare(count, due, moment)
        first = bench.sweep(f"{count:,} declared, the first time")
        idle = bench.sweep(f"{count:,} declared, none started", warm=True)
        time.sleep(max((moment - datetime.now(UTC)).total_seconds() + 1, 0))
        bench.enable()
        started = [bench.sweep(f"{due} of them due, sweep {n + 1}") for n in range(-(-due // MAX_STARTS))]
    return _publish([first, idle, *started], count, due)


def _publish(taken: list[Taken], count: int, due: int) -> bool:
    columns = ("sweep", "s", "requests", "statements", "begun", "MB at most")
    _, idle, *started = taken
    goals = [
        Goal("syncs-idle-seconds", idle.seconds, _SECONDS, at_most=True),
        # One list of pods, and the pages of the list of syncs.
        Goal("syncs-idle-requests", idle.requests, 1 + -(-count // _PAGE), at_most=True),
        Goal("syncs-idle-statements", idle.statements, _FIXED, at_most=True),
        Goal("syncs-not-begun", due - sum(one.begun for one in started), 0, at_most=True),
    ]
    rows: list[tuple[Any, ...]] = [tuple(getattr(one, field) for field in Taken.__struct_fields__) for one in taken]
    return publish("syncs", columns, rows, goals, bars="s")
