"""Two worlds that can be killed in parts and come back: `syncctl serve`, and one whose warehouse is a process of its own."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
from pathlib import Path
from typing import Any

from common.errors import SyncError
from common.tasks.start import start
from embedded.postgres.server import Postgres
from embedded.sweep_timer import SweepTimer
from tests.support.chaos.killing import KillingProxy, Steps
from tests.support.chaos.system import KillableSystem, read_catalog, sigkill
from tests.support.databases import TestDatabase
from tests.support.edition_process import EditionProcess, edition_process, launched
from tests.support.local_system import PACKAGE, VERSION, local_system, read_task
from tests.support.warehouse import TOKEN

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


class EditionSystem(KillableSystem):
    """`syncctl serve`: gateway, functions, sweeper, warehouse and the owner of the pods, in one process.

    What that says to Postgres goes through a proxy, which can kill it at one of its steps; sidecars have their own way.
    """

    def __init__(self, folder: Path, postgres: Postgres, database: TestDatabase) -> None:
        super().__init__(folder, postgres, database)
        self.gate = KillingProxy(database.url)
        urls = {"SYNCCTL_DATABASE_URL": self.gate.url, "SYNCCTL_SIDECAR_DATABASE_URL": database.url}
        self._environment = _SETTINGS | urls
        self._up = self._start()

    def _start(self) -> EditionProcess:
        return self._stack.enter_context(edition_process(self.home, self._images, **self._environment))

    def read(self, sync: str, task: str, kind: str) -> tuple[int, Any]:
        query = {"package": PACKAGE, "version": VERSION, "syncId": sync, "taskId": task, "tableNamePrefix": f"{sync}_"}
        try:
            return self._up.ask("/read", {"config": {"kind": kind}, "catalog": read_catalog()}, **query)
        except (OSError, urllib.error.URLError, json.JSONDecodeError):
            return 0, None

    def close(self) -> None:
        super().close()
        self.gate.close()

    def kill(self, *, with_pods: bool) -> None:
        """The edition, now; with what runs in its pods, as when a machine loses its power."""
        for pid in [self._up.process.pid, *(self.find("any") if with_pods else ())]:
            sigkill(pid)
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


class WarehouseSystem(KillableSystem):
    """The warehouse in a process of its own; the sweeper, the functions and the owner of the pods in this one."""

    def __init__(self, folder: Path, postgres: Postgres, database: TestDatabase) -> None:
        super().__init__(folder, postgres, database)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._warehouse = self._serve()
        settings = _SETTINGS | {"SYNCCTL_BULKER_AUTH_TOKEN": TOKEN}
        url = f"http://127.0.0.1:{self._port}"
        self._site = self._stack.enter_context(local_system(self.home, database, url, self._images, **settings))
        timer = SweepTimer(self._site.settings, 0.5)
        self._stack.callback(timer.close)
        timer.start()

    def _serve(self) -> "subprocess.Popen[str]":
        arguments = [str(self.home / "warehouse.duckdb"), str(self._port), TOKEN]
        process = subprocess.Popen(
            [sys.executable, "-c", _WAREHOUSE, *arguments],
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "serves\n"
        return process

    def read(self, sync: str, task: str, kind: str) -> tuple[int, Any]:
        given = read_task(task, sync, {"config": {"kind": kind}, "catalog": read_catalog()}, tableNamePrefix=f"{sync}_")
        try:
            return 200, {"startedAt": start(given, self._site.settings).started_at}
        except SyncError as error:
            return error.status, {"error": error.message}

    def close(self) -> None:
        super().close()
        self.kill()

    def kill(self) -> None:
        sigkill(self._warehouse.pid)
        with self._warehouse:
            pass

    def restart(self) -> None:
        self._warehouse = self._serve()
