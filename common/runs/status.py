"""What the status of a declared sync shows. Pure."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from common.runs.declared import Declared
from common.runs.due import Plan, stamp
from common.store.runs import LastRuns
from common.store.tasks import TaskState
from common.syncs.model import SyncState

_MESSAGE_CHARACTERS = 1_000
_EXPLAINED = frozenset({TaskState.FAILED, TaskState.PARTIAL, TaskState.CANCELLED})


def invalid(why: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status of a document that cannot run as it is written; `before`: its status so far."""
    kept = {name: before[name] for name in ("lastTask", "lastSuccess") if name in before}
    return {"state": str(SyncState.INVALID), **kept, "message": why[:_MESSAGE_CHARACTERS]}


def of(one: Declared, last: LastRuns, plan: Plan, unknown: Collection[str] = ()) -> dict[str, Any]:
    """Return a sync's status; `unknown`: names in its `after` that no sync has."""
    words = []
    if last.active or last.state in _EXPLAINED:
        words.append(last.reason)
    if plan.skipped:
        words.append(_skipped(plan))
    if unknown:
        words.append(f"after: not declared, so they start nothing: {', '.join(sorted(unknown))}.")
    next_run = None if one.spec.suspend else plan.next_run
    return _status(_state(one, last), last, next_run, " ".join(word for word in words if word))


def _state(one: Declared, last: LastRuns) -> SyncState:
    if one.spec.suspend and not last.active:
        return SyncState.SUSPENDED
    return SyncState(last.state) if last.state else SyncState.NEW


def _skipped(plan: Plan) -> str:
    count = f"{len(plan.skipped)}{' or more' if plan.more_skipped else ''}"
    what = "the run of" if len(plan.skipped) == 1 else f"{count} runs since"
    return f"Skipped: {what} {stamp(plan.skipped[0])}: the run before went on, or nothing swept in time."


def _status(state: SyncState, last: LastRuns, next_run: datetime | None, message: str) -> dict[str, Any]:
    found = {
        "state": str(state),
        "lastTask": last.task_id,
        "lastSuccess": last.success_at and stamp(last.success_at),
        "nextRun": next_run and stamp(next_run),
        "message": message[:_MESSAGE_CHARACTERS],
    }
    return {name: value for name, value in found.items() if value}
