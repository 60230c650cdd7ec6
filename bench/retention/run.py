"""Fills Postgres with a million old log lines and the tasks that they are of, and measures the sweeps that remove them.

The statements are explained while they run: none may read a whole table that grows.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.results import Goal, publish
from common.store import Database, queries, retention
from common.store.database import Row
from common.store.retention import Keep, Removed
from embedded.postgres.server import Postgres

_KEEP = Keep(days=60, tasks_per_sync=3_000, caller_tables=False)
_SECONDS, _RESTING_SECONDS = 1.0, 0.05
_LARGE = {"syncctl_task", "syncctl_result", "task_log", "source_task"}
_EXPLAINED = 5
"""Steps, at the beginning and at the end."""
_FILL = """
CREATE TEMP TABLE past AS
SELECT CASE WHEN n <= {reads} THEN 'read-' ELSE 'check-' END || n AS task_id, n <= {reads} AS reads,
       CASE WHEN n <= {reads} THEN 'sync-' || n % {syncs} ELSE '' END AS sync_id,
       date_trunc('second', now()) - (n % 120 + 1) * interval '1 day' AS began,
       CASE n WHEN 60 THEN {lines} / 5 ELSE {lines} * 8 / 5 / {reads} END AS lines, n
FROM generate_series(1, {reads} * 2) AS n;
INSERT INTO syncctl.syncctl_task (task_id, command, sync_id, storage_key, package, version, pod_name, request_hash,
                                  state, streams, created_at, accepted_at, updated_at, finished_at)
SELECT task_id, CASE WHEN reads THEN 'read' ELSE 'check' END, sync_id, CASE WHEN reads THEN '' ELSE task_id END,
       'airbyte/source-faker', '7.2.1', task_id, 'bench', CASE WHEN n % 10 = 0 THEN 'FAILED' ELSE 'SUCCESS' END,
       '{{"users": {{"stored": 1}}}}', began, began, began, began + interval '1 minute' FROM past;
INSERT INTO source_task (sync_id, task_id, package, version, started_at, updated_at, status, description)
SELECT sync_id, task_id, 'airbyte/source-faker', '7.2.1', began, began, 'SUCCESS', '' FROM past WHERE reads;
INSERT INTO syncctl.syncctl_result SELECT task_id, '{{"status": "SUCCEEDED"}}' FROM past WHERE NOT reads;
CREATE TEMP SEQUENCE line;
INSERT INTO task_log (id, level, logger, message, sync_id, task_id, timestamp)
SELECT lpad(to_hex(nextval('line')), 32, '0')::uuid, 'INFO', 'airbyte/source-faker', repeat('words ', 12), sync_id,
       task_id, began + number * interval '1 millisecond'
FROM (SELECT * FROM past WHERE reads ORDER BY began) AS past, generate_series(1, lines) AS number;
UPDATE syncctl.syncctl_retention SET due_at = now();
"""
_OVER = """SELECT (SELECT count(*) FROM syncctl.syncctl_task t WHERE finished_at < now() - interval '60 days'
        AND EXISTS (SELECT FROM syncctl.syncctl_task n WHERE n.sync_id = t.sync_id AND n.created_at > t.created_at
                    AND (n.state = 'SUCCESS' OR t.state <> 'SUCCESS'))) AS tasks,
    (SELECT count(*) FROM task_log l WHERE NOT EXISTS (
        SELECT FROM syncctl.syncctl_task t WHERE t.task_id = l.task_id)) AS lines"""


class Taken(Struct, frozen=True):
    """The calls of one kind: their number, the longest, and what they removed."""

    name: str
    calls: int
    longest_seconds: float
    seconds: float
    tasks: int
    log_lines: int


class Explained(Database):
    """Explains each statement before it runs, and notes which large tables it would read as a whole."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.whole = set[str]()

    def run(self, name: str, **parameters: Any) -> list[Row]:
        """As a Database does."""
        sql = queries.load("queries.sql", self.schema)[name]
        if sql.lstrip().upper().startswith(("SELECT", "WITH", "DELETE", "UPDATE")):
            [row] = self.execute(f"EXPLAIN (FORMAT JSON) {sql}", **parameters)
            plan = next(iter(row.values()))
            for node in _nodes(json.loads(plan) if isinstance(plan, str) else plan):
                if node.get("Node Type") == "Seq Scan" and node.get("Relation Name") in _LARGE:
                    self.whole.add(f"{name}: {node['Relation Name']}")
        return super().run(name, **parameters)


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, list):
        for part in plan:
            yield from _nodes(part)
    elif isinstance(plan, dict):
        yield plan
        for part in plan.values():
            yield from _nodes(part)


def run(*, quick: bool) -> bool:
    """One pass over everything, one that finds nothing more, and calls while it rests."""
    sizes = {"reads": 40_000, "syncs": 1_000, "lines": 1_000_000}
    if quick:
        sizes = {"reads": 2_000, "syncs": 100, "lines": 50_000}
    with tempfile.TemporaryDirectory() as name, Postgres.start(Path(name)) as postgres:
        _fill(f"{postgres.url}&connect_timeout=3600", sizes)
        explained = Explained(postgres.url)
        with Database(postgres.url) as db, explained:
            _explain(explained)
            taken = [_pass("removes", db), _again("finds nothing", db, explained), _resting(db)]
        with Database(f"{postgres.url}&connect_timeout=3600") as db:
            [left] = db.transact(lambda db: db.execute(_OVER))
    return _publish(taken, left, explained.whole)


def _fill(url: str, sizes: dict[str, int]) -> None:
    with Database(url) as db:
        db.install()
        db.transact(lambda db: [db.execute(part) for part in _FILL.format(**sizes).split(";\n")])
        db.execute("ANALYZE")


def _explain(db: Explained) -> None:
    for _ in range(_EXPLAINED):
        db.transact(lambda db: retention.step(db, _KEEP, set()))


def _pass(name: str, db: Database) -> Taken:
    """As many sweeps as it takes."""
    removed, lengths = Removed(), list[float]()
    while db.transact(lambda db: db.execute("SELECT FROM syncctl.syncctl_retention WHERE due_at <= now()")):
        began = time.perf_counter()
        removed += retention.remove(db, _KEEP)
        lengths.append(time.perf_counter() - began)
    return Taken(name, len(lengths), max(lengths), sum(lengths), removed.tasks, removed.log_lines)


def _again(name: str, db: Database, explained: Explained) -> Taken:
    again = "UPDATE syncctl.syncctl_retention SET due_at = now(), sync_id = '', created_at = '-infinity'"
    db.transact(lambda db: db.execute(again))
    _explain(explained)
    db.transact(lambda db: db.execute(again))
    return _pass(name, db)


def _resting(db: Database) -> Taken:
    lengths = list[float]()
    for _ in range(20):
        began = time.perf_counter()
        retention.remove(db, _KEEP)
        lengths.append(time.perf_counter() - began)
    return Taken("rests", len(lengths), min(lengths), sum(lengths), 0, 0)


def _publish(taken: list[Taken], left: Row, whole: set[str]) -> bool:
    removes, nothing, rests = taken
    columns = ("sweeps", "calls", "longest s", "s", "tasks", "log lines")
    rows = [tuple(getattr(one, field) for field in Taken.__struct_fields__) for one in taken]
    rows += [(f"reads all of {one}", 0, 0.0, 0.0, 0, 0) for one in sorted(whole)]
    goals = [
        Goal("retention-longest-sweep-seconds", removes.longest_seconds, _SECONDS, at_most=True),
        Goal("retention-longest-sweep-without-old-tasks-seconds", nothing.longest_seconds, _SECONDS, at_most=True),
        Goal("retention-resting-seconds", rests.longest_seconds, _RESTING_SECONDS, at_most=True),
        Goal("retention-whole-tables-read", len(whole), 0, at_most=True),
        Goal("retention-left-of-what-is-old", left["tasks"] + left["lines"], 0, at_most=True),
    ]
    return publish("retention", columns, rows, goals, bars="longest s")
