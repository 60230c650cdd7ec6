"""Changes by hand of a sync's saved states: made in one transaction, and kept so that they can be undone."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Self

import msgspec
from msgspec import Raw, Struct

from common.errors import Conflict
from common.protocol.saved import SHARED, Saved
from common.store import states
from common.store.database import Database, Row

KEPT = 10
"""How many changes of a sync can be undone, one after the other."""


class StateChange(Struct, frozen=True):
    """A change that can be undone; `before` has the states that it changed as they were, None for none."""

    id: int
    action: str
    before: Mapping[str, bytes | None]
    after: Mapping[str, str]
    """Hashes of what it made of them."""
    changed_at: datetime

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of newest_state_change."""
        raws = msgspec.json.decode(row["before"], type=dict[str, Raw])
        before = {key: None if bytes(raw) == b"null" else bytes(raw) for key, raw in raws.items()}
        after = msgspec.json.decode(row["after"], type=dict[str, str])
        return cls(row["id"], row["action"], before, after, row["changed_at"])


def lock(db: Database, *sync_ids: str) -> None:
    """Let nobody else change the states of these syncs, nor begin to read them, until the transaction ends."""
    for sync_id in sorted(set(sync_ids)):
        db.run("lock_states", sync_id=sync_id)


def is_known(db: Database, sync_id: str) -> bool:
    """Return whether there was a read of this sync, or a state."""
    return bool(db.run("sync_known", sync_id=sync_id)[0]["known"])


def saved_at(db: Database, sync_id: str) -> dict[str, datetime]:
    """Return when each state of the newest one's kind was saved."""
    found = db.run("state_keys", sync_id=sync_id)
    live = states.live_keys(found)
    return {row["stream"]: row["timestamp"] for row in found if row["stream"] in live}


def make(db: Database, sync_id: str, action: str, before: Saved, after: Saved) -> list[str]:
    """Change the states of a sync from all of `before` to `after`; return the changed keys, and keep what they were."""
    changed = _apply(db, sync_id, before, after)
    if changed:
        document = msgspec.json.encode({key: Raw(before.get(key, b"null")) for key in changed}).decode()
        hashes = msgspec.json.encode(_hashes(db, sync_id, changed)).decode()
        db.run("keep_state_change", sync_id=sync_id, action=action, before=document, after=hashes)
        db.run("forget_state_changes", sync_id=sync_id, most=KEPT)
    return changed


def clear_all(db: Database, sync_id: str) -> list[str]:
    """Delete all states of a sync, of whatever size, for good; return their keys."""
    states.close(db, sync_id)
    keys = sorted(saved_at(db, sync_id))
    states.clear(db, sync_id, keys)
    return keys


def newest(db: Database, sync_id: str) -> StateChange | None:
    """Return the last change that was not undone."""
    rows = db.run("newest_state_change", sync_id=sync_id)
    return StateChange.of(rows[0]) if rows else None


def undo(db: Database, sync_id: str, change: StateChange, now: Saved, *, force: bool) -> list[str]:
    """Bring back what a change has replaced, and forget the change; return the keys that are changed by that.

    `now`: all states. Raise Conflict, unless forced, if one was saved since that this would replace.
    """
    back = {key: state for key, state in change.before.items() if state is not None}
    others = {key: state for key, state in now.items() if key not in change.before}
    # A sync has states of one kind.
    replaced = others if back and (back.keys() | others.keys()) & SHARED.keys() else {}
    hashes = _hashes(db, sync_id, change.before)
    newer = sorted({*replaced, *(key for key in change.before if hashes.get(key) != change.after.get(key))})
    if newer and not force:
        raise Conflict(
            f"{_listed(newer)}: changed since the {change.action} of {change.changed_at:%Y-%m-%d %H:%M:%S} UTC, by a "
            "read or somebody else; an undo would replace that. force=true (`--force`) does it all the same."
        )
    changed = _apply(db, sync_id, now, {key: others[key] for key in others.keys() - replaced.keys()} | back)
    db.run("drop_state_change", id=change.id)
    return changed


def _hashes(db: Database, sync_id: str, keys: Collection[str]) -> dict[str, str]:
    return {row["stream"]: row["hash"] for row in db.run("state_hashes", sync_id=sync_id, keys=list(keys))}


def _apply(db: Database, sync_id: str, before: Saved, after: Saved) -> list[str]:
    removed = before.keys() - after.keys()
    changed = [key for key, state in after.items() if states.compacted(state) != states.compacted(before.get(key, b""))]
    if removed or changed:
        states.close(db, sync_id)
    if removed:
        states.clear(db, sync_id, removed)
    for key in changed:
        states.save(db, sync_id, key, after[key])
    return sorted({*removed, *changed})


def _listed(keys: list[str]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
