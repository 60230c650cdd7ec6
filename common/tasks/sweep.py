"""Looks at every task pod and every unfinished row, and repairs both ways. Any number may run at once."""

import logging
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from common import cluster
from common.cluster import Cluster
from common.errors import SyncError
from common.pods.manifest import LABELS
from common.settings import Settings
from common.store import Database
from common.store.database import Row
from common.tasks.verdicts import Look, Sweeper

_log = logging.getLogger(__name__)

_PAGE = 250
_FRESH_SECONDS = 120.0
"""A sweep this long ago still says that Postgres was there for the sidecars too."""


class Swept(Struct, frozen=True, rename="camel"):
    """What a sweep saw and did. `active`: pods and rows that go on."""

    pods: int = 0
    active: int = 0
    concluded: int = 0
    deleted: int = 0
    unreadable: int = 0
    orphaned_rows: int = 0


class Summary(Struct, frozen=True, rename="camel"):
    """What the sweeps of one call came to; `last` is the newest one."""

    sweeps: int
    failed: int
    concluded: int
    deleted: int
    orphaned_rows: int
    last: Swept


def sweep(settings: Settings) -> Swept:
    """One look at everything. A trouble with one pod is counted and does not keep the others waiting."""
    began = time.monotonic()
    with Database(settings.require_database_url()) as db:
        sweeper = _sweeper(db, settings)
        # Rows before pods: one that is made in between is not missed.
        rows = db.transact(lambda db: db.run("active_tasks", pod_name=""))
        seen: set[str] = set()
        looks: list[Look] = []
        for page in _pages(sweeper.where):
            seen.update(pod["metadata"]["name"] for pod in page)
            looks += _look_at(sweeper, db, page)
        missing = [row for row in rows if row["pod_name"] not in seen]
        lost = sum(_isolated(sweeper, row) for row in missing)
        swept = _count(looks, len(missing), lost)
        _record(db, swept, time.monotonic() - began)
    return swept


def sweep_pod(settings: Settings, name: str) -> Swept:
    """One look at one pod, whoever said that something happened to it; nothing but its name is believed."""
    with Database(settings.require_database_url()) as db:
        sweeper = _sweeper(db, settings)
        pod = sweeper.where.get_pod(name)
        if pod is None:
            rows = db.transact(lambda db: db.run("active_tasks", pod_name=name))
            lost = sum(sweeper.look_for_missing(row) for row in rows)
            return _count([], len(rows), lost)
        if not LABELS.items() <= (pod["metadata"].get("labels") or {}).items():
            return Swept()
        return _count(_look_at(sweeper, db, [pod], isolate=False), 0, 0)


def keep_sweeping(settings: Settings) -> Summary:
    """Sweeps, and again every few seconds while anything is active, until SYNCCTL_SWEEP_SECONDS are over."""
    deadline = time.monotonic() + settings.sweep_seconds
    sweeps, failed = [sweep(settings)], 0
    while sweeps[-1].active and time.monotonic() + settings.container_status_check_seconds < deadline:
        time.sleep(settings.container_status_check_seconds)
        try:
            sweeps.append(sweep(settings))
        except SyncError as error:
            failed += 1
            _log.warning("A sweep failed and will be repeated: %s", error, extra={"action": "sweep"})
    return Summary(
        sweeps=len(sweeps),
        failed=failed,
        concluded=sum(one.concluded for one in sweeps),
        deleted=sum(one.deleted for one in sweeps),
        orphaned_rows=sum(one.orphaned_rows for one in sweeps),
        last=sweeps[-1],
    )


def _sweeper(db: Database, settings: Settings) -> Sweeper:
    def read(db: Database) -> tuple[float, list[Row]]:
        return float(db.run("database_now")[0]["now"]), db.run("last_sweep")

    now, last = db.transact(read)
    fresh = bool(last) and last[0]["age_seconds"] < _FRESH_SECONDS
    return Sweeper(cluster.connect(settings), db, settings, now=now, trust_silence=fresh)


def _pages(where: Cluster) -> Iterator[list[dict[str, Any]]]:
    pods = where.list_pods()
    while page := list(islice(pods, _PAGE)):
        yield page


def _look_at(sweeper: Sweeper, db: Database, pods: list[dict[str, Any]], *, isolate: bool = True) -> list[Look]:
    """One statement for the rows behind a page of pods, and one for those that turn out to run."""
    names = [pod["metadata"]["name"] for pod in pods]
    ids = [task_id for pod in pods if (task_id := _task_id(pod))]
    found = db.transact(lambda db: db.run("tasks_of_pods", pod_names=names, task_ids=ids))
    rows, by_id = {row["pod_name"]: row for row in found}, {row["task_id"]: row for row in found}
    looks = []
    for pod in pods:
        row = rows.get(pod["metadata"]["name"]) or by_id.get(_task_id(pod))
        try:
            looks.append(sweeper.look(pod, row))
        except SyncError:
            if not isolate:
                raise
            _log.exception("A pod could not be swept.", extra={"action": "sweep", "pod": pod["metadata"]["name"]})
            looks.append(Look(active=True, unreadable=True))
    if running := [look.runs_now for look in looks if look.runs_now]:
        db.transact(lambda db: db.run("mark_running", task_ids=running))
    return looks


def _task_id(pod: dict[str, Any]) -> str:
    """The task that a pod says it is of: its row's pod may be another one by now."""
    return str((pod["metadata"].get("annotations") or {}).get("TaskID") or "")


def _isolated(sweeper: Sweeper, row: Row) -> bool:
    try:
        return sweeper.look_for_missing(row)
    except SyncError:
        _log.exception("A task without a pod could not be swept.", extra={"action": "sweep", "task_id": row["task_id"]})
        return False


def _count(looks: list[Look], missing: int, lost: int) -> Swept:
    return Swept(
        pods=len(looks),
        active=sum(look.active for look in looks) + missing - lost,
        concluded=sum(look.concluded for look in looks),
        deleted=sum(look.deleted for look in looks),
        unreadable=sum(look.unreadable for look in looks),
        orphaned_rows=lost,
    )


def _record(db: Database, swept: Swept, seconds: float) -> None:
    db.transact(lambda db: db.run("record_sweep", seconds=seconds, **msgspec.structs.asdict(swept)))
    if swept.concluded or swept.orphaned_rows or swept.unreadable:
        _log.info("Swept.", extra={"action": "sweep", **msgspec.structs.asdict(swept)})
