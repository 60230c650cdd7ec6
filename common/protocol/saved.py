"""All saved states of a sync as one value, by key: look at one stream's, take some out, put one in. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw

from common.errors import BadRequest, Refused
from common.protocol.catalogs import StreamId
from common.protocol.messages import DECODE_ERRORS
from common.protocol.states import (
    GLOBAL_STATE_KEY,
    LEGACY_STATE_KEY,
    GlobalState,
    StateKind,
    StateMessage,
    StreamState,
)

Saved = Mapping[str, bytes]
"""States of one kind: one of each stream, or the one of all streams."""
SHARED = {GLOBAL_STATE_KEY: StateKind.GLOBAL, LEGACY_STATE_KEY: StateKind.LEGACY}
"""The keys of states of all streams."""


class _Part(NamedTuple):
    """A stream's part of a GLOBAL state, and the same as it came."""

    id: StreamId
    state: bytes
    raw: Raw


def kind_of(saved: Saved) -> StateKind | None:
    """Return the kind of these states; None without any."""
    shared = (kind for key, kind in SHARED.items() if key in saved)
    return next(shared, StateKind.STREAM if saved else None)


def state_of(saved: Saved, key: str) -> bytes | None:
    """Return the state under a key, or a stream's part of the GLOBAL one; None without."""
    if key in saved or GLOBAL_STATE_KEY not in saved:
        return saved.get(key)
    found = _find(_parts(saved[GLOBAL_STATE_KEY]), key)
    return None if found is None else found.state


def streams_of(saved: Saved) -> set[str]:
    """Return the keys of the streams that have a state, or a part of the GLOBAL one."""
    if GLOBAL_STATE_KEY in saved:
        return {part.id.key for part in _parts(saved[GLOBAL_STATE_KEY])}
    return set(saved) - set(SHARED)


def without(saved: Saved, keys: Collection[str]) -> dict[str, bytes]:
    """Return the states without those under these keys, or without these streams' parts of the GLOBAL one.

    What remains of that is its shared part, from which sources go on with the other streams; without any of these
    nothing remains. Raise Refused if a stream's state cannot be told from the others'.
    """
    left = {key: state for key, state in saved.items() if key not in keys}
    streams = [key for key in keys if key not in SHARED]
    if not streams or not left.keys() & SHARED.keys():
        return left
    parts = _parts_or_refuse(left, streams)
    gone = {part.id for key in streams if (part := _find(parts, key)) is not None}
    kept = [part for part in parts if part.id not in gone]
    if not gone:
        return left
    return {GLOBAL_STATE_KEY: _with_parts(left[GLOBAL_STATE_KEY], kept)} if kept else {}


def with_state(saved: Saved, key: str, state: bytes) -> dict[str, bytes]:
    """Return the states with this one under its key, or in its stream's part of the GLOBAL one.

    A state of all streams takes the place of all others. Raise Refused if there is one that cannot have it.
    """
    if key in SHARED:
        return {key: state}
    if not saved.keys() & SHARED.keys():
        return {**saved, key: state}
    parts = _parts_or_refuse(saved, [key])
    found = _find(parts, key)
    if found is None and "." in key:
        raise Refused(
            f"{key}: this sync has one saved state for all of its streams ({GLOBAL_STATE_KEY}), which has no part for "
            f"it, and the dot in its name may end a namespace or not; change {GLOBAL_STATE_KEY} as a whole."
        )
    stream = StreamId(key) if found is None else found.id
    new = _Part(stream, state, Raw(msgspec.json.encode(StreamState(stream, Raw(state)))))
    changed = [new if part is found else part for part in parts] + ([new] if found is None else [])
    return {GLOBAL_STATE_KEY: _with_parts(saved[GLOBAL_STATE_KEY], changed)}


def of_messages(raws: Sequence[Raw]) -> dict[str, bytes]:
    """Return the states of STATE messages, as connectors are given them in --state. Raise BadRequest."""
    found: dict[str, bytes] = {}
    for number, raw in enumerate(raws):
        key, state = _of_message(raw, f"[{number}]")
        if key in found:
            raise BadRequest(f"[{number}]: a second state of {key}; send one of each stream.")
        found[key] = state
    if len(found) > 1 and found.keys() & SHARED.keys():
        raise BadRequest("A GLOBAL or LEGACY message is the only one: it has the states of all streams.")
    return found


def check(key: str, state: bytes, path: str) -> None:
    """Raise BadRequest unless connectors could have sent this as the state under its key."""
    if state[:1] != b"{":
        raise BadRequest(f"{path}: expected an object, the state as the connector wrote it.")
    if key != GLOBAL_STATE_KEY:
        return
    try:
        content = msgspec.json.decode(state, type=GlobalState)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{path}: expected shared_state and stream_states as in a GLOBAL message: {error}.") from None
    keys = [part.stream_descriptor.key for part in content.stream_states or ()]
    if len(set(keys)) < len(keys):
        raise BadRequest(f"{path}.stream_states: has two parts of one stream; send one of each.")


def _of_message(raw: Raw, path: str) -> tuple[str, bytes]:
    try:
        message = msgspec.json.decode(raw, type=StateMessage)
    except DECODE_ERRORS:
        raise BadRequest(f"{path}: expected a STATE message with type and stream, global or data.") from None
    if message.kind == StateKind.STREAM and message.stream is not None:
        key, state = message.stream.stream_descriptor.key, bytes(message.stream.stream_state)
    elif message.shared is not None:
        key, state = message.shared[0], bytes(message.shared[1])
    else:
        raise BadRequest(f"{path}.type: expected STREAM, GLOBAL or LEGACY, and its content.")
    check(key, state, path)
    return key, state


def _parts(state: bytes) -> list[_Part]:
    """Return a GLOBAL state's parts of single streams; [] if it has none, or cannot be read."""
    try:
        members = msgspec.json.decode(state, type=dict[str, Raw])
        raws = msgspec.json.decode(members.get("stream_states", b"null"), type=list[Raw] | None) or []
        parts = [(msgspec.json.decode(raw, type=StreamState), raw) for raw in raws]
    except DECODE_ERRORS:
        return []
    found = (_Part(part.stream_descriptor, bytes(part.stream_state), raw) for part, raw in parts)
    return [part for part in found if part.state != b"null"]


def _parts_or_refuse(saved: Saved, streams: Collection[str]) -> list[_Part]:
    key = next(key for key in SHARED if key in saved)
    parts = _parts(saved[key]) if key == GLOBAL_STATE_KEY else []
    if not parts:
        named = ", ".join(sorted(streams)[:5])
        raise Refused(
            f"{named}: this sync has one saved state for all of its streams ({key}), which does not tell them apart; "
            f"change {key} as a whole."
        )
    return parts


def _find(parts: Sequence[_Part], key: str) -> _Part | None:
    """Return a stream's part; some sources leave the namespace out."""
    exact = (part for part in parts if part.id.key == key)
    bare = (part for part in parts if not part.id.namespace and key.endswith(f".{part.id.name}"))
    return next(exact, None) or next(bare, None)


def _with_parts(state: bytes, parts: Sequence[_Part]) -> bytes:
    """Return a GLOBAL state with these parts; what else it holds stays as it came."""
    members = msgspec.json.decode(state, type=dict[str, Raw])
    return msgspec.json.encode(members | {"stream_states": Raw(msgspec.json.encode([part.raw for part in parts]))})
