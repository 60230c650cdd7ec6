"""What a task goes on from: a sync's saved states, and a configuration that its connector has changed."""

from common.protocol import messages
from common.protocol.states import GLOBAL_STATE_KEY, LEGACY_STATE_KEY
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


def keep_config(db: Database, package: str, config: bytes, given_hash: str) -> str:
    """Keeps a configuration that a connector changed in a task which was given the one of `given_hash`.

    Returns the hash of what the *caller* had sent: the task may have been given an earlier change already. Hand that
    in at the next change of the same task. The database holds the configuration in the clear, as it must be sent on.
    """
    given = _origin(db, package, given_hash)
    row = {"package": package, "config": _text(config), "config_hash": messages.config_hash(config)}
    db.run("keep_config", given_hash=given, **row)
    db.run("forget_unused_configs")
    return given


def kept_config(db: Database, package: str, given: bytes) -> bytes:
    """The configuration to run with: what the connector has made of the caller's, or that itself."""
    key = {"package": package, "given_hash": messages.config_hash(given)}
    rows = db.run("find_config", **key)
    if not rows:
        return given
    if rows[0]["stale"]:
        db.run("use_config", **key)
    return str(rows[0]["config"]).encode()


def changed_config(db: Database, package: str, config: bytes) -> bytes | None:
    """What the connector has made of a configuration since a task was given it; None where it is unchanged."""
    rows = db.run("find_config", package=package, given_hash=_origin(db, package, messages.config_hash(config)))
    latest = str(rows[0]["config"]).encode() if rows else config
    return None if latest == config else latest


def _origin(db: Database, package: str, config_hash: str) -> str:
    """The hash of what the caller had sent for a configuration of this hash."""
    found = db.run("find_given", package=package, config_hash=config_hash)
    return str(found[0]["given_hash"]) if found else config_hash


def _text(document: bytes) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        raise StoreError("22021", "it is not valid UTF-8") from error
