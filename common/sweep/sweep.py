"""Looks at every task pod and every unfinished row, and repairs both ways. Any number may run at once."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import msgspec
from msgspec import Struct

from common import cluster
from common.cluster import data_plane
from common.cluster.objects import Pod
from common.errors import SyncError
from common.pods.diagnosis import Limits
from common.settings import Settings
from common.store import Database
from common.store.database import Row
from common.sweep.apply import THREADS, ClusterPool, Deeds, SweepStats
from common.sweep.decide import Judge, Look
from common.sweep.retries import Retries

_log = logging.getLogger(__name__)
T = TypeVar("T")

_PAGE = 500
_SILENCE_MARGIN_SECONDS = 120.0
_FRESH_SECONDS = 120.0
"""A sweep this long ago still says that Postgres was there for the sidecars too."""


class Summary(Struct, frozen=True, rename="camel"):
    """What the sweeps of one call came to; `last` is the newest one."""

    sweeps: int
    failed: int
    concluded: int
    deleted: int
    orphaned_rows: int
    last: SweepStats


def sweep(settings: Settings) -> SweepStats:
    """One look at everything. A trouble with one pod is counted and does not keep the others waiting."""
    began = time.monotonic()
    with _sweeper(settings) as sweeper:
        # Rows before pods: one that is made in between is not missed.
        missing = sweeper.expected()
        swept = SweepStats()
        for page in _pages(sweeper.judge.where.list_pods()):
            missing.difference_update(pod.name for pod in page)
            swept += sweeper.look_at(page)
        for names in _pages(iter(missing)):
            swept += sweeper.look_for(names)
        _record(sweeper.db, sweeper.place, swept, time.monotonic() - began)
    return swept


def sweep_pod(settings: Settings, name: str) -> SweepStats:
    """One look at one pod, whoever said that something happened to it; nothing but its name is believed."""
    with _sweeper(settings, isolate=False) as sweeper:
        pod = sweeper.judge.where.get_pod(name)
        if pod is None:
            return sweeper.look_for([name])
        if not pod.is_ours:
            return SweepStats()
        return sweeper.look_at([pod])


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


class _Sweeper:
    """Judges and acts, page by page, at one place."""

    def __init__(self, db: Database, here: str, judge: Judge, deeds: Deeds, hands: ClusterPool) -> None:
        self.db, self.place, self.judge, self._deeds, self._hands = db, here, judge, deeds, hands

    def expected(self) -> set[str]:
        """The names of the pods that should be at this place."""
        return {row["pod_name"] for row in self.db.transact(lambda db: db.run("active_pods", place=self.place))}

    def look_at(self, pods: list[Pod]) -> SweepStats:
        """One statement for the rows behind a page of pods, and one for each kind of what is to be written."""
        names = [pod.name for pod in pods]
        ids = [task_id for pod in pods if (task_id := pod.task_id)]
        found = self.db.transact(lambda db: db.run("tasks_of_pods", pod_names=names, task_ids=ids))
        rows, by_id = {row["pod_name"]: row for row in found}, {row["task_id"]: row for row in found}

        def look(pod: Pod) -> Look:
            return self.judge.look(pod, rows.get(pod.name) or by_id.get(pod.task_id))

        otherwise = Look(active=True, unreadable=True)
        return self._deeds.about_pods(self._hands.each(look, pods, otherwise))

    def look_for(self, names: list[str]) -> SweepStats:
        """The rows that these pods, which are not there, should stand behind at this place."""
        rows = self.db.transact(lambda db: db.run("active_tasks", pod_names=names, place=self.place))
        return self._deeds.about_rows(self._hands.each(self.judge.look_for_missing, rows, Look(active=True)))


@contextmanager
def _sweeper(settings: Settings, *, isolate: bool = True) -> Iterator[_Sweeper]:
    """With `isolate`, one pod's trouble is counted, not raised."""

    def read(db: Database) -> tuple[float, list[Row]]:
        return float(db.run("database_now")[0]["now"]), db.run("last_sweep", place=here)

    here, limits = data_plane.of(settings), _limits(settings)
    with Database(settings.require_database_url()) as db, ThreadPoolExecutor(THREADS, "sweep") as pool:
        now, last = db.transact(read)
        where = cluster.connect(settings)
        fresh = bool(last) and last[0]["age_seconds"] < _FRESH_SECONDS
        retries, hands = Retries(where, settings, limits, now), ClusterPool(pool, isolate=isolate)
        judge = Judge(where, settings, retries, limits, now=now, trust_silence=fresh)
        yield _Sweeper(db, here, judge, Deeds(where, db, retries, hands), hands)


def _limits(settings: Settings) -> Limits:
    stall = settings.stall_timeout_seconds
    return Limits(
        init_seconds=settings.container_init_timeout_seconds,
        task_seconds=settings.task_timeout_hours * 3600,
        # The sidecar itself comes first: this is for one that hangs.
        silence_seconds=stall + _SILENCE_MARGIN_SECONDS if stall else 0,
    )


def _pages(items: Iterator[T]) -> Iterator[list[T]]:
    while page := list(islice(items, _PAGE)):
        yield page


def _record(db: Database, here: str, swept: SweepStats, seconds: float) -> None:
    db.transact(lambda db: db.run("record_sweep", place=here, seconds=seconds, **msgspec.structs.asdict(swept)))
    if swept.concluded or swept.orphaned_rows or swept.unreadable:
        _log.info("SweepStats.", extra={"action": "sweep", **msgspec.structs.asdict(swept)})
