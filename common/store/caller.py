"""How a task ended by the caller's tables: all that the original's sidecar writes (contract.md C15)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs

from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.store.database import Database, Row
from common.store.outcomes import Outcome
from common.store.tasks import Task, TaskState

_FINAL = {str(state): state for state in TaskState if state.final}


def judged(db: Database, task: Task, otherwise: Outcome) -> Outcome:
    """Return what the caller's row of a task came to, or `otherwise` if it is not final.

    A success is believed only of a source that ended well: the original's sidecar does not see how it ended.
    """
    rows = db.run(
        "caller_row", command=str(task.command), task_id=task.task_id, package=task.package, version=task.version,
        storage_key=task.storage_key, started_at=task.started_at,
    )  # fmt: skip
    if not rows:
        return otherwise
    known = otherwise.failure.kind if otherwise.failure else FailureKind.SIDECAR_FAILED
    found = _of_row(task, rows[0], FailureKind.SOURCE_ERROR if known in _BY_PLATFORM else known)
    return otherwise if found.state is TaskState.SUCCESS and known not in _BY_PLATFORM else found


_BY_PLATFORM = frozenset({FailureKind.SIDECAR_FAILED, FailureKind.DELETED})
"""What a sweep takes for the cause where it knows nothing of the source."""


def _of_row(task: Task, row: Row, kind: FailureKind) -> Outcome:
    state, text = _FINAL.get(row["status"], TaskState.FAILED), row["description"] or ""
    streams = _streams(text) if task.command is Command.READ else {}
    outcome = Outcome(TaskState.SUCCESS, description=text, streams=streams or None, check_status=row["status"])
    if state is TaskState.SUCCESS:
        result = row["result"]
        return structs.replace(outcome, result=None if result is None else result.encode())
    errors = "; ".join(f"{key}: {stream['error']}" for key, stream in streams.items() if stream["error"])
    reason = errors or text or f"Its sidecar ended it as {row['status']} and gave no reason."
    failure = Failure(FailureKind.CANCELLED if state is TaskState.CANCELLED else kind, reason)
    return structs.replace(outcome, state=state, reason=reason, failure=failure)


def _streams(description: str) -> dict[str, Any]:
    """A read's accounts by stream key, as far as its description has them (contract.md B24)."""
    try:
        found = msgspec.json.decode(description, type=dict[str, dict[str, Any]])
    except msgspec.MsgspecError:
        return {}
    return {key: _account(counts) for key, counts in found.items()}


def _account(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The original counts the lines that it sent; what Bulker made of them, it does not know."""
    rows = counts.get("events") or 0
    known = {"emitted": rows, "sent": rows, "stored": rows, "refused": 0, "bytes": counts.get("bytes") or 0}
    return {"status": str(counts.get("status") or "FAILED"), **known, "error": str(counts.get("error") or "")}
