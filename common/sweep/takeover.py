"""Takes over what another controller has left: its reads' pods, and their rows without a pod."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from common.cluster.objects import Pod
from common.failures import Failure, FailureKind
from common.pods import annotations, explain
from common.protocol.commands import Command
from common.store import Database, Outcome, TaskState, adoption
from common.store.adoption import ReadElsewhere
from common.store.sweeps import SweptTask
from common.sweep.decisions import Conclude


def take_over(db: Database, pods: Sequence[Pod], rows: Sequence[SweptTask], data_plane: str) -> bool:
    """Adopt the reads of these pods that have a row in the caller's table but none here, and follow adopted ones.

    `rows`: those found for the pods. Return whether any of them may have changed.
    """
    known = {row.task.task_id for row in rows}
    tasks = ((annotations.parse(pod), pod.name) for pod in pods)
    strangers = {
        task.task_id: name
        for task, name in tasks
        if task and task.command is Command.READ and task.task_id and task.task_id not in known
    }
    followed = [row.task.task_id for row in rows if row.adopted and not row.state.final]
    if strangers:
        adoption.adopt(db, strangers, data_plane)
    if strangers or followed:
        adoption.follow(db, [*strangers, *followed])
    return bool(strangers or followed)


def abandoned(db: Database, seconds: int, seen: AbstractSet[str], data_plane: str) -> list[Conclude]:
    """Adopt the reads that no controller has touched for so long, and return their conclusions.

    `seen`: the tasks whose pods are here. 0 seconds: never.
    """
    found = adoption.elsewhere(db, idle_seconds=seconds) if seconds else []
    left = [read for read in found if read.task.task_id not in seen]
    if left:
        adoption.adopt(db, {read.task.task_id: None for read in left}, data_plane)
    return [Conclude(read.task, _left(read)) for read in left]


def fail_results(db: Database, seconds: int) -> int:
    """Conclude the rows that have waited so long for a result that nobody here seeks; return how many. 0: never."""
    text = f"FAILED: Another controller started this, and left no result for {explain.span(seconds)}; start it again."
    return adoption.fail_results(db, text, seconds) if seconds else 0


def _left(read: ReadElsewhere) -> Outcome:
    failure = Failure(
        FailureKind.DELETED,
        "The task was started by another controller, which has not touched its row in source_task for "
        f"{explain.span(read.idle_seconds)}, and it has no pod here.",
    )
    text = failure.sentence
    return Outcome(TaskState.FAILED, reason=text, description=f"FAILED: {text}", failure=failure)
