"""What a sweep does about a page of looks: rows first, a page together, and only then deletions, side by side."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from msgspec import Struct, structs

from common.cluster import Cluster
from common.errors import Locked
from common.failures import Failure
from common.store import Database, Outcome, Task, TaskState, outcomes, tasks
from common.store.database import StoreError
from common.sweep.decide import Deletion, Look
from common.sweep.retries import Retries

_log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
"""How many requests to the cluster are on their way at once."""
_ALONE_LOCK_SECONDS = 0.2
"""How long one task waits for a row that somebody else holds, once its page has waited: a page may have many such."""


class SweepStats(Struct, frozen=True, rename="camel"):
    """What a sweep saw and did. `active`: pods and rows that go on."""

    pods: int = 0
    active: int = 0
    concluded: int = 0
    deleted: int = 0
    unreadable: int = 0
    orphaned_rows: int = 0

    def __add__(self, other: "SweepStats") -> "SweepStats":
        both = zip(structs.astuple(self), structs.astuple(other), strict=True)
        return SweepStats(*(one + another for one, another in both))


class ClusterPool:
    """A few threads that ask the cluster; with `isolate`, no item keeps another waiting, whatever it meets."""

    def __init__(self, pool: Executor, *, isolate: bool) -> None:
        self._pool, self._isolate = pool, isolate

    def each(self, work: Callable[[T], R], items: Sequence[T], otherwise: R) -> list[R]:
        """What `work` makes of each item, or `otherwise` where it fails; in the items' order."""

        def attempt(item: T) -> R:
            try:
                return work(item)
            except Exception as error:
                if not self._isolate:
                    raise
                _log.exception("A pod is left to the next sweep: %s", error, extra={"action": "sweep"})
                return otherwise

        shares = [items[start::THREADS] for start in range(min(THREADS, len(items)))]
        done = list(self._pool.map(lambda share: [attempt(item) for item in share], shares))
        return [done[at % THREADS][at // THREADS] for at in range(len(items))]


class Deeds:
    """Carries out what the looks of one sweep came to. Any step may be repeated, and by several sweepers at once."""

    def __init__(self, where: Cluster, db: Database, retries: Retries, hands: ClusterPool) -> None:
        self._where, self._db, self._retries, self._hands = where, db, retries, hands

    def about_pods(self, looks: Sequence[Look]) -> SweepStats:
        """Of a page of pods. What Postgres refuses to write keeps its pod, and nothing else."""
        concluded, refused = self._together(self._conclude, [look for look in looks if look.end])
        _, stuck = self._together(self._go_on, [look for look in looks if look.again])
        self._note(looks)
        self._release([look for look in looks if look.release])
        kept = {id(look) for look in (*refused, *stuck)}
        deletions = [look.deletion for look in looks if look.deletion and id(look) not in kept]
        deleted = sum(self._hands.each(self._delete, deletions, otherwise=False))
        left = len(kept) + len(deletions) - deleted
        return SweepStats(
            pods=len(looks),
            active=sum(look.active for look in looks) + left,
            concluded=concluded,
            deleted=deleted,
            unreadable=sum(look.unreadable for look in looks) + left,
        )

    def about_rows(self, looks: Sequence[Look]) -> SweepStats:
        """Of rows without a pod."""
        concluded, _ = self._together(self._conclude, [look for look in looks if look.end])
        self._together(self._go_on, [look for look in looks if look.again])
        return SweepStats(active=len(looks) - concluded, orphaned_rows=concluded)

    def _together(self, write: Callable[[Sequence[Look]], int], looks: Sequence[Look]) -> tuple[int, Sequence[Look]]:
        """Writes all in one transaction, or one by one where Postgres refuses it, or another session holds a row of it:
        what `write` counts, and the looks that are refused.
        """
        if not looks:
            return 0, ()
        try:
            return write(looks), ()
        except (StoreError, Locked) as error:
            if len(looks) == 1:
                _log.warning("A task cannot be written: %s", error, extra={"action": "sweep"})
                return 0, looks
        with self._db.waiting_for_locks(_ALONE_LOCK_SECONDS):
            apart = [self._together(write, [look]) for look in looks]
        return sum(count for count, _ in apart), [look for _, refused in apart for look in refused]

    def _conclude(self, looks: Sequence[Look]) -> int:
        ends = [look.end for look in looks if look.end]
        concluded = self._db.transact(lambda db: outcomes.conclude_all(db, ends))
        for key, outcome in ends:
            if key in concluded:
                kind = str(outcome.failure.kind) if outcome.failure else ""
                _log.info("Task concluded.", extra={"action": "sweep", "task_id": key.task_id, "kind": kind})
        return len(concluded)

    def _go_on(self, looks: Sequence[Look]) -> int:
        return self._retries.go_on(self._db, [look.again for look in looks if look.again])

    def _note(self, looks: Sequence[Look]) -> None:
        if running := [look.runs_now for look in looks if look.runs_now]:
            self._db.transact(lambda db: db.run("mark_running", task_ids=running))
        if waits := dict(look.waits for look in looks if look.waits):
            self._db.transact(lambda db: tasks.note_troubles(db, waits))

    def _release(self, looks: Sequence[Look]) -> None:
        ready = [look.release for look in looks if look.release]
        if not ready:
            return
        pairs = list(zip(ready, self._retries.later(self._db, ready), strict=True))
        self._give_up([(one.key, later) for one, later in pairs if isinstance(later, Failure)])
        able = [(one, later) for one, later in pairs if not isinstance(later, Failure)]
        given = self._hands.each(lambda pair: self._retries.give(*pair), able, otherwise=False)
        self._retries.let_go(self._db, [one for (one, _), well in zip(able, given, strict=True) if well])

    def _give_up(self, some: Sequence[tuple[Task, Failure]]) -> None:
        """Ends attempts that can never begin; the next sweep clears their pods away."""
        ends = [
            (key, Outcome(TaskState.FAILED, why.sentence, f"FAILED: {why.sentence}", failure=why)) for key, why in some
        ]
        self._together(self._conclude, [Look(end=end) for end in ends])

    def _delete(self, deletion: Deletion) -> bool:
        self._where.delete_pod(deletion.name, deletion.uid, deletion.grace_seconds)
        return True
