"""A world whose parts tests kill: its reads, processes, rows and leftovers."""

import contextlib
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from embedded.postgres.server import Postgres
from tests.support.databases import TestDatabase
from tests.support.edition_process import look_into
from tests.support.fake_bulker import wait_for
from tests.support.local_system import PACKAGE, connector
from tests.support.sidecar_process import catalog

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


def _reached(rows: list[dict[str, Any]]) -> dict[str, int]:
    shared = [row["state"]["stream_states"] for row in rows if row["stream"] == "_GLOBAL_STATE"]
    if shared:
        return {one["stream_descriptor"]["name"]: one["stream_state"]["n"] for one in shared[0]}
    return {row["stream"]: row["state"]["n"] for row in rows}


def read_catalog() -> dict[str, Any]:
    keyed = catalog(*KEYED, incremental=True, keys=[["id"]])["streams"]
    return {"streams": keyed + catalog(KEYLESS, incremental=True)["streams"] + catalog(FULL)["streams"]}


class KillableSystem(ABC):
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
        sigkill(self._postgres._server.process.pid)

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


def sigkill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
