"""The data of events, in the words of GET /tasks/<taskId>. docs/reference/events.schema.json is made from it."""

from collections import Counter
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field, structs

from common import redaction
from common.redaction import urls
from common.store.tasks import TaskState

MOST_BYTES = 48 * 1024
"""Of the streams' accounts: a whole event should stay below 64 KiB, which each intermediary has to forward.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#size-limits"""
MOST_CHANGES_BYTES = 16 * 1024
"""Of the changes of a schema, in an event that is too large as a whole."""
_LONGEST_TEXT = 4_000
_SUMS = ("emitted", "sent", "stored", "refused", "bytes")

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Totals(Struct, frozen=True, rename="camel"):
    """What the accounts of all streams come to: their number, how many are in which state, and sums."""

    streams: int = 0
    states: dict[str, int] = {}
    emitted: int = 0
    sent: int = 0
    stored: int = 0
    refused: int = 0
    bytes: int = 0


class TaskData(Struct, frozen=True, rename="camel", kw_only=True):
    """A task as it was when the event came true: GET /tasks/<taskId> without logs and result."""

    task_id: str
    command: str
    sync_id: str
    storage_key: str
    package: str
    version: str
    state: TaskState
    reason: str
    created_at: Time
    started_at: Time | None
    updated_at: Time
    finished_at: Time | None
    started_by: Annotated[str, Meta(description="As its caller gave it, with what looks like a secret masked.")]
    streams: Annotated[
        dict[str, Any] | None,
        Meta(description="By stream. null if that would take more than 48 KiB; GET /tasks/<taskId> has it."),
    ]
    failure: dict[str, Any] | None
    attempt: int
    attempts: list[dict[str, Any]]
    data_plane: str | None
    schema_changes: Annotated[
        dict[str, Any] | None,
        Meta(description="Where they would take too much, `more` alone: how many they are."),
    ]
    totals: Totals = Totals()


class SkippedData(Struct, frozen=True, rename="camel", kw_only=True):
    """Runs of a declared sync that its schedule asked for, and that came to nothing."""

    sync_id: str
    sync: Annotated[str, Meta(description="The name of its document.")]
    moments: Annotated[list[Time], Meta(description="Of the schedule, the oldest first; those of no event before.")]
    more: Annotated[bool, Meta(description="Whether further ones were skipped, which are not listed.")] = False
    data_plane: str | None = field(default=None)


def sendable(task: TaskData, size: int) -> TaskData:
    """Return a task as it may be sent: within bounds, without what looks like a secret of its caller's.

    `size`: of the data as it is stored. The sidecar has redacted reasons and the texts of streams.
    """
    failure = task.failure and task.failure | _cut(task.failure, "message")
    accounts = task.streams or {}
    changed = structs.replace(
        task,
        reason=task.reason[:_LONGEST_TEXT],
        started_by=_masked(task.started_by),
        failure=failure,
        attempts=[one | _cut(one, "message") for one in task.attempts],
        totals=_totals(accounts),
    )
    if size <= MOST_BYTES:
        return changed
    return structs.replace(changed, streams=None, schema_changes=_counted(task.schema_changes))


def _counted(changes: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what has changed in a schema, or how much if the list of it is long."""
    if changes is None or len(msgspec.json.encode(changes)) <= MOST_CHANGES_BYTES:
        return changes
    listed = sum(len(one) for one in changes.values() if isinstance(one, list))
    return {"more": listed + int(changes.get("more", 0))}


def _masked(text: str) -> str:
    return redaction.of_config(text.encode(), *urls.within(text)).redact(text)


def _cut(failure: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: str(failure.get(name, ""))[:_LONGEST_TEXT]}


def _totals(accounts: dict[str, Any]) -> Totals:
    known = [account for account in accounts.values() if isinstance(account, dict)]
    sums = {name: sum(int(one.get(name) or 0) for one in known) for name in _SUMS}
    return Totals(len(known), dict(Counter(str(one.get("status", "")) for one in known)), **sums)
