"""What a task resumes from: a sync's saved states, and a configuration that its connector has changed."""

from collections.abc import Collection

from common.protocol import messages
from common.protocol.states import GLOBAL_STATE_KEY, LEGACY_STATE_KEY
from common.store.database import Database, Row, StoreError

_SHARED = frozenset({GLOBAL_STATE_KEY, LEGACY_STATE_KEY})


def save(db: Database, sync_id: str, key: str, state: bytes) -> None:
    """Save a state and delete states of the other kinds: a sync has one live kind.

    A state that jsonb cannot store, for a NUL in it, goes as text into a syncctl_ table: it never comes back changed.
    Raise StoreError if that table is missing.
    """
    row = {"sync_id": sync_id, "state_key": key, "state": _text(state)}
    kind = key if key in _SHARED else ""
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
    """Return the saved states of a sync as (key, JSON), oldest first; only those of the newest one's kind."""
    return _newest_kind(db.run("load_states", sync_id=sync_id))


def _newest_kind(found: list[Row]) -> list[tuple[str, bytes]]:
    rows = [(row["stream"], row["state"].encode()) for row in found]
    if rows and rows[-1][0] in _SHARED:
        return rows[-1:]
    return list(dict(row for row in rows if row[0] not in _SHARED).items())


def of_task(db: Database, sync_id: str, task_id: str) -> list[tuple[str, bytes]]:
    """Return the states saved since a task was accepted, as `load` does."""
    return _newest_kind(db.run("load_states_of_task", sync_id=sync_id, task_id=task_id))


def clear(db: Database, sync_id: str, keys: Collection[str]) -> None:
    """Delete the states of these streams, and those of all streams: the next read of them starts over."""
    db.run("clear_states", sync_id=sync_id, keys=list(keys))
    db.run("clear_raw_states", sync_id=sync_id, keys=list(keys))


def last_streams(db: Database, sync_id: str) -> set[str]:
    """Return the keys of the streams that the sync's last read was about; empty if none is known."""
    return {row["stream"] for row in db.run("last_read_streams", sync_id=sync_id)}


def keep_config(db: Database, package: str, config: bytes, given_hash: str) -> str:
    """Save a connector's change of the configuration with the hash `given_hash`, in clear text.

    Return the hash of the *caller's* configuration, to be passed at the task's next change: the task may have been
    given an earlier change.
    """
    given = _origin(db, package, given_hash)
    row = {"package": package, "config": _text(config), "config_hash": messages.config_hash(config)}
    db.run("keep_config", given_hash=given, **row)
    db.run("forget_unused_configs")
    return given


def kept_config(db: Database, package: str, given: bytes) -> bytes:
    """Return the configuration to run with: the connector's change of the caller's, or the caller's."""
    key = {"package": package, "given_hash": messages.config_hash(given)}
    rows = db.run("find_config", **key)
    if not rows:
        return given
    if rows[0]["stale"]:
        db.run("use_config", **key)
    return str(rows[0]["config"]).encode()


def changed_config(db: Database, package: str, config: bytes) -> bytes | None:
    """Return the connector's change of a task's configuration, None without one."""
    rows = db.run("find_config", package=package, given_hash=_origin(db, package, messages.config_hash(config)))
    latest = str(rows[0]["config"]).encode() if rows else config
    return None if latest == config else latest


def _origin(db: Database, package: str, config_hash: str) -> str:
    """Return the hash of the caller's configuration that the one of this hash was made from."""
    found = db.run("find_given", package=package, config_hash=config_hash)
    return str(found[0]["given_hash"]) if found else config_hash


def _text(document: bytes) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        raise StoreError("22021", "it is not valid UTF-8") from error
