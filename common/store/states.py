"""What a sync resumes from: its saved states, and a configuration that its connector has changed."""

import re

from common import airbyte
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
    db.run("save_state", sync_id=sync_id, state_key=key, state=_text(state))
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


def keep_config(db: Database, sync_id: str, config: bytes, given_hash: str) -> str:
    """Keeps a configuration that the connector changed in a run which was given the one of `given_hash`.

    Returns the hash of what the *caller* had sent: the run may have been given an earlier change already. Hand that
    in at the next change of the same run. The database holds the configuration in the clear, as it must be sent on.
    """
    parameters = {"sync_id": sync_id, "config": _text(config), "given_hash": given_hash}
    [row] = db.run("keep_config", config_hash=airbyte.config_hash(config), **parameters)
    return str(row["given_hash"])


def kept_config(db: Database, sync_id: str, given: bytes) -> bytes:
    """The configuration to run with: the kept one while the caller still sends what it was derived from.

    A caller that sends another one has changed it on purpose: then the kept one is forgotten.
    """
    rows = db.run("find_config", sync_id=sync_id)
    if not rows:
        return given
    if rows[0]["given_hash"] == airbyte.config_hash(given):
        return str(rows[0]["config"]).encode()
    db.run("forget_config", sync_id=sync_id)
    return given


def _text(document: bytes) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        raise StoreError("22021", "it is not valid UTF-8") from error
