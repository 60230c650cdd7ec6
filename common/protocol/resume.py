"""Which state a run is given: what a sync, or the attempts before, have saved, in the shape that connectors expect."""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from msgspec import Raw

from common.protocol.catalogs import Catalog, StreamId
from common.protocol.messages import (
    DECODE_ERRORS,
    GLOBAL_STATE_KEY,
    LEGACY_STATE_KEY,
    GlobalState,
    State,
    StreamState,
    is_empty,
)


def resume_states(catalog: Catalog, saved: Iterable[tuple[str, bytes]]) -> bytes | None:
    """What `--state` gets on a resume: the saved states of the streams that can use one.

    `saved` holds (key, JSON) pairs of one live kind. A full refresh stream gets nothing back: connectors take
    the marker they left there for "done" and would read nothing. None where nothing is left to hand over.
    """
    states = {key: value for key, value in saved if value not in (b"null", b"")}
    if legacy := states.get(LEGACY_STATE_KEY):
        return _without_markers(legacy)
    if shared := states.get(GLOBAL_STATE_KEY):
        usable = _usable(catalog, shared)
        return b'[{"type":"GLOBAL","global":' + usable + b"}]" if usable else None
    return _array(_messages(catalog, states).values()) or None


def _messages(catalog: Catalog, states: Mapping[str, bytes]) -> dict[StreamId, bytes]:
    """The STREAM messages of the streams that can use their states."""
    return {
        stream.id: b'{"type":"STREAM","stream":{"stream_descriptor":'
        + msgspec.json.encode({k: v for k, v in msgspec.structs.asdict(stream.id).items() if v is not None})
        + b',"stream_state":'
        + states[stream.id.key]
        + b"}}"
        for stream in catalog.streams
        if stream.incremental and _is_usable(states.get(stream.id.key, b""))
    }


def _is_usable(state: bytes) -> bool:
    """Whether a stream can go on from a state: one that says nothing would only have its rows added once more."""
    return not is_empty(state) and not _is_marker(state)


def _array(messages: Collection[bytes]) -> bytes:
    return b"[" + b",".join(messages) + b"]" if messages else b""


def later_states(catalog: Catalog, given: bytes | None, saved: Iterable[tuple[str, bytes]]) -> bytes | None:
    """What a run is given that goes on for one which was given `given` and saved `saved` of its own: the newest of
    each stream. A state of all streams stands alone.
    """
    saved = list(saved)
    newer = resume_states(catalog, saved)
    if newer is None:
        return given
    if any(key in {GLOBAL_STATE_KEY, LEGACY_STATE_KEY} for key, _ in saved):
        return newer
    # Not taken apart again: what was saved need not be read to be handed over.
    messages = _messages(catalog, dict(saved))
    older = _stream_messages(given or b"") or []
    return _array([*(bytes(raw) for raw, stream in older if stream not in messages), *messages.values()])


def named_streams(state: bytes) -> frozenset[StreamId] | None:
    """The streams that a state is of; None where it is one of all streams (or of an unknown shape)."""
    messages = _stream_messages(state)
    return None if messages is None else frozenset(stream for _, stream in messages)


def resumable_streams(state: bytes) -> frozenset[StreamId]:
    """The streams that a part of their own tells where to go on; a marker tells that they are done."""
    try:
        messages = msgspec.json.decode(state, type=list[State])
        parts = [part for one in messages for part in _parts(one)]
    except DECODE_ERRORS:
        return frozenset()
    ids = [part.stream_descriptor for part in parts if _is_usable(bytes(part.stream_state))]
    return frozenset(StreamId(one.name, one.namespace or None) for one in ids)


def _parts(state: State) -> list[StreamState]:
    if state.stream is not None:
        return [state.stream]
    return msgspec.json.decode(state.global_ or b"{}", type=GlobalState).stream_states or []


def _stream_messages(state: bytes) -> list[tuple[Raw, StreamId]] | None:
    """An array of STREAM messages, each with its stream; None for anything else."""
    try:
        raws = msgspec.json.decode(state, type=list[Raw])
        states = [msgspec.json.decode(raw, type=State) for raw in raws]
    except DECODE_ERRORS:
        return None
    if any(one.stream is None for one in states):
        return None
    ids = [one.stream.stream_descriptor for one in states if one.stream is not None]
    return [(raw, StreamId(one.name, one.namespace or None)) for raw, one in zip(raws, ids, strict=True)]


def _usable(catalog: Catalog, shared: bytes) -> bytes | None:
    """A GLOBAL state without the parts of streams that must begin anew; as it is where there are none."""
    try:
        members = msgspec.json.decode(shared, type=dict[str, Raw])
        parts = msgspec.json.decode(members.get("stream_states", b"[]"), type=list[Raw] | None) or []
    except DECODE_ERRORS:
        return shared
    anew = {stream.id for stream in catalog.streams if not stream.incremental}
    kept = [part for part in parts if not _begins_anew(bytes(part), anew)]
    if not kept and _is_marker(bytes(members.get("shared_state", b"null"))):
        return None
    return shared if len(kept) == len(parts) else msgspec.json.encode(members | {"stream_states": kept})


def _begins_anew(part: bytes, anew: Collection[StreamId]) -> bool:
    """Whether a stream's part of a GLOBAL state is of no use to it; one that cannot be read is left as it is."""
    try:
        state = msgspec.json.decode(part, type=StreamState)
    except DECODE_ERRORS:
        return False
    stream = StreamId(state.stream_descriptor.name, state.stream_descriptor.namespace or None)
    return stream in anew or _is_marker(bytes(state.stream_state))


def _without_markers(legacy: bytes) -> bytes | None:
    """A LEGACY state without the streams that only say "done"; as it is where there are none."""
    try:
        members = msgspec.json.decode(legacy, type=dict[str, Raw])
    except DECODE_ERRORS:
        return legacy
    kept = {name: value for name, value in members.items() if bytes(value) == b"null" or not _is_marker(bytes(value))}
    if len(kept) == len(members):
        return None if members and _is_marker(legacy) else legacy
    return msgspec.json.encode(kept) if kept else None


def _is_marker(state: bytes) -> bool:
    """Whether a stream's state is none (null), or only says "the full refresh is done" (CDK: __ab_... keys)."""
    try:
        value = msgspec.json.decode(state, type=dict[str, Raw] | None)
    except DECODE_ERRORS:
        return False
    return value is None or (bool(value) and all(key.startswith("__ab_") for key in value))
