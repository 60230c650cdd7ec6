"""What a sync resumes from: its saved states, and a configuration that its connector has changed."""

from common import airbyte
from common.airbyte import GLOBAL_STATE_KEY, LEGACY_STATE_KEY
from common.store.database import Database, Row, StoreError

_WHOLE = frozenset({GLOBAL_STATE_KEY, LEGACY_STATE_KEY})


def save(db: Database, sync_id: str, key: str, state: bytes) -> None:
    """Saves a state and drops states of the other kinds: a sync has one live kind.

    What jsonb cannot hold, a NUL for one, is kept as text in a table of ours instead: a state never comes back
    changed. Raises StoreError where that is not possible either.
    """
    row = {"sync_id": sync_id, "state_key": key, "state": _text(state)}
    kind = key if key in _WHOLE else ""
    refusal = db.refusal("save_state", **row)
    [raw] = db.run("raw_states_exist")
    if refusal is not None and not raw["exist"]:
        raise refusal
    if raw["exist"]:
        db.run("drop_raw_states", sync_id=sync_id, state_key=key, kind=kind)
    if refusal is not None:
        db.run("save_raw_state", **row)
        db.run("drop_state", sync_id=sync_id, state_key=key)
    db.run("drop_other_states", sync_id=sync_id, kind=kind)


def load(db: Database, sync_id: str) -> list[tuple[str, bytes]]:
    """The saved states of a sync, (key, JSON) each, oldest first; only those of the newest one's kind."""
    return _newest_kind(db.run("load_states", sync_id=sync_id))


def _newest_kind(found: list[Row]) -> list[tuple[str, bytes]]:
    rows = [(row["stream"], row["state"].encode()) for row in found]
    if not rows:
        return []
    newest = rows[-1][0]
    if newest in _WHOLE:
        return rows[-1:]
    return list(dict(row for row in rows if row[0] not in _WHOLE).items())


def of_task(db: Database, sync_id: str, task_id: str) -> list[tuple[str, bytes]]:
    """Those that were saved since a task of ours was accepted, as `load` gives them."""
    return _newest_kind(db.run("load_states_of_task", sync_id=sync_id, task_id=task_id))


def clear(db: Database, sync_id: str) -> None:
    """Forgets all states of a sync: the next read starts from nothing."""
    db.run("clear_states", sync_id=sync_id)
    db.run("clear_raw_states", sync_id=sync_id)


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


def changed_config(db: Database, sync_id: str, task_id: str) -> bytes | None:
    """What the connector made of its configuration since a task of ours was accepted; None where it is unchanged."""
    rows = db.run("changed_config", sync_id=sync_id, task_id=task_id)
    return str(rows[0]["config"]).encode() if rows else None


def _text(document: bytes) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        raise StoreError("22021", "it is not valid UTF-8") from error
