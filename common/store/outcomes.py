"""How tasks end: proposed by sidecars, concluded once, in syncctl_task and in the caller's tables."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from common.failures import Failure
from common.protocol.commands import Command
from common.store import progress
from common.store.database import Database
from common.store.encoding import as_json, clean, started_by_json, without_nul
from common.store.stream_texts import bounded
from common.store.tasks import Task, TaskState, over

_log = logging.getLogger(__name__)

CANCELLED_REASON = "The task was cancelled."
_SAME_CHARACTERS = 200


class Outcome(Struct, frozen=True):
    """How a task ended.

    `description` goes to the caller's table (contract.md B), `reason` to syncctl_task; `streams` are the accounts by
    stream key, `result` is the JSON of a spec, check or discover. All but a SUCCESS have a `failure`.
    """

    state: TaskState
    reason: str = ""
    description: str = ""
    streams: dict[str, Any] | None = None
    result: bytes | None = None
    check_status: str = ""
    failure: Failure | None = None
    cause: str = ""
    """The source's end by its streams' errors; the platform may know better."""
    provisional: bool = False
    """The sweep concludes: the platform may know better, or the task may be retried."""

    def __post_init__(self) -> None:
        if self.failure is None and self.state is not TaskState.SUCCESS:
            raise ValueError(f"A {self.state} outcome needs a failure.")


End = tuple[Task, Outcome]
"""A task and how it ended."""


def describe_read(streams: dict[str, Any], reason: str) -> str:
    """Return a read's description for the caller (docs/reference/contract.md B24): counts by stream, or the reason."""
    if not streams:
        return f"ERROR: {reason}" if reason else ""
    return json.dumps({key: _caller_counts(report) for key, report in streams.items()})


def _caller_counts(report: dict[str, Any]) -> dict[str, Any]:
    counts = {"events": report["stored"], "bytes": report["bytes"], "status": report["status"]}
    return counts | ({"error": report["error"]} if report["error"] else {})


def with_better_cause(streams: dict[str, Any], cause: str, text: str) -> dict[str, Any]:
    """Return the streams' accounts with a better text where their errors name the cause; a long one was cut."""
    return bounded({name: stream | _better_error(stream, cause, text) for name, stream in streams.items()})


def _better_error(stream: dict[str, Any], cause: str, text: str) -> dict[str, Any]:
    error = str(stream["error"])
    if cause and cause in error:
        return {"error": error.replace(cause, text, 1)}
    return {"error": text} if cause and error.startswith(cause[:_SAME_CHARACTERS]) else {}


def account_cancelled(db: Database, task: Task, outcome: Outcome) -> None:
    """Save what the streams of a cancelled read came to, if the task is that: it was concluded before they ended."""
    if outcome.streams:
        streams = with_better_cause(outcome.streams, outcome.cause, CANCELLED_REASON.rstrip("."))
        db.run("account_cancelled", task_id=task.task_id, attempt=task.attempt, streams=as_json(streams))


def propose(db: Database, task: Task, outcome: Outcome) -> float | None:
    """Save an attempt's outcome for the sweep to conclude.

    Return the database's time in Unix seconds; None if the row is not active.
    """
    proposal = msgspec.json.encode(outcome).decode()
    parameters = {"task_id": task.task_id, "attempt": task.attempt, "streams": as_json(outcome.streams)}
    rows = db.run("propose", proposal=proposal, **parameters)
    return float(rows[0]["proposed_at"]) if rows else None


def is_left_to_a_sweep(db: Database, task: Task, proposed_at: float, going_on_seconds: float) -> bool:
    """Return whether a sweep has come since a proposal, sweeps go on, or the attempt is over.

    They go on if one that saw something active came at most so many seconds before the proposal.
    """
    parameters = {"attempt": task.attempt, "proposed_at": proposed_at, "going_on_seconds": going_on_seconds}
    rows = db.run("left_to_a_sweep", task_id=task.task_id, **parameters)
    return not rows or bool(rows[0]["yes"])


def proposed(text: str | None) -> Outcome | None:
    """Return the outcome saved by `propose`; None without one, or if it is another version's and unreadable."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Outcome)
    except (ValueError, msgspec.MsgspecError) as error:
        _log.warning("A sidecar's proposal cannot be read, so its pod's end alone decides: %s", error)
        return None


def publish(db: Database, task: Task, outcome: Outcome, *, ours: bool = True) -> None:
    """Show a result while its connector still runs; `conclude` writes what counts in the end.

    A task that is over, such as a cancelled one, keeps what it has. `ours` as for `conclude`.
    """
    rows = db.run("lock_task", task_id=task.task_id) if ours else []
    if any(not row["active"] for row in rows):
        return
    if rows and outcome.result is not None:
        db.run("save_result", task_id=task.task_id, result=outcome.result.decode())
    _save_result(db, task, outcome)


def conclude(db: Database, task: Task, outcome: Outcome, *, ours: bool = True) -> bool:
    """Write how a task ended, in syncctl_task and in the caller's tables; return False if it was concluded before.

    `ours`: the syncctl_ tables exist (a sidecar may be launched by another controller).
    """
    return bool(conclude_all(db, [(task, outcome)], ours=ours))


def conclude_all(db: Database, ends: Sequence[End], *, ours: bool = True) -> set[Task]:
    """Conclude tasks in a fixed number of statements; return those that were not concluded before."""
    new = _finish(db, ends) if ours and ends else ends
    _finish_reads(db, [end for end in new if end[0].command is Command.READ])
    for task, outcome in new:
        _save_result(db, task, outcome)
    return {task for task, _ in new}


def _finish(db: Database, ends: Sequence[End]) -> list[End]:
    """Update syncctl_task; return the ends for the caller's tables, tasks without a row here included."""
    failures = [outcome.failure.as_json() if outcome.failure else None for _, outcome in ends]
    won = db.run(
        "finish_tasks",
        task_ids=[task.task_id for task, _ in ends],
        attempts=[task.attempt for task, _ in ends],
        states=[str(outcome.state) for _, outcome in ends],
        reasons=[clean(outcome.reason) for _, outcome in ends],
        failures=[as_json(failure) for failure in failures],
        streams=[as_json(outcome.streams) for _, outcome in ends],
        live=progress.LIVE,
    )
    ids = {row["task_id"] for row in won}
    for task, outcome in ends:
        if task.task_id in ids and outcome.result is not None:
            db.run("save_result", task_id=task.task_id, result=outcome.result.decode())
    lost = [task for task, _ in ends if task.task_id not in ids]
    known = over(db, lost) if lost else set()
    return [end for end in ends if end[0].task_id not in known - ids]


def _finish_reads(db: Database, ends: Sequence[End]) -> None:
    """Update the caller's table. Of two ends of one task, which pods without a row may have, the first counts."""
    firsts = list({task.task_id: (task, outcome) for task, outcome in reversed(ends)}.values())
    if not firsts:
        return
    db.run(
        "finish_reads",
        sync_ids=[task.sync_id for task, _ in firsts],
        task_ids=[task.task_id for task, _ in firsts],
        packages=[task.package for task, _ in firsts],
        versions=[task.version for task, _ in firsts],
        starts=[task.started_at for task, _ in firsts],
        starters=[started_by_json(task.started_by) for task, _ in firsts],
        statuses=[str(outcome.state) for _, outcome in firsts],
        descriptions=[clean(outcome.description) for _, outcome in firsts],
    )


_STATEMENTS = {  # for a result, and without one
    Command.SPEC: ("save_spec", "save_spec_error"),
    Command.CHECK: ("save_check", "save_check_error"),
    Command.DISCOVER: ("save_catalog", "save_catalog_error"),
}


def _save_result(db: Database, task: Task, outcome: Outcome) -> None:
    """Write a result, or why there is none, into the caller's table. A parameter that a statement lacks is ignored.

    A result of a task that failed all the same is written with the reason beside it.
    """
    if task.command is Command.READ:
        return
    found = without_nul(outcome.result) if outcome.result is not None else None
    is_check = task.command is Command.CHECK
    text = clean(outcome.description) if is_check or outcome.state is not TaskState.SUCCESS else ""
    status = outcome.check_status if is_check else str(outcome.state)
    db.run(
        _STATEMENTS[task.command][found is None],
        package=task.package, version=task.version, storage_key=task.storage_key, started_at=task.started_at,
        specs=found, catalog=found, status=clean(status), description=text, error=text,
    )  # fmt: skip
