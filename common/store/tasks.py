"""The life of a task's rows: begun once, reported while it runs, concluded once."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Self

import msgspec
from msgspec import Struct

from common.commands import Command
from common.reasons import Failure
from common.store.database import Database, Row

NUL = "\u2400"
"""Stands for NUL in texts: Postgres has no NUL."""
_NUL_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class TaskState(StrEnum):
    """A task's states; the last four are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """Whether the state never changes again."""
        return self not in {TaskState.PENDING, TaskState.RUNNING}


class TaskKey(Struct, frozen=True):
    """What names a task and its rows everywhere: in requests, annotations and the sidecar's environment."""

    command: Command
    task_id: str
    package: str
    version: str
    sync_id: str = ""
    storage_key: str = ""
    started_by: str = ""
    started_at: int = 0
    """Unix seconds: when the row was made; the timestamp of every row of this run."""
    attempt: int = 1
    """Which start of the task this is; 0 stands for whichever is the current one."""


class TaskRow(Struct, frozen=True):
    """What a repeated or competing request needs to know of a task."""

    task_id: str
    state: TaskState
    request_hash: str
    pod_name: str
    reason: str
    started_at: int
    age_seconds: int
    ran: bool
    """Whether its pod ever ran."""
    attempt: int

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of create_task, find_task or find_active."""
        return cls(**{**row, "state": TaskState(row["state"])})


class Outcome(Struct, frozen=True):
    """How a task ended.

    `description` goes to the caller's table as contract.md B words it, `reason` to ours in full; `streams` is
    the per-stream accounting by stream key, `result` what a spec, check or discover found. Whatever is no success
    has a `failure`.
    """

    state: TaskState
    reason: str = ""
    description: str = ""
    streams: dict[str, Any] | None = None
    result: bytes | None = None
    check_status: str = ""
    failure: Failure | None = None
    cause: str = ""
    """What the streams' errors say of the source's end: the platform may know better."""
    provisional: bool = False
    """The platform may explain this end better, or the task may be started again: the sweep concludes it."""

    def __post_init__(self) -> None:
        if self.failure is None and self.state is not TaskState.SUCCESS:
            raise ValueError(f"An outcome that is {self.state} has to say why.")


End = tuple[TaskKey, Outcome]
"""A task and how it ended."""


def clean(text: str) -> str:
    """Text as Postgres takes it."""
    if "\0" in text:
        text = text.replace("\0", NUL)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def begin(
    db: Database, task: TaskKey, *, pod_name: str, request_hash: str, prefix: str = ""
) -> tuple[TaskRow | None, bool]:
    """Writes the rows of a new task. Returns its row and True, or the row in the way and False."""
    fields = {"sync_id": task.sync_id, "storage_key": task.storage_key, "package": task.package}
    fields |= {"version": task.version, "command": str(task.command)}
    created = db.run(
        "create_task", task_id=task.task_id, pod_name=pod_name, request_hash=request_hash,
        started_by=task.started_by, table_name_prefix=prefix, **fields,
    )  # fmt: skip
    if not created:
        found = db.run("find_task", task_id=task.task_id) or _active(db, task, fields)
        return (TaskRow.of(found[0]) if found else None), False
    row = TaskRow.of(created[0])
    _announce(db, task, row.started_at)
    return row, True


def _active(db: Database, task: TaskKey, fields: dict[str, str]) -> list[Row]:
    if task.command is Command.READ:
        return db.run("find_active_read", sync_id=task.sync_id)
    return db.run("find_active", **fields)


def _announce(db: Database, task: TaskKey, started_at: int) -> None:
    if task.command is Command.READ:
        db.run(
            "announce_read", sync_id=task.sync_id, task_id=task.task_id, package=task.package,
            version=task.version, started_at=started_at, started_by=started_by_json(task.started_by),
        )  # fmt: skip
    elif task.command is Command.DISCOVER:
        db.run(
            "announce_discover", package=task.package, version=task.version, storage_key=task.storage_key,
            started_at=started_at,
        )  # fmt: skip


def started_by_json(text: str) -> str | None:
    """`startedBy` for a jsonb column: JSON objects as they are, any other text as a string, "" as null."""
    if not text:
        return None
    try:
        # msgspec refuses what Postgres would refuse too (NaN, half a surrogate pair).
        known = (
            json.dumps(msgspec.json.decode(text), allow_nan=False)
            if text.lstrip().startswith("{")
            else json.dumps(text)
        )
    except (ValueError, RecursionError):
        known = json.dumps(text)
    return _without_nul(known.encode())


def progress(db: Database, task: TaskKey, streams: dict[str, Any] | None, *, ours: bool = True) -> bool:
    """Tells that the task runs, and how far it is. False where the task (or this attempt) is concluded."""
    if ours:
        db.run("report_progress", task_id=task.task_id, attempt=task.attempt, streams=_json(streams))
        if is_over(db, task):
            return False
    if task.command is Command.READ:
        db.run("heartbeat_read", task_id=task.task_id)
    return True


def is_over(db: Database, task: TaskKey) -> bool:
    """Whether a task, or this attempt of it, is concluded."""
    return bool(_over(db, [task]))


def _over(db: Database, some: Sequence[TaskKey]) -> set[str]:
    asked = {"task_ids": [task.task_id for task in some], "attempts": [task.attempt for task in some]}
    return {row["task_id"] for row in db.run("tasks_over", **asked)}


def note_troubles(db: Database, reasons: Mapping[str, str]) -> None:
    """Says of pending tasks, by taskId, why they have no pod yet, or what their pods wait for."""
    db.run("note_troubles", task_ids=list(reasons), reasons=[clean(reason) for reason in reasons.values()])


def describe_read(streams: dict[str, Any], reason: str) -> str:
    """A read's description in the caller's form (docs/contract.md B24): counts by stream, else the reason."""
    if not streams:
        return f"ERROR: {reason}" if reason else ""
    return json.dumps({key: _caller_counts(report) for key, report in streams.items()})


def _caller_counts(report: dict[str, Any]) -> dict[str, Any]:
    counts = {"events": report["stored"], "bytes": report["bytes"], "status": report["status"]}
    return counts | ({"error": report["error"]} if report["error"] else {})


def propose(db: Database, task: TaskKey, outcome: Outcome) -> bool:
    """Keeps what an attempt came to beside its row, for the sweep to conclude. False where no row waits for it."""
    proposal = msgspec.json.encode(outcome).decode()
    parameters = {"task_id": task.task_id, "attempt": task.attempt, "streams": _json(outcome.streams)}
    return bool(db.run("propose", proposal=proposal, **parameters))


def proposed(text: str | None) -> Outcome | None:
    """What `propose` kept, if it did."""
    return None if text is None else msgspec.json.decode(text, type=Outcome)


def begin_attempt(db: Database, task: TaskKey, failure: Failure, *, pod_name: str, reason: str, pause: float) -> bool:
    """Makes the attempt after `task.attempt` the current one. False where the task is over or somebody else did."""
    known = _json(failure.as_json())
    parameters = {"task_id": task.task_id, "attempt": task.attempt, "pod_name": pod_name, "reason": clean(reason)}
    return bool(db.run("begin_attempt", failure=known, pause_seconds=pause, **parameters))


def conclude(db: Database, task: TaskKey, outcome: Outcome, *, ours: bool = True) -> bool:
    """Writes how a task ended, in our tables and the caller's. The first conclusion wins: False for a later one.

    `ours` is False where the syncctl_ tables do not exist (a sidecar launched by another controller).
    """
    return bool(conclude_all(db, [(task, outcome)], ours=ours))


def conclude_all(db: Database, ends: Sequence[End], *, ours: bool = True) -> set[TaskKey]:
    """Concludes several tasks in a few statements, however many they are; returns those that were not over before."""
    told = _finish(db, ends) if ours and ends else ends
    _finish_reads(db, [end for end in told if end[0].command is Command.READ])
    for task, outcome in told:
        _tell_caller(db, task, outcome)
    return {task for task, _ in told}


def _finish(db: Database, ends: Sequence[End]) -> list[End]:
    """In our table; returns what the callers' tables still have to be told, also of tasks that ours does not know."""
    failures = [outcome.failure.as_json() if outcome.failure else None for _, outcome in ends]
    won = db.run(
        "finish_tasks",
        task_ids=[task.task_id for task, _ in ends],
        attempts=[task.attempt for task, _ in ends],
        states=[str(outcome.state) for _, outcome in ends],
        reasons=[clean(outcome.reason) for _, outcome in ends],
        failures=[_json(failure) for failure in failures],
        streams=[_json(outcome.streams) for _, outcome in ends],
    )
    ids = {row["task_id"] for row in won}
    for task, outcome in ends:
        if task.task_id in ids and outcome.result is not None:
            db.run("save_result", task_id=task.task_id, result=outcome.result.decode())
    lost = [task for task, _ in ends if task.task_id not in ids]
    over = _over(db, lost) if lost else set()
    return [end for end in ends if end[0].task_id not in over - ids]


def _finish_reads(db: Database, ends: Sequence[End]) -> None:
    """In the caller's table. Of two ends of one task, as pods without a row may have them, the first one counts."""
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


def _tell_caller(db: Database, task: TaskKey, outcome: Outcome) -> None:
    keyed = {"package": task.package, "version": task.version, "started_at": task.started_at}
    if task.command is not Command.SPEC:
        keyed["storage_key"] = task.storage_key
    found = _without_nul(outcome.result) if outcome.result is not None else None
    text = clean(outcome.description)
    match task.command:
        case Command.SPEC if found is not None:
            db.run("save_spec", specs=found, **keyed)
        case Command.SPEC:
            db.run("save_spec_error", error=text, **keyed)
        case Command.CHECK if found is not None:
            db.run("save_check", status=outcome.check_status, description=text, **keyed)
        case Command.CHECK:
            db.run("save_check_error", description=text, **keyed)
        case Command.DISCOVER if found is not None:
            db.run("save_catalog", catalog=found, **keyed)
        case Command.DISCOVER:
            db.run("save_catalog_error", description=text, **keyed)


def _without_nul(result: bytes) -> str:
    """JSON as jsonb takes it: an escaped NUL in a text is shown instead (never part of a longer escape)."""
    return _NUL_ESCAPE.sub(lambda match: match.group(1) + NUL, result.decode())


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else _without_nul(json.dumps(value).encode())
