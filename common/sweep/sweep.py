"""Looks at every task pod and every unfinished row, and repairs both ways. Any number may run at once."""

import logging
import time
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from msgspec import Struct, structs

from common import cluster
from common.cluster import Cluster, data_plane
from common.cluster.objects import Pod
from common.errors import SyncError
from common.pods.diagnosis import Limits
from common.settings import Settings
from common.store import Database, sweeps
from common.store.sweeps import SweepStats, SweptTask
from common.sweep import takeover
from common.sweep.apply import THREADS, Applier, ClusterPool, Prepared
from common.sweep.chores import Chores
from common.sweep.decide import Rules, decide, decide_missing, is_overdue, silence_seconds
from common.sweep.decisions import Keep
from common.sweep.retries import Retries

_log = logging.getLogger(__name__)
T = TypeVar("T")

_PAGE = 500
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
    """Sweep everything once. A trouble with one pod is counted and does not keep the others waiting."""
    return _sweep(settings)[0]


def _sweep(settings: Settings) -> tuple[SweepStats, float | None]:
    """Sweep everything once; return also in how many seconds the next run of a declared sync is due."""
    began = time.monotonic()
    with _sweeper(settings) as sweeper:
        # Rows before pods: one that is made in between is not missed.
        missing = sweeper.expected()
        stats, seen = SweepStats(), set[str]()
        for page in _pages(sweeper.where.list_pods()):
            missing.difference_update(pod.name for pod in page)
            seen.update(pod.task_id for pod in page)
            stats += sweeper.sweep_pods(page)
        for names in _pages(missing):
            stats += sweeper.sweep_missing(names)
        stats += sweeper.sweep_abandoned(seen, settings.abandoned_row_seconds)
        chores = sweeper.chores(settings)
        chores.encrypt_configs()
        runs = chores.sweep_syncs(sweeper.rules.now)
        stats += SweepStats(active=runs.active)
        chores.count_ended()
        chores.remove_old(seen)
        sweeper.record(stats, time.monotonic() - began)
        chores.send_events()
        chores.push_metrics()
    return stats, runs.due_seconds


def sweep_pod(settings: Settings, name: str) -> SweepStats:
    """Look at the pod of this name, which is all that an event's sender is believed."""
    with _sweeper(settings, isolate=False) as sweeper:
        pod = sweeper.where.get_pod(name)
        if pod is None:
            stats = sweeper.sweep_missing([name])
        else:
            stats = sweeper.sweep_pods([pod]) if pod.is_ours else SweepStats()
        sweeper.chores(settings).send_events(only_if_all_goes_well=True)
    return stats


def keep_sweeping(settings: Settings) -> Summary:
    """Sweep, and again every few seconds while anything is active or soon due, until SYNCCTL_SWEEP_SECONDS are over.

    Pods that are started meanwhile are not kept waiting: the pauses are the same until a run is due.
    """
    deadline = time.monotonic() + settings.sweep_seconds
    first, due = _sweep(settings)
    done, failed = [first], 0
    while True:
        pause = float(settings.container_status_check_seconds)
        left = deadline - time.monotonic()
        if not done[-1].active and (due is None or due > left):
            break
        pause = pause if due is None else min(pause, due)
        if pause >= left:
            break
        time.sleep(pause)
        try:
            stats, due = _sweep(settings)
            done.append(stats)
        except SyncError as error:
            failed += 1
            _log.warning("A sweep failed and will be repeated: %s", error, extra={"action": "sweep"})
    return Summary(
        sweeps=len(done),
        failed=failed,
        concluded=sum(one.concluded for one in done),
        deleted=sum(one.deleted for one in done),
        orphaned_rows=sum(one.orphaned_rows for one in done),
        last=done[-1],
    )


class _Sweeper:
    """Decides and applies, page by page, in one data plane."""

    def __init__(
        self, where: Cluster, db: Database, here: str, rules: Rules, applier: Applier, pool: ClusterPool
    ) -> None:
        self.where, self._db, self._here = where, db, here
        self.rules, self._applier, self._pool = rules, applier, pool

    def expected(self) -> set[str]:
        """Return the names of the pods that should be in this data plane."""
        return self._db.transact(lambda db: sweeps.expected_pods(db, self._here))

    def sweep_pods(self, pods: list[Pod]) -> SweepStats:
        """Sweep a page of pods: one statement reads their rows, and one of each kind writes them."""
        found = self._db.transact(lambda db: self._rows_of(db, pods))
        rows, by_id = {row.pod_name: row for row in found}, {row.task.task_id: row for row in found}

        def prepare(pod: Pod) -> Prepared:
            row = rows.get(pod.name) or by_id.get(pod.task_id)
            return self._applier.prepare(decide(self._applier.masked(pod, row), row, self.rules))

        stats = self._applier.apply(self._pool.each(prepare, pods, Keep(unreadable=True)))
        return structs.replace(stats, pods=len(pods))

    def sweep_missing(self, names: list[str]) -> SweepStats:
        """Sweep the rows that these pods of this data plane, which are not there, should be running."""
        rows = self._db.transact(lambda db: self._missing_rows(db, names))
        stats = self._applier.apply(self._pool.each(self._prepare_missing, rows, Keep()))
        return SweepStats(active=stats.active, orphaned_rows=stats.concluded)

    def sweep_abandoned(self, seen: AbstractSet[str], seconds: int) -> SweepStats:
        """Sweep the rows that another controller has left without a pod; `seen`: the tasks that have one."""
        left, results = self._db.transact(
            lambda db: (takeover.abandoned(db, seconds, seen, self._here), takeover.fail_results(db, seconds))
        )
        return SweepStats(orphaned_rows=self._applier.apply(left).concluded + results)

    def chores(self, settings: Settings) -> Chores:
        """Return what is to be done besides."""
        return Chores(settings, self.where, self._db, self._here)

    def record(self, stats: SweepStats, seconds: float) -> None:
        """Keep in the database, and log, what a sweep came to."""
        self._db.transact(lambda db: sweeps.record(db, self._here, seconds, stats))
        if stats.concluded or stats.orphaned_rows or stats.unreadable:
            _log.info("Swept.", extra={"action": "sweep", **structs.asdict(stats)})

    def _rows_of(self, db: Database, pods: list[Pod]) -> list[SweptTask]:
        names, ids = [pod.name for pod in pods], [pod.task_id for pod in pods if pod.task_id]
        found = sweeps.of_pods(db, names, ids)
        changed = takeover.take_over(db, pods, found, self._here)
        return sweeps.of_pods(db, names, ids) if changed else found

    def _missing_rows(self, db: Database, names: list[str]) -> list[SweptTask]:
        found = sweeps.active_of(db, names, self._here)
        changed = takeover.take_over(db, [], found, self._here)
        return sweeps.active_of(db, names, self._here) if changed else found

    def _prepare_missing(self, row: SweptTask) -> Prepared:
        if not is_overdue(row, self.rules.limits) or self.where.get_pod(row.pod_name) is not None:
            return Keep()
        return self._applier.prepare(decide_missing(row, self.rules))


@contextmanager
def _sweeper(settings: Settings, *, isolate: bool = True) -> Iterator[_Sweeper]:
    """With `isolate`, one pod's trouble is counted, not raised."""
    here = data_plane.of(settings)
    database = Database(settings.require_database_url(), settings.database_schema)
    with database as db, ThreadPoolExecutor(THREADS, "sweep") as threads:
        now, age = db.transact(lambda db: (sweeps.now(db), sweeps.seconds_since(db, here)))
        where = cluster.connect(settings)
        rules = _rules(settings, now, trust_silence=age is not None and age < _FRESH_SECONDS)
        pool = ClusterPool(threads, isolate=isolate)
        yield _Sweeper(where, db, here, rules, Applier(where, db, Retries(where, settings, rules), pool), pool)


def _rules(settings: Settings, now: float, *, trust_silence: bool) -> Rules:
    limits = Limits(
        init_seconds=settings.container_init_timeout_seconds,
        task_seconds=settings.task_timeout_hours * 3600,
        silence_seconds=silence_seconds(settings.stall_timeout_seconds),
        node_seconds=settings.node_timeout_seconds,
    )
    grace = settings.container_grace_shutdown_seconds
    return Rules(now, limits, settings.task_retries, grace, trust_silence=trust_silence)


def _pages(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while page := list(islice(remaining, _PAGE)):
        yield page
