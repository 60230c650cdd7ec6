"""The Airbyte protocol's messages and catalogs as msgspec types, and the rules for stream and state keys.

Only what is used is typed; everything else in a message is skipped without building objects. Payloads stay
`Raw`: a record's data, a state and a catalog leave as the bytes that came (numbers keep all their digits).
Field names and shapes: the protocol's published schema, airbyte_protocol.yaml.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

ABSENT = Raw(b"")
"""Stands for a member that was not there: msgspec knows no optional Raw."""

GLOBAL_STATE_KEY = "_GLOBAL_STATE"
LEGACY_STATE_KEY = "_LEGACY_STATE"


class SyncMode(StrEnum):
    """How a stream is read; modes we do not know are read as full refreshes."""

    FULL_REFRESH = "full_refresh"
    INCREMENTAL = "incremental"


class StateKind(StrEnum):
    """The three kinds of STATE; a message without a type is LEGACY."""

    STREAM = "STREAM"
    GLOBAL = "GLOBAL"
    LEGACY = "LEGACY"


class StreamStatus(StrEnum):
    """What TRACE STREAM_STATUS can say."""

    STARTED = "STARTED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"


class StreamId(Struct, frozen=True):
    """A stream's identity: its name within an optional namespace (the protocol's StreamDescriptor)."""

    name: str
    namespace: str | None = None

    @property
    def key(self) -> str:
        """`name` or `namespace.name`: the key in source_state and in a task's per-stream statuses."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


class Stream(Struct, frozen=True):
    """A catalog's description of one stream."""

    name: str
    namespace: str | None = None
    json_schema: Raw = ABSENT
    source_defined_primary_key: list[list[str]] | None = None
    table_name: str | None = None


class ConfiguredStream(Struct, frozen=True):
    """One selected stream and how to read it."""

    stream: Stream
    sync_mode: str = SyncMode.FULL_REFRESH
    primary_key: list[list[str]] | None = None

    @property
    def id(self) -> StreamId:
        """The stream's identity; an empty namespace is none."""
        return StreamId(self.stream.name, self.stream.namespace or None)

    @property
    def incremental(self) -> bool:
        """Whether the stream resumes from its state."""
        return self.sync_mode == SyncMode.INCREMENTAL

    def table(self, prefix: str) -> str:
        """The destination's table: the catalog's own `table_name`, else the prefix and the stream's key."""
        return self.stream.table_name or prefix + self.id.key


class Catalog(Struct, frozen=True):
    """A configured catalog: the streams that a read selects."""

    streams: list[ConfiguredStream]


class Record(Struct, frozen=True, gc=False):
    """A row: only `stream`, `namespace` and the raw `data` are looked at."""

    stream: str
    data: Raw = ABSENT
    namespace: str | None = None


class Message(Struct, frozen=True, gc=False):
    """Any line of a connector; at most one payload is set, the one that `type` names."""

    type: str | None = None
    record: Record | None = None
    state: Raw = ABSENT
    log: Raw = ABSENT
    trace: Raw = ABSENT
    control: Raw = ABSENT
    spec: Raw = ABSENT
    catalog: Raw = ABSENT
    connectionStatus: Raw = ABSENT  # noqa: N815 - the protocol's spelling


class StreamState(Struct, frozen=True):
    """The state of one stream."""

    stream_descriptor: StreamId
    stream_state: Raw = Raw(b"null")


class GlobalState(Struct, frozen=True):
    """A state shared by all streams, with a part for each."""

    shared_state: Raw = ABSENT
    stream_states: list[StreamState] = []


class Statistics(Struct, frozen=True):
    """A source's own count of the records since its last STATE; current connectors send it as a float."""

    recordCount: float | None = None  # noqa: N815 - the protocol's spelling


class State(Struct, frozen=True):
    """A checkpoint offered by the source."""

    type: str | None = None
    stream: StreamState | None = None
    global_: Raw = msgspec.field(name="global", default=ABSENT)
    data: Raw = ABSENT
    sourceStats: Raw = ABSENT  # noqa: N815 - the protocol's spelling

    @property
    def kind(self) -> str:
        """The kind that `type` names; without a type, LEGACY or what is there."""
        if self.type is not None or self.data != ABSENT:
            return self.type or StateKind.LEGACY
        return StateKind.STREAM if self.stream is not None else StateKind.GLOBAL

    @property
    def record_count(self) -> float | None:
        """The source's own count; None where it has none that can be read: no reason to lose the state."""
        try:
            stats = msgspec.json.decode(self.sourceStats or b"null", type=Statistics | None)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return stats.recordCount if stats else None


class Log(Struct, frozen=True):
    """A line for the log."""

    level: str = "INFO"
    message: str = ""
    stack_trace: str | None = None


class TraceError(Struct, frozen=True):
    """Why a stream, or the whole run, fails. `failure_type`: config_error, transient_error, system_error. The
    stream may be named in an odd shape: see `stream`.
    """

    message: Any = None
    internal_message: Any = None
    failure_type: Any = None
    stream_descriptor: Any = None

    @property
    def stream(self) -> StreamId | None:
        """The stream that fails; None where the error names none."""
        try:
            return msgspec.convert(self.stream_descriptor, StreamId | None)
        except msgspec.ValidationError:
            return StreamId(self.stream_descriptor) if isinstance(self.stream_descriptor, str) else None

    @property
    def sentence(self) -> str:
        """The words for the user; the internal message only where there are no others."""
        for said in (self.message, self.internal_message):
            text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
            if text.strip() not in {"", "null"}:
                return text.strip()
        return "The connector reported an error without a text."


class StreamStatusTrace(Struct, frozen=True):
    """A stream changed its status."""

    stream_descriptor: StreamId
    status: str


class Trace(Struct, frozen=True):
    """ERROR and STREAM_STATUS are used; ESTIMATE and ANALYTICS need nothing."""

    type: str | None = None
    error: Any = None
    stream_status: Raw = ABSENT

    @property
    def failure(self) -> TraceError | None:
        """What an ERROR says, whatever its shape: a failure must not be lost for it."""
        if self.type != "ERROR":
            return None
        return msgspec.convert(self.error, TraceError) if isinstance(self.error, dict) else TraceError(self.error)

    @property
    def status(self) -> StreamStatusTrace | None:
        """What a STREAM_STATUS says; raises msgspec.MsgspecError for one that cannot be read."""
        if self.type != "STREAM_STATUS":
            return None
        return msgspec.json.decode(self.stream_status or b"null", type=StreamStatusTrace)


class Control(Struct, frozen=True):
    """The connector changed its configuration, such as a refresh token that can be used only once."""

    type: str | None = None
    connectorConfig: dict[str, Raw] = {}  # noqa: N815 - the protocol's spelling

    @property
    def config(self) -> bytes | None:
        """The whole new configuration, if the message carries one (a JSON object)."""
        config = bytes(self.connectorConfig.get("config", ABSENT))
        return config if self.type == "CONNECTOR_CONFIG" and config[:1] == b"{" else None


class ConnectionStatus(Struct, frozen=True):
    """The result of a check: `SUCCEEDED` or `FAILED`, which also exits 0."""

    status: str
    message: Any = None

    @property
    def said(self) -> str:
        """The message as text, whatever it is; "" for none."""
        if self.message is None or isinstance(self.message, str):
            return (self.message or "").strip()
        return json.dumps(self.message, ensure_ascii=False)


class Discovered(Struct, frozen=True):
    """What discover finds; each of its streams is passed on as it came."""

    streams: list[dict[str, Raw]]


def decode_catalog(raw: bytes) -> Catalog:
    """Decodes a configured catalog; raises msgspec.MsgspecError (a ValueError) naming the path."""
    return _catalog.decode(raw)


def config_hash(config: bytes) -> str:
    """Tells whether two configurations say the same, whatever their spacing and the order of their members."""
    try:
        text = json.dumps(json.loads(config), sort_keys=True)
    except (ValueError, RecursionError):
        return hashlib.sha256(config).hexdigest()
    return hashlib.sha256(text.encode()).hexdigest()


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
    messages = [
        b'{"type":"STREAM","stream":{"stream_descriptor":'
        + msgspec.json.encode({k: v for k, v in msgspec.structs.asdict(stream.id).items() if v is not None})
        + b',"stream_state":'
        + states[stream.id.key]
        + b"}}"
        for stream in catalog.streams
        if stream.incremental and stream.id.key in states and not _is_marker(states[stream.id.key])
    ]
    return b"[" + b",".join(messages) + b"]" if messages else None


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
    messages = msgspec.json.decode(newer, type=list[Raw])
    known = named_streams(newer) or frozenset()
    older = _stream_messages(given or b"") or []
    kept = [raw for raw, stream in older if stream not in known]
    return b"[" + b",".join(bytes(raw) for raw in [*kept, *messages]) + b"]"


def named_streams(state: bytes) -> frozenset[StreamId] | None:
    """The streams that a state is of; None where it is one of all streams (or of an unknown shape)."""
    messages = _stream_messages(state)
    return None if messages is None else frozenset(stream for _, stream in messages)


def _stream_messages(state: bytes) -> list[tuple[Raw, StreamId]] | None:
    """An array of STREAM messages, each with its stream; None for anything else."""
    try:
        raws = msgspec.json.decode(state, type=list[Raw])
        states = [msgspec.json.decode(raw, type=State) for raw in raws]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
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
    except msgspec.MsgspecError:
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
    except msgspec.MsgspecError:
        return False
    stream = StreamId(state.stream_descriptor.name, state.stream_descriptor.namespace or None)
    return stream in anew or _is_marker(bytes(state.stream_state))


def _without_markers(legacy: bytes) -> bytes | None:
    """A LEGACY state without the streams that only say "done"; as it is where there are none."""
    try:
        members = msgspec.json.decode(legacy, type=dict[str, Raw])
    except msgspec.MsgspecError:
        return legacy
    kept = {name: value for name, value in members.items() if bytes(value) == b"null" or not _is_marker(bytes(value))}
    if len(kept) == len(members):
        return None if members and _is_marker(legacy) else legacy
    return msgspec.json.encode(kept) if kept else None


def _is_marker(state: bytes) -> bool:
    """Whether a stream's state is none (null), or only says "the full refresh is done" (CDK: __ab_... keys)."""
    try:
        value = msgspec.json.decode(state, type=dict[str, Raw] | None)
    except msgspec.MsgspecError:
        return False
    return value is None or (bool(value) and all(key.startswith("__ab_") for key in value))


_catalog = msgspec.json.Decoder(Catalog)
