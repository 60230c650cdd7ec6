"""Carries out decisions: the cluster's part in threads, then one transaction for a page of tasks, then deletions."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from msgspec import structs

from common.cluster import Cluster
from common.cluster.objects import Pod
from common.errors import Locked, SyncError
from common.failures import Failure
from common.pods import annotations
from common.pods.containers import SIDECAR
from common.store import Database, Outcome, Task, TaskState, caller, outcomes, tasks
from common.store.database import StoreError
from common.store.outcomes import End
from common.store.sweeps import SweepStats, SweptTask
from common.sweep.decisions import Conclude, Decision, Deletion, Keep, MarkRunning, NoteWaiting, Release, Retry
from common.sweep.masking import Masking
from common.sweep.retries import DueAttempt, NextAttempt, Retries

_log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
"""How many requests to the cluster are on their way at once."""
_ALONE_LOCK_SECONDS = 0.2
"""Lock timeout per task after its page's transaction timed out: a page may have many such."""
_PAYLOADS = 4
"""How many attempts' files are in memory at once."""
_LOG_LINES = 50
_ALARMS = ("error", "panic", "errstd", "fatal", "exception")

Prepared = Keep | Conclude | NextAttempt | DueAttempt | MarkRunning | NoteWaiting
"""A decision after the cluster's part."""


class ClusterPool:
    """A few threads that ask the cluster. With `isolate`, a failure costs its item alone; otherwise it is raised."""

    def __init__(self, pool: Executor, *, isolate: bool) -> None:
        self._pool, self._isolate = pool, isolate

    def each(self, work: Callable[[T], R], items: Sequence[T], otherwise: R) -> list[R]:
        """Return the results of `work` in the items' order, `otherwise` for an item that failed."""

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


class Applier:
    """Applies the decisions of one sweep. Any step may be repeated, and by several sweepers at once."""

    def __init__(self, where: Cluster, db: Database, retries: Retries, pool: ClusterPool) -> None:
        self._where, self._db, self._retries, self._pool = where, db, retries, pool
        self._masking = Masking(where, db, retries.keys)

    def masked(self, pod: Pod, row: SweptTask | None) -> Pod:
        """Return the pod as it may be decided about, and quoted."""
        return self._masking.pod(pod, row.task if row else annotations.parse(pod))

    def prepare(self, decision: Decision) -> Prepared:
        """Do the cluster's part of a decision; raise SyncError if the cluster is away."""
        match decision:
            case Retry(pod_gone=True):
                return self._retries.find_next(decision.row, decision.failure) or self.prepare(decision.otherwise)
            case Retry():
                following = self._retries.create_next(decision.row, decision.failure)
                if isinstance(following, NextAttempt):
                    return structs.replace(following, deletion=decision.deletion)
                if decision.awaits_secret:
                    return Keep()
                return _not_again(self.prepare(decision.otherwise), following or "")
            case Release():
                return self._retries.due(decision) or Keep()
            case Conclude() if decision.wants_log:
                return _with_log(decision, self._tail(decision))
            case Keep(unreadable=True, deletion=Deletion(name=name)):
                _log.error("A pod that ended names no task.", extra={"action": "sweep", "pod": name})
        return decision

    def apply(self, steps: Sequence[Prepared]) -> SweepStats:
        """Write and delete what the steps of a page ask for. A task that Postgres refuses to write keeps its pod."""
        concluded, refused = self._write([step for step in steps if not isinstance(step, Keep | DueAttempt)])
        self._hand_over([step for step in steps if isinstance(step, DueAttempt)])
        refused_ids = {id(step) for step in refused}
        doomed = [step for step in steps if step.deletion and id(step) not in refused_ids]
        done = self._pool.each(self._delete, doomed, otherwise=False)
        left = refused_ids | {id(step) for step, deleted in zip(doomed, done, strict=True) if not deleted}
        return SweepStats(
            active=sum(_is_active(step) or id(step) in left for step in steps),
            concluded=concluded,
            deleted=sum(done),
            unreadable=len(left) + sum(isinstance(step, Keep) and step.unreadable for step in steps),
        )

    def _write(self, steps: Sequence[Prepared]) -> tuple[int, Sequence[Prepared]]:
        """Write all in one transaction, or one by one if Postgres refuses it, or another session holds a row of it.

        Return how many tasks were concluded, and the steps that were refused.
        """
        if not steps:
            return 0, ()
        try:
            return self._write_together(steps), ()
        except (StoreError, Locked) as error:
            if len(steps) == 1:
                _log.warning("A task cannot be written: %s", error, extra={"action": "sweep"})
                return 0, steps
        with self._db.waiting_for_locks(_ALONE_LOCK_SECONDS):
            apart = [self._write([step]) for step in steps]
        return sum(count for count, _ in apart), [step for _, refused in apart for step in refused]

    def _write_together(self, steps: Sequence[Prepared]) -> int:
        conclusions = [step for step in steps if isinstance(step, Conclude)]
        following = [step for step in steps if isinstance(step, NextAttempt)]
        running = [step.task_id for step in steps if isinstance(step, MarkRunning)]
        waits = {step.task_id: step.waits for step in steps if isinstance(step, NoteWaiting)}

        def write(db: Database) -> tuple[list[End], set[Task], list[NextAttempt]]:
            ends = [(one.task, _outcome(db, one)) for one in conclusions]
            concluded = outcomes.conclude_all(db, ends) if ends else set()
            advanced = self._retries.advance(db, following)
            if running:
                tasks.mark_running(db, running)
            if waits:
                tasks.note_waits(db, waits, running=True)
            return ends, concluded, advanced

        ends, concluded, advanced = self._db.transact(write)
        for task, outcome in ends:
            if task in concluded:
                _log_task("Task concluded.", "sweep", task.task_id, outcome.failure)
        for one in advanced:
            _log_task("Task is started again.", "retry", one.task.task_id, one.failure, attempt=one.task.attempt + 1)
        return len(concluded)

    def _hand_over(self, due: Sequence[DueAttempt]) -> None:
        # Few at once: what a page's attempts resume from does not fit into memory.
        for page in (due[at : at + _PAYLOADS] for at in range(0, len(due), _PAYLOADS)):
            self._hand_over_few(page)

    def _hand_over_few(self, due: Sequence[DueAttempt]) -> None:
        pairs = [(one, self._retries.resume_payload(self._db, one)) for one in due]
        able = [(one, payload) for one, payload in pairs if not isinstance(payload, Failure)]
        unable = [(one, why) for one, why in pairs if isinstance(why, Failure)]
        none: bool | Failure = False
        given = self._pool.each(lambda pair: self._retries.hand_over(*pair), able, none)
        ends = [(one, done) for (one, _), done in zip(able, given, strict=True)]
        # An attempt that can never begin ends; the next sweep clears its pod away.
        self._write([_give_up(one.task, why) for one, why in [*unable, *ends] if isinstance(why, Failure)])
        self._retries.mark_released(self._db, [one for one, done in ends if done is True])

    def _delete(self, step: Prepared) -> bool:
        if deletion := step.deletion:
            self._where.delete_pod(deletion.name, deletion.uid, deletion.grace_seconds)
        return True

    def _tail(self, decision: Conclude) -> str:
        """The end of a container's log; a source prints into its pipes, so the sidecar's has its last words."""
        names = (decision.wants_log, SIDECAR)
        return next((tail for name in names if (tail := self._tail_of(decision, name))), "")

    def _tail_of(self, decision: Conclude, container: str) -> str:
        """From the first line that sounds like trouble, masked."""
        try:
            raw = self._where.read_log(decision.pod_name, container, _LOG_LINES)
            text = self._masking.log(decision.pod_name, decision.task, container, raw.decode("utf-8", "replace"))
        except SyncError:
            return ""
        lines = text.splitlines()
        alarms = [at for at, line in enumerate(lines) if any(word in line.lower() for word in _ALARMS)]
        return "\n".join(lines[alarms[0] if alarms else max(len(lines) - 10, 0) :]).strip()


def _is_active(step: Prepared) -> bool:
    return step.active if isinstance(step, Keep) else not isinstance(step, Conclude)


def _outcome(db: Database, decision: Conclude) -> Outcome:
    return caller.judged(db, decision.task, decision.outcome) if decision.unreported else decision.outcome


def _with_log(decision: Conclude, tail: str) -> Conclude:
    outcome, more = decision.outcome, f"\n{tail}" if tail else ""
    outcome = structs.replace(outcome, reason=outcome.reason + more, description=outcome.description + more)
    return structs.replace(decision, outcome=outcome)


def _not_again(decision: Prepared, why: str) -> Prepared:
    """Name, beside its failure, why the cluster refused a task's next attempt."""
    if not why or not isinstance(decision, Conclude) or not (failure := decision.outcome.failure):
        return decision
    failure = Failure(failure.kind, f"{failure.message.rstrip('.')}; and it cannot be started again: {why}")
    reason = f"{decision.outcome.reason.rstrip('.')}; and it cannot be started again: {why}"
    return structs.replace(decision, outcome=structs.replace(decision.outcome, reason=reason, failure=failure))


def _give_up(task: Task, why: Failure) -> Conclude:
    text = why.sentence
    return Conclude(task, Outcome(TaskState.FAILED, reason=text, description=f"FAILED: {text}", failure=why))


def _log_task(sentence: str, action: str, task_id: str, failure: Failure | None, **more: int) -> None:
    known = {"kind": str(failure.kind), "origin": str(failure.policy.origin)} if failure else {"kind": ""}
    _log.info(sentence, extra={"action": action, "task_id": task_id, **known, **more})
