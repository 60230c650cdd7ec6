"""Where each stream of a read begins, by the state that its source is given (docs/reference/contract.md D17)."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec
from msgspec import Raw

from common.protocol.catalogs import Catalog, ConfiguredStream, StreamId
from common.protocol.messages import DECODE_ERRORS, is_empty
from common.protocol.resume import is_marker, is_usable
from common.protocol.states import StateKind, StateMessage, StreamState

_KINDS = frozenset(kind.encode() for kind in StateKind)


class Start(StrEnum):
    """Where the source begins to read a stream."""

    NOTHING = "nothing"
    STATE = "state"
    UNCLEAR = "unclear"
    """The state has content, and does not show whether it is about this stream."""


def starts(catalog: Catalog, state: bytes) -> dict[StreamId, Start]:
    """Return where each stream begins; `state` is the content of `--state`, of whatever kind and shape.

    A full refresh begins from a state only if the source resumes it; where that is unclear, it begins from nothing.
    """
    incremental = [stream.id for stream in catalog.streams if stream.incremental]
    try:
        found, default = _read(state, incremental)
    except DECODE_ERRORS:
        found, default = {}, Start.UNCLEAR

    def start(stream: ConfiguredStream) -> Start:
        known = found.get(stream.id, default)
        if stream.incremental:
            # Some sources leave the namespace out; others take such a state for another stream's.
            bare = found.get(StreamId(stream.id.name), Start.NOTHING)
            return Start.UNCLEAR if known is Start.NOTHING is not bare else known
        return known if stream.resumable and known is Start.STATE else Start.NOTHING

    return {stream.id: start(stream) for stream in catalog.streams}


def is_shared(state: bytes) -> bool:
    """Return whether the content of `--state` is a state of all streams; False if it has nothing, or cannot be read."""
    try:
        kinds = {msgspec.json.decode(raw, type=StateMessage).kind for raw in _messages(state)}
    except DECODE_ERRORS:
        return False
    return not kinds.isdisjoint({StateKind.GLOBAL, StateKind.LEGACY})


_Found = tuple[Mapping[StreamId, Start], Start]
"""The streams that a state names, and where all others begin."""


def _read(state: bytes, incremental: list[StreamId]) -> _Found:
    found: dict[StreamId, Start] = {}
    default = Start.NOTHING
    for raw in _messages(state):
        named, others = _of_message(raw, incremental)
        found |= named
        default = others if default is Start.NOTHING else default
    return found, default


def _messages(state: bytes) -> Iterator[Raw]:
    """Yield the STATE messages of an array, or of a single message or bare LEGACY object, which is made one."""
    value = state.lstrip()
    if value[:1] == b"[":
        yield from msgspec.json.decode(value, type=list[Raw])
    elif not is_empty(value):
        kind = bytes(msgspec.json.decode(value, type=dict[str, Raw]).get("type", b"")).strip(b'"').upper()
        yield Raw(value if kind in _KINDS else b'{"type":"LEGACY","data":' + value + b"}")


def _of_message(raw: Raw, incremental: list[StreamId]) -> _Found:
    unclear: _Found = {}, Start.NOTHING if is_empty(bytes(raw)) else Start.UNCLEAR
    try:
        message = msgspec.json.decode(raw, type=StateMessage)
        if message.kind == StateKind.STREAM and message.stream is not None:
            return _of_parts([message.stream], Start.NOTHING), Start.NOTHING
        if message.kind == StateKind.GLOBAL:
            return _of_global(bytes(message.global_))
        return _of_legacy(bytes(message.data), incremental) if message.kind == StateKind.LEGACY else unclear
    except DECODE_ERRORS:
        return unclear


def _of_global(state: bytes) -> _Found:
    """A stream without a part begins from nothing, unless no stream has one: the shared part may be about all.

    A part of null is none.
    """
    members = msgspec.json.decode(state, type=dict[str, Raw])
    content = bytes(members.get("shared_state", b"null"))
    shared = Start.UNCLEAR if is_usable(content) else Start.NOTHING
    raws = msgspec.json.decode(members.get("stream_states", b"null"), type=list[Raw] | None) or []
    parts = [part for raw in raws if (part := _part(raw)) is not None and bytes(part.stream_state) != b"null"]
    return _of_parts(parts, shared), Start.NOTHING if parts else shared


def _part(raw: Raw) -> StreamState | None:
    try:
        return msgspec.json.decode(raw, type=StreamState)
    except DECODE_ERRORS:
        return None


def _of_parts(parts: list[StreamState], if_empty: Start) -> dict[StreamId, Start]:
    return {part.stream_descriptor: _of_value(bytes(part.stream_state), if_empty) for part in parts}


def _of_value(value: bytes, if_empty: Start) -> Start:
    if is_marker(value):
        return Start.NOTHING
    return if_empty if is_empty(value) else Start.STATE


def _of_legacy(state: bytes, incremental: list[StreamId]) -> _Found:
    """One object for all streams: by their names, as connectors mostly keep it (Singer's below `bookmarks`), or not."""
    members = msgspec.json.decode(state, type=dict[str, Raw])
    bookmarks = bytes(members.get("bookmarks", b""))
    if bookmarks[:1] == b"{":
        members = msgspec.json.decode(bookmarks, type=dict[str, Raw])
    names = {id_: id_.key if id_.key in members else id_.name for id_ in incremental}
    found = {id_: _of_value(bytes(members[name]), Start.NOTHING) for id_, name in names.items() if name in members}
    keyed = Start.STATE in found.values()
    return (found, Start.NOTHING) if keyed else ({}, Start.NOTHING if is_empty(state) else Start.UNCLEAR)
