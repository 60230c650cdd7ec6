"""Saved states: what a sync resumes from."""

import re

from common.airbyte import GLOBAL_STATE_KEY, LEGACY_STATE_KEY
from common.store.database import Database, StoreError

# An escaped NUL that is not the tail of an escaped backslash.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_WHOLE = frozenset({GLOBAL_STATE_KEY, LEGACY_STATE_KEY})


def save(db: Database, sync_id: str, key: str, state: bytes) -> None:
    """Saves a state and drops states of the other kinds: a sync has one live kind.

    Raises StoreError where Postgres cannot hold the state (a NUL in a string): the state would come back changed.
    """
    if _NUL.search(state):
        raise StoreError("22P05", "the state holds a NUL character, which Postgres cannot keep")
    db.run("save_state", sync_id=sync_id, state_key=key, state=state.decode())
    db.run("drop_other_states", sync_id=sync_id, kind=key if key in _WHOLE else "")


def load(db: Database, sync_id: str) -> list[tuple[str, bytes]]:
    """The saved states of a sync, (key, JSON) each, oldest first; only those of the newest one's kind."""
    rows = [(row["stream"], row["state"].encode()) for row in db.run("load_states", sync_id=sync_id)]
    if not rows:
        return []
    newest = rows[-1][0]
    if newest in _WHOLE:
        return rows[-1:]
    return [row for row in rows if row[0] not in _WHOLE]


def clear(db: Database, sync_id: str) -> None:
    """Forgets all states of a sync: the next read starts from nothing."""
    db.run("clear_states", sync_id=sync_id)
