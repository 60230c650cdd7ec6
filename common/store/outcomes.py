"""How tasks end: proposed by their sidecars, concluded once, in our table and the caller's."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from common.failures import Failure
from common.protocol.commands import Command
from common.store.database import Database
from common.store.encoding import as_json, clean, started_by_json, without_nul
from common.store.tasks import Task, TaskState, over

_log = logging.getLogger(__name__)


class Outcome(Struct, frozen=True):
    """How a task ended.

    `description` goes to the caller's table as contract.md B words it, `reason` to ours in full; `streams` is
    the per-stream accounting by stream key, `result` what a spec, check or discover found. All but a SUCCESS have a
    `failure`.
    """

    state: TaskState
    reason: str = ""
    description: str = ""
    streams: dict[str, Any] | None = None
    result: bytes | None = None
    check_status: str = ""
    failure: Failure | None = None
    cause: str = ""
    """The text in the streams' errors that stands for the source's end: the platform may know better."""
    provisional: bool = False
    """To be concluded by the sweep: the platform may explain it better, or the task may be started again."""

    def __post_init__(self) -> None:
        if self.failure is None and self.state is not TaskState.SUCCESS:
            raise ValueError(f"An outcome of {self.state} needs a failure.")


End = tuple[Task, Outcome]
"""A task and how it ended."""


def describe_read(streams: dict[str, Any], reason: str) -> str:
    """Return a read's description (docs/reference/contract.md B24): counts by stream, else the reason."""
    if not streams:
        return f"ERROR: {reason}" if reason else ""
    return json.dumps({key: _caller_counts(report) for key, report in streams.items()})


def _caller_counts(report: dict[str, Any]) -> dict[str, Any]:
    counts = {"events": report["stored"], "bytes": report["bytes"], "status": report["status"]}
    return counts | ({"error": report["error"]} if report["error"] else {})


def propose(db: Database, task: Task, outcome: Outcome) -> bool:
    """Keep an attempt's outcome beside its row, for the sweep to conclude. Return False if no row waits for it."""
    proposal = msgspec.json.encode(outcome).decode()
    parameters = {"task_id": task.task_id, "attempt": task.attempt, "streams": as_json(outcome.streams)}
    return bool(db.run("propose", proposal=proposal, **parameters))


def proposed(text: str | None) -> Outcome | None:
    """Decode what `propose` kept; None for a proposal of another version that cannot be decoded."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Outcome)
    except (ValueError, msgspec.MsgspecError) as error:  # such as a kind of failure that came later
        _log.warning("A sidecar's proposal cannot be read, so its pod's end alone decides: %s", error)
        return None


def conclude(db: Database, task: Task, outcome: Outcome, *, ours: bool = True) -> bool:
    """Write how a task ended, in our tables and the caller's. The first conclusion wins: return False for a later one.

    `ours` is False if the syncctl_ tables do not exist (a sidecar launched by another controller).
    """
    return bool(conclude_all(db, [(task, outcome)], ours=ours))


def conclude_all(db: Database, ends: Sequence[End], *, ours: bool = True) -> set[Task]:
    """Conclude several tasks in a few statements, however many they are; return those that were not over before."""
    ends = _finish(db, ends) if ours and ends else ends
    _finish_reads(db, [end for end in ends if end[0].command is Command.READ])
    for task, outcome in ends:
        _write_result(db, task, outcome)
    return {task for task, _ in ends}


def _finish(db: Database, ends: Sequence[End]) -> list[End]:
    """In our table; return the ends for the caller's tables, also of tasks that ours does not know."""
    failures = [outcome.failure.as_json() if outcome.failure else None for _, outcome in ends]
    won = db.run(
        "finish_tasks",
        task_ids=[task.task_id for task, _ in ends],
        attempts=[task.attempt for task, _ in ends],
        states=[str(outcome.state) for _, outcome in ends],
        reasons=[clean(outcome.reason) for _, outcome in ends],
        failures=[as_json(failure) for failure in failures],
        streams=[as_json(outcome.streams) for _, outcome in ends],
    )
    ids = {row["task_id"] for row in won}
    for task, outcome in ends:
        if task.task_id in ids and outcome.result is not None:
            db.run("save_result", task_id=task.task_id, result=outcome.result.decode())
    lost = [task for task, _ in ends if task.task_id not in ids]
    known = over(db, lost) if lost else set()
    return [end for end in ends if end[0].task_id not in known - ids]


def _finish_reads(db: Database, ends: Sequence[End]) -> None:
    """In the caller's table. The first of two ends of one task counts: pods without a row may have several."""
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


def _write_result(db: Database, task: Task, outcome: Outcome) -> None:
    keyed = {"package": task.package, "version": task.version, "started_at": task.started_at}
    if task.command is not Command.SPEC:
        keyed["storage_key"] = task.storage_key
    found = without_nul(outcome.result) if outcome.result is not None else None
    text = clean(outcome.description)
    match task.command:
        case Command.SPEC if found is not None:
            db.run("save_spec", specs=found, **keyed)
        case Command.SPEC:
            db.run("save_spec_error", error=text, **keyed)
        case Command.CHECK if found is not None:
            db.run("save_check", status=clean(outcome.check_status), description=text, **keyed)
        case Command.CHECK:
            db.run("save_check_error", description=text, **keyed)
        case Command.DISCOVER if found is not None:
            db.run("save_catalog", catalog=found, **keyed)
        case Command.DISCOVER:
            db.run("save_catalog_error", description=text, **keyed)
