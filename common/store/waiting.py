"""What an active task waits for, and since when."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from common.store.database import Row
from common.store.encoding import stamp


class WaitsFor(StrEnum):
    """What a task may wait for."""

    POD = "pod"
    """Its pod is being made, or no sweep has seen a reason yet why it does not run."""
    QUOTA = "quota"
    """The namespace's quota has no room for its pod."""
    CLUSTER = "cluster"
    """Its pod could not be made, since the cluster was out of reach."""
    NODE = "node"
    """No node takes its pod."""
    IMAGE = "image"
    """An image is being pulled, or cannot be pulled yet."""
    CONTAINER = "container"
    """A container cannot be made yet: for a Secret, a volume, or something that is injected."""
    REPORT = "report"
    """Its sidecar runs, and does not report."""
    RETRY = "retry"
    """The pause before its next attempt."""
    DISCOVERY = "discovery"
    """The discovery of its streams."""
    RATE_LIMIT = "rate_limit"
    """The source waits until it may ask its API again."""


class Waits(Struct, frozen=True):
    """What a task waits for, and that in words."""

    kind: WaitsFor
    text: str


def of(row: Row, streams: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Return `waiting` of a row of list_tasks or get_task: `for`, `since`, `seconds`, and `until` or `task` if known.

    None for a task that waits for nothing. A kind without a reason beside it is over: not everything that empties the
    reason knows of kinds.
    """
    if row["state"] == "PENDING":
        return _pending(row)
    if row["state"] != "RUNNING":
        return None
    if row["reason"] and row["waits_for"]:
        return _shown(row, row["waits_for"], row["waits_since"])
    limited = [one for one in streams if one.get("limitedSince")]
    if not limited:
        return None
    since = datetime.fromisoformat(min(one["limitedSince"] for one in limited))
    ends = [one.get("limitedUntil", "") for one in limited]
    return _shown(row, WaitsFor.RATE_LIMIT, since) | ({"until": max(ends)} if all(ends) else {})


def _pending(row: Row) -> dict[str, Any]:
    if not row["reason"] or not row["waits_for"]:
        if row["awaits"]:
            return _shown(row, WaitsFor.DISCOVERY, row["attempt_at"]) | {"task": row["awaits"]}
        return _shown(row, WaitsFor.POD, row["attempt_at"])
    until = {"until": stamp(row["resume_at"])} if row["resume_at"] else {}
    return _shown(row, row["waits_for"], row["waits_since"]) | until


def _shown(row: Row, kind: str, since: datetime) -> dict[str, Any]:
    seconds = max(int((row["read_at"] - since).total_seconds()), 0)
    return {"for": str(kind), "since": stamp(since), "seconds": seconds}
