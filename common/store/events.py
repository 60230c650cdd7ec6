"""The outbox: events that a trigger on syncctl_task writes, and what is still to be sent of them, and where to.

A sweep knows the events of its own data plane alone, as it does tasks. An event that nothing is left to send of is
deleted.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from msgspec import Struct

from common.store.database import Database, Row
from common.store.encoding import clean

MANY = 500
"""Events that are spread at once."""
_LONGEST_ERROR = 1_000


class StoredEvent(Struct, frozen=True):
    """An event as it is written; `number` gives the order."""

    number: int
    event_id: str
    type: str
    task_id: str
    sync_id: str
    data_plane: str | None
    at: datetime
    previous: str
    """Of a read that has ended: the state of its sync's read before that was not cancelled, "" without one."""
    data: str
    """JSON."""
    attempts: int
    """How often it was tried to send it, this time included."""

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of new_events or claim_deliveries."""
        return cls(**row)


class GivenUp(Struct, frozen=True):
    """A delivery that is not tried any more."""

    target: str
    error: str
    event_id: str


def discard(db: Database, data_plane: str) -> None:
    """Delete events: nothing is to hear of them."""
    db.run("discard_events", data_plane=data_plane)


def any_left(db: Database) -> bool:
    """Return whether there are events, of any data plane: another's are dropped once they are old."""
    return bool(db.run("any_events"))


def due(db: Database, data_plane: str) -> set[str]:
    """Return to which targets something may have to be sent now."""
    return {row["target"] for row in db.run("due_targets", data_plane=data_plane)}


def give_up(db: Database, data_plane: str, targets: Sequence[str]) -> list[GivenUp]:
    """Delete deliveries that are too old, or not for these targets; return them."""
    rows = db.run("give_up_deliveries", data_plane=data_plane, targets=targets)
    return [GivenUp(**row) for row in rows]


def drop_done(db: Database, data_plane: str) -> None:
    """Delete the events that nothing is left to send of."""
    db.run("drop_done_events", data_plane=data_plane)


def drop_overtaken(db: Database, data_plane: str, progress: str) -> None:
    """Delete the events of type `progress` that a later one of their task follows."""
    db.run("drop_overtaken_progress", data_plane=data_plane, type=progress)


def new(db: Database, data_plane: str) -> list[StoredEvent]:
    """Return events that are not spread yet, the oldest first, and lock them."""
    return [StoredEvent.of(row) for row in db.run("new_events", data_plane=data_plane, limit=MANY)]


def spread(db: Database, looked_at: Sequence[StoredEvent], deliveries: Sequence[tuple[str, StoredEvent]]) -> None:
    """Write to which targets events are to be sent; `looked_at`: all of them, also those that no target wants."""
    db.run(
        "spread_events",
        looked_at=[one.number for one in looked_at],
        targets=[target for target, _ in deliveries],
        events=[one.number for _, one in deliveries],
    )


def claim(db: Database, data_plane: str, target: str, limit: int) -> list[StoredEvent]:
    """Return events to send to a target now, at most one of each task; the others of the task wait until it is sent."""
    rows = db.run("claim_deliveries", data_plane=data_plane, target=target, limit=limit)
    return sorted((StoredEvent.of(row) for row in rows), key=lambda one: one.number)


def settle(db: Database, target: str, over: Sequence[StoredEvent], failed: Mapping[int, str]) -> None:
    """Note what has come of sending: these are over, and why others failed, by their numbers."""
    if over:
        db.run("end_deliveries", target=target, events=[one.number for one in over])
    if failed:
        errors = [clean(error)[:_LONGEST_ERROR] for error in failed.values()]
        db.run("note_delivery_errors", target=target, events=list(failed), errors=errors)


def have_failed(db: Database, data_plane: str) -> bool:
    """Return whether something could not be sent, and will be tried again."""
    return bool(db.run("deliveries_failed", data_plane=data_plane)[0]["yes"])


def noted_skipped(db: Database, sync_ids: Sequence[str]) -> dict[str, datetime]:
    """Return up to which moments skipped runs of these syncs have had an event, where they have had one."""
    return {row["sync_id"]: row["moment"] for row in db.run("noted_skipped", sync_ids=sync_ids)}


def write_skipped(
    db: Database, data_plane: str, sync_id: str, name: str, moments: Sequence[datetime], *, more: bool
) -> None:
    """Write the event about a sync's skipped runs at these moments, unless another sweep has; `name`: its document's.

    Events about tasks are written by the trigger alone.
    """
    stamps = [f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for moment in moments]
    db.run(
        "write_skipped", event_id=f"{sync_id}/skipped/{stamps[-1]}", sync_id=sync_id, data_plane=data_plane,
        moment=moments[-1], sync=name, moments=stamps, more=more,
    )  # fmt: skip
