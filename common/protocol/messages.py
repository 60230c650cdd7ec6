"""The Airbyte protocol's messages as msgspec types, and the rules for states.

Only what is used is typed; everything else in a message is skipped without building objects. Payloads stay
`Raw`: a record's data and a state leave as the bytes that came (numbers keep all their digits).
Field names and shapes: the protocol's published schema, airbyte_protocol.yaml.
"""

import hashlib
import json
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

from common import nesting
from common.protocol.catalogs import MISSING, StreamId

DECODE_ERRORS = (msgspec.MsgspecError, nesting.TooDeep, RecursionError, UnicodeDecodeError)
"""What reading JSON raises that somebody else wrote. Only what is within our limit of nesting gets as far as a decoder;
should the interpreter run out of stack all the same, its RecursionError costs that one text too.
"""

GLOBAL_STATE_KEY = "_GLOBAL_STATE"
LEGACY_STATE_KEY = "_LEGACY_STATE"


class StateKind(StrEnum):
    """The three kinds of STATE; a message without a type is LEGACY."""

    STREAM = "STREAM"
    GLOBAL = "GLOBAL"
    LEGACY = "LEGACY"


TRACES = frozenset({"ERROR", "STREAM_STATUS", "ESTIMATE", "ANALYTICS"})
"""The kinds of TRACE."""


class StreamStatus(StrEnum):
    """What TRACE STREAM_STATUS can say."""

    STARTED = "STARTED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"


class Record(Struct, frozen=True, gc=False):
    """A row: only `stream`, `namespace` and the raw `data` are looked at."""

    stream: str
    data: Raw = MISSING
    namespace: str | None = None


class Log(Struct, frozen=True, gc=False):
    """A line for the log. Both are texts, as a rule; nothing that is said is lost where they are not."""

    level: Any = "INFO"
    message: Any = None


class Message(Struct, frozen=True, gc=False):
    """Any line of a connector; at most one payload is set, the one that `type` names."""

    type: str | None = None
    record: Record | None = None
    state: Raw = MISSING
    log: Raw = Raw(b"null")
    trace: Raw = MISSING
    control: Raw = MISSING
    spec: Raw = MISSING
    catalog: Raw = MISSING
    connectionStatus: Raw = MISSING  # noqa: N815 - the protocol's spelling


class StreamState(Struct, frozen=True):
    """The state of one stream."""

    stream_descriptor: StreamId
    stream_state: Raw = Raw(b"null")


class GlobalState(Struct, frozen=True):
    """A state shared by all streams, with a part for each."""

    shared_state: Raw = MISSING
    stream_states: list[StreamState] | None = None


class Statistics(Struct, frozen=True):
    """A source's own count of the records since its last STATE; current connectors send it as a float."""

    recordCount: float | None = None  # noqa: N815 - the protocol's spelling


class State(Struct, frozen=True):
    """A checkpoint offered by the source."""

    type: str | None = None
    stream: StreamState | None = None
    global_: Raw = msgspec.field(name="global", default=MISSING)
    data: Raw = MISSING
    sourceStats: Raw = MISSING  # noqa: N815 - the protocol's spelling

    @property
    def kind(self) -> str:
        """The kind that `type` names; without a type, LEGACY or what is there (a null is not)."""
        if self.type is not None:
            return self.type.strip().upper()
        if self.data not in (MISSING, Raw(b"null")):
            return StateKind.LEGACY
        if self.stream is not None:
            return StateKind.STREAM
        return StateKind.LEGACY if self.global_ == MISSING and self.data != MISSING else StateKind.GLOBAL

    @property
    def shared(self) -> tuple[str, Raw] | None:
        """Key and content of a state of all streams; None for a STREAM state."""
        if self.kind == StateKind.GLOBAL:
            return GLOBAL_STATE_KEY, self.global_
        return (LEGACY_STATE_KEY, self.data) if self.kind == StateKind.LEGACY else None

    @property
    def record_count(self) -> float | None:
        """The source's own count; None where it has none that can be read: no reason to lose the state."""
        try:
            stats = msgspec.json.decode(self.sourceStats or b"null", type=Statistics | None)
        except DECODE_ERRORS:
            return None
        return stats.recordCount if stats else None


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
        return _named(self.stream_descriptor)

    @property
    def sentence(self) -> str:
        """The words for the user; the internal message only where there are no others."""
        for said in (self.message, self.internal_message):
            text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
            if text.strip() not in {"", "null"}:
                return text.strip()
        return "The connector reported an error without a text."


class StreamStatusTrace(Struct, frozen=True):
    """A stream changed its status. It may be named in an odd shape: see `stream`."""

    status: str
    stream_descriptor: Any = None

    @property
    def stream(self) -> StreamId | None:
        """The stream; None where the status names none."""
        return _named(self.stream_descriptor)


def _named(descriptor: Any) -> StreamId | None:
    try:
        return msgspec.convert(descriptor, StreamId | None)
    except msgspec.ValidationError:
        return StreamId(descriptor) if isinstance(descriptor, str) else None


class Trace(Struct, frozen=True):
    """ERROR and STREAM_STATUS are used; ESTIMATE and ANALYTICS need nothing."""

    type: str | None = None
    raw_error: Any = msgspec.field(name="error", default=None)
    stream_status: Raw = MISSING

    @property
    def kind(self) -> str | None:
        """The kind that `type` names; where it names none that is known, what is there."""
        named = self.type.strip().upper() if self.type is not None else ""
        if named in TRACES:
            return named
        if self.raw_error is not None:
            return "ERROR"
        return "STREAM_STATUS" if self.stream_status not in (MISSING, Raw(b"null")) else self.type

    @property
    def error(self) -> TraceError | None:
        """The content of an ERROR, whatever its shape: an odd one must not lose the failure."""
        if self.kind != "ERROR":
            return None
        raw = self.raw_error
        return msgspec.convert(raw, TraceError) if isinstance(raw, dict) else TraceError(raw)

    @property
    def status(self) -> StreamStatusTrace | None:
        """What a STREAM_STATUS says; raises msgspec.MsgspecError for one that cannot be read."""
        if self.kind != "STREAM_STATUS":
            return None
        return msgspec.json.decode(self.stream_status or b"null", type=StreamStatusTrace)


class Control(Struct, frozen=True):
    """The connector changed its configuration, such as a refresh token that can be used only once."""

    type: str | None = None
    connectorConfig: dict[str, Raw] = {}  # noqa: N815 - the protocol's spelling

    @property
    def config(self) -> bytes | None:
        """The whole new configuration, if the message carries one (a JSON object that is not empty)."""
        config = bytes(self.connectorConfig.get("config", MISSING))
        usable = config[:1] == b"{" and not is_empty(config)
        return config if self.type == "CONNECTOR_CONFIG" and usable else None


class ConnectionStatus(Struct, frozen=True):
    """The result of a check: `SUCCEEDED` or `FAILED`, which also exits 0."""

    status: str
    message: Any = None

    @property
    def text(self) -> str:
        """The message as text, whatever it is; "" for none."""
        if self.message is None or isinstance(self.message, str):
            return (self.message or "").strip()
        return json.dumps(self.message, ensure_ascii=False)


class Discovered(Struct, frozen=True):
    """What discover finds; each of its streams is passed on as it came."""

    streams: list[dict[str, Raw]]


def is_empty(state: bytes) -> bool:
    """Whether a state, what `--state` is given, or a configuration is none: absent, null, {}, [], or made of nothing
    but such members. It must not take the place of one that was kept before.
    """
    if len(state) > _EMPTY_BYTES:
        return False
    try:
        left: list[Any] = [msgspec.json.decode(state.strip() or b"null")]
    except DECODE_ERRORS:
        return False
    # Without recursion: how deep that can go depends on the Python.
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += _telling(value)
        elif isinstance(value, list):
            left += value
        elif value is not None and value != "":
            return False
    return True


def _telling(members: dict[str, Any]) -> list[Any]:
    """The members of an object that may say something; what names a state's stream or kind is nothing to go on from."""
    if "stream_descriptor" in members:
        return [members.get("stream_state")]
    beside = {"type"} if members.keys() & _STATE_MEMBERS else set()
    return [value for name, value in members.items() if name not in beside]


_STATE_MEMBERS = frozenset({"stream", "global", "data"})
_EMPTY_BYTES = 256 * 1024
"""Room for the names of a thousand streams. Megabytes of nothing are not worth a look at every large state."""


def config_hash(config: bytes) -> str:
    """Tells whether two configurations say the same, whatever their spacing and the order of their members."""
    try:
        text = json.dumps(json.loads(config), sort_keys=True)
    except (ValueError, RecursionError):
        return hashlib.sha256(config).hexdigest()
    return hashlib.sha256(text.encode()).hexdigest()
