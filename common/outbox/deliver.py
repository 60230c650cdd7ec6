"""Send what the outbox holds: at least once, in order per task, and never for longer than a few seconds at a time.

    new: the trigger has written the event
      |  spread: a delivery for each target that wants it; deleted if none does
    due: its pause is over, and no earlier event of its task waits for the same target
      |  claim: the pause to the next attempt begins, so that nobody else tries meanwhile
    sent: the delivery is deleted, and with the last one the event
    failed: due again after the pause, which grows; given up after a day, or at once if the target can never take it

Any number may deliver at once. What dies between two steps has failed; what was sent and not noted is sent twice.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from common.outbox.event import Event, EventType
from common.outbox.target import DeliveryFailed, Target
from common.store import Database, events
from common.store.events import StoredEvent

_log = logging.getLogger(__name__)

SPREAD_SECONDS = 2.0
"""How long one call writes down what is to be sent; of a backlog, the rest is for the next one."""
SECONDS = 4.0
"""How long one call begins to send to a target."""
ALL_SECONDS = 8.0
"""How long one call begins to send at all."""
SEND_SECONDS = 3.0
"""How long a target may take for an event; less than the pause before the second attempt."""
_THREADS = 8
_ABOUT = {"action": "deliver"}


class Delivered(Struct, frozen=True):
    """What a call came to, in deliveries; those that failed are tried again."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0

    def __add__(self, other: "Delivered") -> "Delivered":
        return Delivered(self.sent + other.sent, self.failed + other.failed, self.given_up + other.given_up)


def deliver(db: Database, data_plane: str, targets: Sequence[Target]) -> Delivered:
    """Send the events of a data plane that are due. A target's trouble is logged, and delays nothing but its events."""
    if not targets:
        db.transact(lambda db: events.discard(db, data_plane))
        return Delivered()
    if not db.transact(events.any_left):
        return Delivered()
    ends = time.monotonic() + SPREAD_SECONDS
    while db.transact(lambda db: _spread(db, data_plane, targets)) == events.MANY and time.monotonic() < ends:
        pass
    done = Delivered(given_up=_give_up(db, data_plane, targets))  # also of what was spread too late
    names = db.transact(lambda db: events.due(db, data_plane))
    deadline = time.monotonic() + ALL_SECONDS
    for target in (one for one in targets if one.name in names):
        done += _deliver(db, data_plane, target)
        if time.monotonic() >= deadline:  # the others are due in the next sweep, too, and those that failed are not yet
            break
    db.transact(lambda db: events.drop_done(db, data_plane))
    return done


def _give_up(db: Database, data_plane: str, targets: Sequence[Target]) -> int:
    """Give up what is too old; return how much."""
    names = [target.name for target in targets]
    over = [one for one in db.transact(lambda db: events.give_up(db, data_plane, names)) if one.target in names]
    for name, count in Counter(one.target for one in over).items():
        one = max((one for one in over if one.target == name), key=lambda one: bool(one.error))
        why = one.error or "never tried, as nothing swept"
        _log.error("Gave up %d events for %s after a day; of %s: %s", count, name, one.event_id, why, extra=_ABOUT)
    return len(over)


def _spread(db: Database, data_plane: str, targets: Sequence[Target]) -> int:
    """Write what is to be sent of new events, and where to; return how many events were new."""
    events.drop_overtaken(db, data_plane, EventType.PROGRESSED)
    new = events.new(db, data_plane)
    pairs = [(target.name, one) for one in new if (event := _read(one)) for target in targets if _wants(target, event)]
    if new:
        events.spread(db, new, pairs)
    return len(new)


def _read(stored: StoredEvent) -> Event | None:
    try:
        return Event.of(stored)
    except ValueError as error:  # of a later version, before a rollback
        _log.warning("The event %s cannot be read, and is not sent: %s", stored.event_id, error, extra=_ABOUT)
        return None


def _wants(target: Target, event: Event) -> bool:
    try:
        return target.wants(event)
    except Exception:  # noqa: BLE001 - a bug there costs its own events, not everyone's
        _log.exception("Whether %s wants %s is not known; it is not sent.", target.name, event.id, extra=_ABOUT)
        return False


def _deliver(db: Database, data_plane: str, target: Target) -> Delivered:
    """Send to one target until nothing is due, time is over, or nothing of a round gets through."""
    deadline = time.monotonic() + SECONDS
    done, reason = Delivered(), ""
    while due := db.transact(lambda db: events.claim(db, data_plane, target.name, _THREADS)):
        results = dict(zip(due, _send(target, due), strict=True))
        later = {one.number: error.message for one, error in results.items() if error and error.retryable}
        over = [one for one in due if one.number not in later]
        db.transact(lambda db, over=over, later=later: events.settle(db, target.name, over, later))  # type: ignore[misc]
        refused = [(one, error) for one, error in results.items() if error and not error.retryable]
        for one, error in refused:
            _log.error("Gave up %s for %s: %s", one.event_id, target.name, error, extra=_ABOUT)
        done += Delivered(sent=len(over) - len(refused), failed=len(later), given_up=len(refused))
        reason = next(iter(later.values()), reason)
        if not over or time.monotonic() >= deadline:
            break
    if done.failed:
        _log.warning("%d events for %s will be sent later: %s", done.failed, target.name, reason, extra=_ABOUT)
    return done


def _send(target: Target, due: Sequence[StoredEvent]) -> list[DeliveryFailed | None]:
    """Send events at the same time; return why each failed. Nothing that a target does can take longer than a bound."""
    results: list[DeliveryFailed | None] = [DeliveryFailed(f"no answer within {SEND_SECONDS:g} s") for _ in due]

    def send(at: int, stored: StoredEvent) -> None:
        try:
            target.send(Event.of(stored))
            results[at] = None
        except DeliveryFailed as error:
            results[at] = error
        except Exception as error:  # noqa: BLE001 - a bug there costs its own events
            _log.exception("Sending %s to %s failed.", stored.event_id, target.name, extra=_ABOUT)
            results[at] = DeliveryFailed(type(error).__name__)

    # Daemons, which a name server that hangs may outlive: nothing waits for them at the end of the process.
    threads = [threading.Thread(target=send, args=pair, name="deliver", daemon=True) for pair in enumerate(due)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + SEND_SECONDS
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return list(results)
