"""What a task resumes from: a sync's saved states, and a configuration that its connector has changed."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

import msgspec

from common.errors import Refused, TooLarge
from common.protocol import messages, sizes
from common.protocol.states import GLOBAL_STATE_KEY, LEGACY_STATE_KEY
from common.store import encryption
from common.store.database import Database, Row, StoreError
from common.store.encoding import is_written_out
from common.store.encryption import KeyMissing, Keys
from common.store.tasks import Task

SHARED = frozenset({GLOBAL_STATE_KEY, LEGACY_STATE_KEY})
"""Keys of states of all streams."""
_NAMED = 5
_WRITTEN_OUT = (
    "it has numbers such as 1e131071, which source_state would hold with all their zeros, and the tables of "
    "sync-functions, which keep them as they are, are missing; have the connector write them as texts"
)


def save(db: Database, sync_id: str, key: str, state: bytes) -> None:
    """Save a state and delete states of the other kinds: a sync has one live kind.

    A state that jsonb cannot store, for a NUL in it, or would write out, goes as text into a syncctl_ table: it never
    comes back changed. Raise the reason if that table is missing.
    """
    row = {"sync_id": sync_id, "state_key": key, "state": _text(state)}
    kind = key if key in SHARED else ""
    refusal = Refused(_WRITTEN_OUT) if is_written_out(state) else db.refusal("save_state", **row)
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
    """Return the saved states of a sync as (key, JSON), oldest first; only those of the newest one's kind.

    Raise TooLarge, before any is loaded, if they come to more than a task can be given.
    """
    with loading(db, sync_id) as found:
        return found


@contextmanager
def loading(
    db: Database, sync_id: str, streams: Collection[str] | None = None, *, task_id: str = ""
) -> Iterator[list[tuple[str, bytes]]]:
    """Give what `load` returns to the block; of large ones, to one thread's at a time.

    With `streams`, only those of these keys, or the one of all streams; with `task_id`, only those saved since that
    task was accepted.
    """
    found = db.run("state_sizes", sync_id=sync_id, task_id=task_id, most=sizes.LOADED_BYTES)
    keys = {key for key in live_keys(found) if streams is None or key in SHARED or key in streams}
    total = sum(row["bytes"] for row in found if row["stream"] in keys)
    if total > sizes.LOADED_BYTES:
        raise TooLarge(_too_large(sorted(keys)))
    with sizes.one_at_a_time(large=total > sizes.ROOM_BYTES):
        rows = db.run("load_states", sync_id=sync_id, task_id=task_id, keys=sorted(keys)) if keys else []
        compact = compacted if total > sizes.ROOM_BYTES else bytes
        yield list({row["stream"]: compact(row.pop("state").encode()) for row in rows}.items())


def compacted(state: bytes) -> bytes:
    """Return a state without the white space of jsonb: compressed, the sidecar has measured it without."""
    try:
        return msgspec.json.format(state, indent=-1)
    except messages.DECODE_ERRORS:
        return state


def shared_key(db: Database, sync_id: str) -> str | None:
    """Return the key of a sync's state of all streams, None if each stream has its own."""
    found = db.run("state_keys", sync_id=sync_id)
    return next((key for key in live_keys(found) if key in SHARED), None)


def live_keys(found: list[Row]) -> list[str]:
    """Return the keys of states of the newest one's kind; `found` is ordered by time."""
    keys = [row["stream"] for row in found]
    return keys[-1:] if keys and keys[-1] in SHARED else [key for key in keys if key not in SHARED]


def _too_large(keys: list[str]) -> str:
    names = ", ".join(keys[:_NAMED]) + (f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else "")
    return (
        f"The saved states of this sync ({names}) come to more than {sizes.LOADED_BYTES:,} bytes, written out, which "
        "no task can be given: send fullSync=true, or a `state` of {} in the body, to begin from nothing, or select "
        "fewer streams."
    )


def clear(db: Database, sync_id: str, keys: Collection[str]) -> None:
    """Delete the states of these streams, and those of all streams: the next read of them starts over."""
    db.run("clear_states", sync_id=sync_id, keys=list(keys))
    db.run("clear_raw_states", sync_id=sync_id, keys=list(keys))


def close(db: Database, sync_id: str) -> None:
    """Let reads of a sync that have ended save no states any more: their sidecars may still run.

    To be done before its states are written: a sidecar locks its task first, too.
    """
    db.run("close_states", sync_id=sync_id)


def is_closed(db: Database, task_id: str) -> bool:
    """Return whether a read's sync had its states changed by hand since the read ended: it saves none any more."""
    return any(row["closed"] for row in db.run("states_closed", task_id=task_id))


def last_streams(db: Database, sync_id: str) -> set[str]:
    """Return the keys of the streams that the sync's last read was about; empty if none is known."""
    return {row["stream"] for row in db.run("last_read_streams", sync_id=sync_id)}


def keep_config(db: Database, task: Task, config: bytes, keys: Keys = encryption.NONE) -> None:
    """Save a connector's change of a task's configuration, encrypted by `keys`, for what the task's caller had sent.

    Raise Refused if its row does not tell that: by what a connector was given, or has made, it might be another sync's.
    """
    given_hash = _given_hash(db, task)
    if given_hash is None:
        raise Refused("the task's row does not tell what its caller had sent, as one of another controller")
    db.run("keep_config", package=task.package, given_hash=given_hash, config=_encrypted(config, keys))
    db.run("forget_unused_configs")


def kept_config(db: Database, package: str, given: bytes, keys: Keys = encryption.NONE) -> bytes:
    """Return the configuration to run with: the connector's change of the caller's, or the caller's.

    Raise KeyMissing if it was encrypted with a key that is not among `keys`.
    """
    return _kept(db, package, messages.config_hash(given), keys) or given


def changed_config(db: Database, task: Task, keys: Keys = encryption.NONE) -> bytes | None:
    """Return the connector's change of a task's configuration, None without one. Raise KeyMissing as `kept_config`."""
    given_hash = _given_hash(db, task)
    return None if given_hash is None else _kept(db, task.package, given_hash, keys)


def encrypt_configs(db: Database, keys: Keys) -> int:
    """Encrypt some of the changed configurations that the first key has not encrypted; return how many."""
    if not keys:
        return 0
    done = 0
    for row in db.run("configs_to_encrypt", current=keys.current, older=keys.older):
        with suppress(KeyMissing):  # somebody has changed it by hand
            db.run("encrypt_config", **row, encrypted=keys.encrypt(keys.decrypt(row["config"])))
            done += 1
    return done


def _kept(db: Database, package: str, given_hash: str, keys: Keys) -> bytes | None:
    key = {"package": package, "given_hash": given_hash}
    rows = db.run("find_config", most=encryption.most_kept(sizes.CONFIG_BYTES), **key)
    if not rows:
        return None
    config = keys.decrypt(rows[0]["config"])
    if len(config) > sizes.CONFIG_BYTES:
        return None
    if rows[0]["stale"]:
        db.run("use_config", **key)
    return config


def _given_hash(db: Database, task: Task) -> str | None:
    found = db.run("given_hash", task_id=task.task_id, package=task.package)
    return str(found[0]["given_hash"]) if found else None


def _encrypted(config: bytes, keys: Keys) -> str:
    _text(config)
    return keys.encrypt(config)


def _text(document: bytes) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        raise StoreError("22021", "it is not valid UTF-8") from error
