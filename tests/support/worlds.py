"""Worlds that can be killed in parts and come back, for tests that kill: their reads, processes, rows and leftovers."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from common.errors import SyncError
from common.tasks.start import start
from embedded.postgres import Postgres
from embedded.sweeper import SweepTimer
from tests.support.databases import TestDatabase
from tests.support.killing import KillingProxy, Steps
from tests.support.recorder import wait_for
from tests.support.rig import catalog
from tests.support.served import Served, launched, look_into, served
from tests.support.site import PACKAGE, VERSION, connector, read_task, site
from tests.support.warehouse import TOKEN

ROWS = 100
KEYED, KEYLESS, FULL = ("s0", "s1"), "s2", "s3"
STREAMS = (*KEYED, KEYLESS, FULL)
# Half a second: each stream has an end of its own, and the incremental ones a state in the middle and at the end, so
# that a run which is killed has saved some of them.
CONNECTOR = """
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
kind = json.load(open(given["--config"]))["kind"]
saved = json.load(open(given["--state"])) or []
known = [s for one in saved for s in (one["global"]["stream_states"] if kind == "GLOBAL" else [one["stream"]])]
reached = {s["stream_descriptor"]["name"]: s["stream_state"]["n"] for s in known}
def state(name):
    each = {n: {"stream_descriptor": {"name": n}, "stream_state": {"n": at}} for n, at in reached.items()}
    if kind == "STREAM": out(type="STATE", state={"type": "STREAM", "stream": each[name]})
    else: out(type="STATE", state={"type": "GLOBAL", "global": {"stream_states": list(each.values())}})
for name in ("s0", "s1", "s2", "s3"):
    for n in range(reached.get(name, 0), 100):
        out(type="RECORD", record={"stream": name, "data": {"id": n, "name": "x" * 100}, "emitted_at": 1})
        if n % 50 == 49:
            time.sleep(0.05)
            if name != "s3":
                reached[name] = n + 1
                state(name)
    about = {"stream_descriptor": {"name": name}, "status": "COMPLETE"}
    out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": about})
"""
FINAL = frozenset({"SUCCESS", "PARTIAL", "FAILED", "CANCELLED"})
_STATES = "SELECT stream, state FROM source_state WHERE sync_id = :s"
_SETTINGS = {"SYNCCTL_TASK_RETRY_PAUSE_SECONDS": "0"}
# Bulker's HTTP in a process of its own, on the port where it was before.
_WAREHOUSE = """
import sys, threading
from pathlib import Path
from embedded.warehouse.server import WarehouseServer
from embedded.warehouse.warehouse import Warehouse
with WarehouseServer(Warehouse(Path(sys.argv[1]), sys.argv[3]), port=int(sys.argv[2])):
    print("serves", flush=True)
    threading.Event().wait()
"""


def _reached(rows: list[dict[str, Any]]) -> dict[str, int]:
    shared = [row["state"]["stream_states"] for row in rows if row["stream"] == "_GLOBAL_STATE"]
    if shared:
        return {one["stream_descriptor"]["name"]: one["stream_state"]["n"] for one in shared[0]}
    return {row["stream"]: row["state"]["n"] for row in rows}


def _catalog() -> dict[str, Any]:
    keyed = catalog(*KEYED, incremental=True, keys=[["id"]])["streams"]
    return {"streams": keyed + catalog(KEYLESS, incremental=True)["streams"] + catalog(FULL)["streams"]}


class World(ABC):
    """Pods as processes, a Postgres that is not theirs, and a warehouse."""

    def __init__(self, folder: Path, postgres: Postgres, database: TestDatabase) -> None:
        self.home, self.database = folder / "home", database
        self.home.mkdir()
        self._postgres, self._stack = postgres, ExitStack()
        self._images = {PACKAGE: connector(folder, CONNECTOR)}

    @abstractmethod
    def read(self, sync: str, task: str, kind: str) -> tuple[int, Any]:
        """POST /read of a connector with this kind of states; (0, None) where nobody answers to the end."""

    def close(self) -> None:
        self._stack.close()

    def answered(self, sync: str, task: str, kind: str) -> tuple[int, Any]:
        """The same, until the answer is more than 503 or 504, as callers are asked to repeat it."""

        def ask() -> tuple[int, Any] | None:
            answer = self.read(sync, task, kind)
            return answer if answer[0] in {200, 409} else None

        found: tuple[int, Any] = wait_for(ask, 60, "an answer", 0.2)
        return found

    def row(self, task: str) -> dict[str, Any] | None:
        """Our row, as far as Postgres is there to show it."""
        sql = (
            "SELECT state, reason, attempt, pod_name, extract(epoch FROM created_at)::bigint AS at"
            " FROM syncctl_task WHERE task_id = :t"
        )
        return next(iter(self.database.poll(sql, t=task) or ()), None)

    def is_over(self, task: str) -> bool:
        row = self.row(task)
        return row is not None and row["state"] in FINAL

    def finish(self, task: str) -> dict[str, Any]:
        """Waits for a final row, and for its pods, Secrets and processes to be gone."""
        wait_for(lambda: self.is_over(task), 90, f"the end of {task}", 0.1)
        row = self.row(task)
        assert row is not None
        try:
            wait_for(lambda: not self.left(), 30, "nothing left", 0.05)
        except AssertionError:
            raise AssertionError(f"of {task} there is left: {self.left()}") from None
        return row

    def left(self) -> list[str]:
        """Folders and pipes, Secrets and processes of pods."""
        files = [str(path) for kind in ("pods", "secrets") for path in (self.home / "pods" / kind).iterdir()]
        return files + [f"{pid} {words}" for pid, words in self._processes()]

    def _processes(self) -> Iterator[tuple[int, str]]:
        """Those that work inside a pod's folder, and their command lines."""
        pods = str(self.home / "pods/pods")
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                # psutil would read a lot more about each process of this machine.
                if str((place := Path(f"/proc/{pid}/cwd")).readlink()).startswith(pods):
                    yield pid, place.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode().strip()

    def find(self, victim: str) -> list[int]:
        """The processes that it may be: sidecar, source, runner, supervisor, or `any` of a pod."""
        found = list(self._processes())
        if victim == "any":
            return [pid for pid, _ in found]
        if victim in {"sidecar", "source"}:
            ends = "-m sidecar" if victim == "sidecar" else "state.json"
            return [pid for pid, words in found if words.endswith(ends) and "sh -c" not in words]
        # Supervisors are forks of the runner, so the runner has a parent that is none of them.
        ours = {pid for pid, words in found if "embedded.pods.runner" in words}
        with contextlib.suppress(psutil.Error):
            return [pid for pid in ours if (psutil.Process(pid).ppid() in ours) == (victim == "supervisor")]
        return []

    def kill_postgres(self) -> None:
        """It is started again by who owns it."""
        _kill(self._postgres._kept.process.pid)

    def states(self, sync: str) -> dict[str, int]:
        """How far the saved states go, by stream."""
        return _reached(self.database.rows(_STATES, s=sync))

    def reached(self, sync: str) -> int:
        """How many rows they cover, as far as Postgres is there to show it."""
        return sum(_reached(self.database.poll(_STATES, s=sync) or []).values())

    def stored(self, sync: str, below: Mapping[str, int] | None = None) -> dict[str, tuple[int, int]]:
        """By stream: how many rows, and how many different ones, its table has of those with an id below this."""
        file = self.home / "warehouse.duckdb"
        if not file.exists():
            return {}
        names = look_into(file, "SELECT table_name FROM information_schema.tables")
        there = [stream for stream in STREAMS if (f"{sync}_{stream}",) in names]
        sql = " UNION ALL ".join(
            f"SELECT '{stream}', count(*), count(DISTINCT id) FROM \"{sync}_{stream}\""
            f" WHERE id < {(below or {}).get(stream, ROWS)}"
            for stream in there
        )
        return {stream: (rows, different) for stream, rows, different in (look_into(file, sql) if sql else [])}


class EditionWorld(World):
    """`syncctl serve`: gateway, functions, sweeper, warehouse and the owner of the pods, in one process.

    What that says to Postgres goes through a proxy, which can kill it at one of its steps; sidecars have their own way.
    """

    def __init__(self, folder: Path, postgres: Postgres, database: TestDatabase) -> None:
        super().__init__(folder, postgres, database)
        self.gate = KillingProxy(database.url)
        urls = {"SYNCCTL_DATABASE_URL": self.gate.url, "SYNCCTL_SIDECAR_DATABASE_URL": database.url}
        self._environment = _SETTINGS | urls
        self._up = self._start()

    def _start(self) -> Served:
        return self._stack.enter_context(served(self.home, self._images, **self._environment))

    def read(self, sync: str, task: str, kind: str) -> tuple[int, Any]:
        query = {"package": PACKAGE, "version": VERSION, "syncId": sync, "taskId": task, "tableNamePrefix": f"{sync}_"}
        try:
            return self._up.ask("/read", {"config": {"kind": kind}, "catalog": _catalog()}, **query)
        except (OSError, urllib.error.URLError, json.JSONDecodeError):
            return 0, None

    def close(self) -> None:
        super().close()
        self.gate.close()

    def kill(self, *, with_pods: bool) -> None:
        """The edition, now; with what runs in its pods, as when a machine loses its power."""
        for pid in [self._up.process.pid, *(self.find("any") if with_pods else ())]:
            _kill(pid)
        self._up.process.wait()

    def kill_at(self, step: int) -> None:
        """The edition, at the n-th thing from now on that it says to Postgres."""
        steps = Steps(step)
        steps.pid = self._up.process.pid
        self.gate.steps = steps

    def restart(self, stumbles_after: float | None = None) -> None:
        """After its death, which it waits for; killed once more while it comes up, where that is wanted."""
        self._up.process.wait(60)
        self.gate.steps = None
        self._stack.close()
        if stumbles_after is not None:
            with launched(self.home, self._images, **self._environment) as process:
                time.sleep(stumbles_after)
                process.kill()
        self._up = self._start()


class WarehouseWorld(World):
    """The warehouse in a process of its own; the sweeper, the functions and the owner of the pods in this one."""

    def __init__(self, folder: Path, postgres: Postgres, database: TestDatabase) -> None:
        super().__init__(folder, postgres, database)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._warehouse = self._serve()
        settings = _SETTINGS | {"SYNCCTL_BULKER_AUTH_TOKEN": TOKEN}
        url = f"http://127.0.0.1:{self._port}"
        self._site = self._stack.enter_context(site(self.home, database, url, self._images, **settings))
        timer = SweepTimer(self._site.settings, 0.5)
        self._stack.callback(timer.close)
        timer.start()

    def _serve(self) -> "subprocess.Popen[str]":
        arguments = [str(self.home / "warehouse.duckdb"), str(self._port), TOKEN]
        process = subprocess.Popen(
            [sys.executable, "-c", _WAREHOUSE, *arguments],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "serves\n"
        return process

    def read(self, sync: str, task: str, kind: str) -> tuple[int, Any]:
        given = read_task(task, sync, {"config": {"kind": kind}, "catalog": _catalog()}, tableNamePrefix=f"{sync}_")
        try:
            return 200, {"startedAt": start(given, self._site.settings).started_at}
        except SyncError as error:
            return error.status, {"error": error.message}

    def close(self) -> None:
        super().close()
        self.kill()

    def kill(self) -> None:
        _kill(self._warehouse.pid)
        with self._warehouse:
            pass

    def restart(self) -> None:
        self._warehouse = self._serve()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
