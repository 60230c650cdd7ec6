"""Decide which saved states a run is given, in the shape that connectors expect."""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from msgspec import Raw

from common.protocol.catalogs import Catalog, StreamId
from common.protocol.messages import DECODE_ERRORS, is_empty
from common.protocol.states import GLOBAL_STATE_KEY, LEGACY_STATE_KEY, StateMessage, StreamState


def resume_states(catalog: Catalog, saved: Iterable[tuple[str, bytes]]) -> bytes | None:
    """Return the content of `--state` for a sync's saved (key, JSON) pairs of one kind, None if no stream can use one.

    A full refresh stream gets no state: connectors take the marker that they leave there for "done" and read nothing.
    """
    states = {key: value for key, value in saved if value not in (b"null", b"")}
    if legacy := states.get(LEGACY_STATE_KEY):
        return _without_markers(legacy)
    if shared := states.get(GLOBAL_STATE_KEY):
        usable = _usable(catalog, shared)
        return msgspec.json.encode([{"type": "GLOBAL", "global": Raw(usable)}]) if usable else None
    messages = _messages(catalog, states)
    return msgspec.json.encode(list(messages.values())) if messages else None


def _messages(catalog: Catalog, states: Mapping[str, bytes]) -> dict[StreamId, Raw]:
    """Return a STREAM message for each stream that can use its state."""
    usable = {
        stream.id: StreamState(stream.id, Raw(states[stream.id.key]))
        for stream in catalog.streams
        if stream.incremental and is_usable(states.get(stream.id.key, b""))
    }
    return {id_: Raw(msgspec.json.encode({"type": "STREAM", "stream": state})) for id_, state in usable.items()}


def is_usable(state: bytes) -> bool:
    """Return whether a stream can resume from a state: from an empty one it would only append its rows again."""
    return not is_empty(state) and not is_marker(state)


def later_states(catalog: Catalog, given: bytes | None, saved: Iterable[tuple[str, bytes]]) -> bytes | None:
    """Return the content of `--state` for the attempt after one that was given `given` and has saved `saved`.

    It is the newest state of each stream; a state of all streams replaces all others.
    """
    saved = list(saved)
    newer = resume_states(catalog, saved)
    if newer is None:
        return given
    if any(key in {GLOBAL_STATE_KEY, LEGACY_STATE_KEY} for key, _ in saved):
        return newer
    # From `saved`, not from `newer`: a state that is nested too deep to be decoded is passed on all the same.
    states = (_stream_messages(given or b"") or {}) | _messages(catalog, dict(saved))
    return msgspec.json.encode(list(states.values()))


def _stream_messages(state: bytes) -> dict[StreamId, Raw] | None:
    """Return the messages of an array of STREAM messages by stream; None for anything else."""
    try:
        raws = msgspec.json.decode(state, type=list[Raw])
        streams = [msgspec.json.decode(raw, type=StateMessage).stream for raw in raws]
    except DECODE_ERRORS:
        return None
    named = {one.stream_descriptor: raw for one, raw in zip(streams, raws, strict=True) if one is not None}
    return None if None in streams else named


def messages_by_key(given: bytes) -> dict[str, bytes]:
    """Return the STREAM messages of a content of `--state` by state key; {} for anything else."""
    return {id_.key: bytes(raw) for id_, raw in (_stream_messages(given) or {}).items()}


def message_of_key(key: str, state: bytes) -> bytes:
    """Return a STREAM message as long as the one that a state under this key is handed back in."""
    return b'{"type":"STREAM","stream":{"stream_descriptor":{"name":%s},"stream_state":%s}}' % (
        msgspec.json.encode(key),
        state,
    )


def _usable(catalog: Catalog, shared: bytes) -> bytes | None:
    """Return a GLOBAL state without the parts of streams that start over; unchanged if it has none."""
    try:
        members = msgspec.json.decode(shared, type=dict[str, Raw])
        parts = msgspec.json.decode(members.get("stream_states", b"[]"), type=list[Raw] | None) or []
    except DECODE_ERRORS:
        return shared
    full_refresh = {stream.id for stream in catalog.streams if not stream.incremental}
    kept = [part for part in parts if not _starts_over(bytes(part), full_refresh)]
    if not kept and is_marker(bytes(members.get("shared_state", b"null"))):
        return None
    return shared if len(kept) == len(parts) else msgspec.json.encode(members | {"stream_states": kept})


def _starts_over(part: bytes, full_refresh: Collection[StreamId]) -> bool:
    """Return whether a stream's part of a GLOBAL state is useless to it; an unreadable part is kept."""
    try:
        state = msgspec.json.decode(part, type=StreamState)
    except DECODE_ERRORS:
        return False
    return state.stream_descriptor in full_refresh or is_marker(bytes(state.stream_state))


def _without_markers(legacy: bytes) -> bytes | None:
    """Return a LEGACY state without the streams that are only marked as done; unchanged if it has none."""
    try:
        members = msgspec.json.decode(legacy, type=dict[str, Raw])
    except DECODE_ERRORS:
        return legacy
    kept = {name: value for name, value in members.items() if bytes(value) == b"null" or not is_marker(bytes(value))}
    if len(kept) == len(members):
        return None if members and is_marker(legacy) else legacy
    return msgspec.json.encode(kept) if kept else None


def is_marker(state: bytes) -> bool:
    """Return whether a stream's state is null, or only says that its full refresh is done (the CDK's __ab_... keys)."""
    try:
        value = msgspec.json.decode(state, type=dict[str, Raw] | None)
    except DECODE_ERRORS:
        return False
    return value is None or (bool(value) and all(key.startswith("__ab_") for key in value))
