"""What a task resumes from: a sync's saved states, and a configuration that its connector has changed."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import msgspec

from common.errors import Refused, TooLarge
from common.protocol import messages, sizes
from common.protocol.states import GLOBAL_STATE_KEY, LEGACY_STATE_KEY
from common.store.database import Database, Row, StoreError
from common.store.encoding import is_written_out

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
    keys = {key for key in _live_keys(found) if streams is None or key in SHARED or key in streams}
    total = sum(row["bytes"] for row in found if row["stream"] in keys)
    if total > sizes.LOADED_BYTES:
        raise TooLarge(_too_large(sorted(keys)))
    with sizes.one_at_a_time(large=total > sizes.ROOM_BYTES):
        rows = db.run("load_states", sync_id=sync_id, task_id=task_id, keys=sorted(keys)) if keys else []
        compact = _compact if total > sizes.ROOM_BYTES else bytes
        yield list({row["stream"]: compact(row.pop("state").encode()) for row in rows}.items())


def _compact(state: bytes) -> bytes:
    """Return a state without the white space of jsonb: compressed, the sidecar has measured it without."""
    try:
        return msgspec.json.format(state, indent=-1)
    except messages.DECODE_ERRORS:
        return state


def shared_key(db: Database, sync_id: str) -> str | None:
    """Return the key of a sync's state of all streams, None if each stream has its own."""
    found = db.run("state_keys", sync_id=sync_id)
    return next((key for key in _live_keys(found) if key in SHARED), None)


def _live_keys(found: list[Row]) -> list[str]:
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
