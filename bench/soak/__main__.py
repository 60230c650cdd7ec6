"""`python -m bench.soak --seconds 1800`."""

import argparse
import random
import signal
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bench.results import Goal, left_out, publish
from bench.soak.mix import SYNCS, Wanted, choose, choose_kill
from bench.soak.parts import IMAGE, PARTS, VERSION, Sample, SoakEdition
from embedded.warehouse.warehouse import Warehouse

_AT_ONCE = 4
_PER_REST = 12
"""Tasks between two samples, each taken once all tasks have ended."""
_LEAST_SAMPLES = 15
_FINAL = {"SUCCESS", "PARTIAL", "FAILED", "CANCELLED"}
_END_SECONDS = 300.0
_MOST_PEAK_MB = 1300.0
"""The warehouse's memory limit, and what Python and its threads take."""


class Soak:
    """One run: starts tasks, kills, rests and samples."""

    def __init__(self, edition: SoakEdition, rng: random.Random) -> None:
        self._edition, self._rng = edition, rng
        self._running: dict[str, Wanted] = {}
        self.started = self.lost = self.kills = 0
        self.ends: dict[str, int] = {}
        self.written: dict[int, int] = {}
        """Rows by sync, of those that a read has stored for certain."""
        self.samples: list[tuple[int, dict[str, Sample]]] = []
        """Of the longest life of the edition: the tasks started before, and the parts."""

    def run(self, seconds: float) -> None:
        """A kill -9 of the edition after a fifth, Ctrl-C after two fifths; what grows is measured after that."""
        began = time.monotonic()
        ends = [(0.2, signal.SIGKILL), (0.4, signal.SIGINT)]
        while (gone := (time.monotonic() - began) / seconds) < 1:
            if ends and gone > ends[0][0]:
                self._start_again(ends.pop(0)[1])
            self._wait(_AT_ONCE - 1)
            if not self._start(choose(self._rng)):
                time.sleep(0.2)
                continue
            if (part := choose_kill(self._rng)) and self._edition.kill(part):
                self.kills += 1
            if self.started % _PER_REST == 0:
                self._rest()
        self._rest()

    def _start(self, task: Wanted) -> bool:
        """Start a task; False if that is refused: its sync is being read, or Postgres is away."""
        query = {"package": IMAGE, "version": VERSION}
        if task.command == "read":
            query |= {"syncId": f"sync{task.sync}", "taskId": task.task_id, "tableNamePrefix": task.prefix}
        elif task.command != "spec":
            query |= {"storageKey": task.task_id}
        body = {"config": task.config} | ({"catalog": _CATALOG} if task.command == "read" else {})
        status, answer = self._edition.ask(f"/{task.command}", None if task.command == "spec" else body, **query)
        if status != HTTPStatus.OK:
            return False
        self.started += 1
        self._running[answer.get("taskId", task.task_id)] = task
        if task.cancelled:
            self._edition.ask("/cancel", taskId=task.task_id)
        return True

    def _wait(self, most: int) -> None:
        """Until at most so many tasks run."""
        deadline = time.monotonic() + _END_SECONDS
        while len(self._running) > most:
            for task_id in list(self._running):
                status, answer = self._edition.ask(f"/tasks/{task_id}")
                assert status in {0, 200, 503, 504}, answer
                state = answer.get("task", {}).get("state", "")
                if state in _FINAL or time.monotonic() > deadline:
                    self._end(self._running.pop(task_id), state)
            time.sleep(0.2)

    def _end(self, task: Wanted, state: str) -> None:
        self.lost += state not in _FINAL
        end = f"{task.command} {state or 'lost'}"
        self.ends[end] = self.ends.get(end, 0) + 1
        if task.command == "read" and state == "SUCCESS":
            self.written[task.sync] = task.rows

    def _rest(self) -> None:
        self._wait(0)
        deadline = time.monotonic() + _END_SECONDS
        while any(self._edition.sample()[part].processes for part in ("sidecar", "connector", "runner")):
            assert time.monotonic() < deadline, "processes of tasks stay after their end"
            time.sleep(0.2)
        self.samples.append((self.started, self._edition.sample()))

    def _start_again(self, number: signal.Signals) -> None:
        self._edition.stop(number)
        self._edition.start()
        self.samples.clear()


_CATALOG: dict[str, Any] = {
    "streams": [
        {
            "stream": {"name": "plants", "json_schema": {"type": "object"}, "supported_sync_modes": ["incremental"]},
            "sync_mode": "incremental",
            "destination_sync_mode": "append_dedup",
            "cursor_field": ["id"],
            "primary_key": [["id"]],
        }
    ]
}


def _growth(samples: list[tuple[int, dict[str, Sample]]], part: str, field: str) -> float:
    """What a part has more per task: the slope through the first and the last third of the samples."""
    third = max(len(samples) // 3, 1)
    points = [(tasks, float(getattr(parts[part], field))) for tasks, parts in samples]
    early, late = points[:third], points[-third:]
    tasks = sum(x for x, _ in late) / third - sum(x for x, _ in early) / third
    return (sum(y for _, y in late) - sum(y for _, y in early)) / third / max(tasks, 1.0)


def _missing_rows(home: Path, written: dict[int, int]) -> int:
    """Rows of successful reads that are not in the warehouse."""
    warehouse = Warehouse(home / "warehouse.duckdb", "")
    found = {sync: warehouse.count(f"soak{sync}_plants") or 0 for sync in range(SYNCS)}
    warehouse.close()
    return sum(abs(rows - found[sync]) for sync, rows in written.items())


def _publish(soak: Soak, missing: int) -> bool:
    fields = ("processes", "threads", "files", "memory_mb")
    last = soak.samples[-1][1]
    rows = [
        (part, *(getattr(last[part], field) for field in (*fields, "peak_mb")),
         *(round(_growth(soak.samples, part, field), 4) for field in fields))
        for part in ("serve", "postgres")
    ]  # fmt: skip
    # In a short run the growth is that of a process which gets warm.
    enough = len(soak.samples) >= _LEAST_SAMPLES
    if not enough:
        left_out("soak's growth", "it needs a run of half an hour")
    most = {"processes": 0.02, "threads": 0.02, "files": 0.02, "memory_mb": 0.2}
    goals = [
        Goal(f"soak-{part}-{field}-per-task", _growth(soak.samples, part, field), most[field], at_most=True)
        for part in ("serve", "postgres")
        for field in fields
        if enough
    ]
    goals += [
        Goal("soak-serve-peak-mb", last["serve"].peak_mb, _MOST_PEAK_MB, at_most=True),
        Goal("soak-tasks-lost", soak.lost, 0, at_most=True),
        Goal("soak-rows-missing", missing, 0, at_most=True),
    ]
    for end, count in sorted(soak.ends.items()):
        sys.stdout.write(f"{count:5d} {end}\n")
    sys.stdout.write(f"{soak.started} tasks, {soak.kills} kills, {len(soak.samples)} samples\n")
    columns = ("part", *fields, "peak_mb", *(f"{field} per task" for field in fields))
    return publish("soak", columns, rows, goals)


def main() -> int:
    """Run it in a folder of its own; exit code 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Mixed tasks and kills, for a while.")
    parser.add_argument("--seconds", type=float, default=1800, help="how long (default: 1800)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="repeat the choices of a run")
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}; of {', '.join(PARTS)}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        edition = SoakEdition(Path(folder) / "home")
        edition.start()
        soak = Soak(edition, random.Random(given.seed))
        try:
            soak.run(given.seconds)
        finally:
            edition.stop()
        return 0 if _publish(soak, _missing_rows(edition.home, soak.written)) else 1


if __name__ == "__main__":
    sys.exit(main())
