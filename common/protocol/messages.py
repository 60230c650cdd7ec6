"""The Airbyte protocol's messages as msgspec types (airbyte_protocol.yaml).

Only fields in use are typed; all others are skipped without building objects. Payloads stay `Raw`: a record's data
and a state are passed on as the bytes that came, so numbers keep all their digits.
"""

import hashlib
import json
import math
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

from common.protocol import causes
from common.protocol.catalogs import MISSING, StreamId
from common.protocol.estimates import EstimateTrace

DECODE_ERRORS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What decoding foreign JSON raises; nesting.TooDeep is a RecursionError."""

TRACES = frozenset({"ERROR", "STREAM_STATUS", "ESTIMATE", "ANALYTICS"})
"""The kinds of TRACE."""


RATE_LIMITED = "RATE_LIMITED"
"""The reason of a status: the source waits until it may ask its API again."""
_MILLISECONDS = 1e11
"""Larger times are no seconds."""


class StreamStatus(StrEnum):
    """The statuses of TRACE STREAM_STATUS."""

    STARTED = "STARTED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"


class Record(Struct, frozen=True, gc=False):
    """A row of a stream; few have one of the last three."""

    stream: str
    data: Raw = MISSING
    namespace: str | None = None
    meta: Raw = MISSING
    file: Raw = MISSING
    file_reference: Raw = MISSING


class Log(Struct, frozen=True, gc=False):
    """A log line; its members may be of any JSON type, so that none is lost for an odd one."""

    level: Any = "INFO"
    message: Any = None
    stack_trace: Any = None


class Message(Struct, frozen=True, gc=False):
    """Any message of a connector; at most one payload is set, the one that `type` names."""

    type: str | None = None
    record: Record | None = None
    state: Raw = MISSING
    log: Raw = Raw(b"null")
    trace: Raw = MISSING
    control: Raw = MISSING
    spec: Raw = MISSING
    catalog: Raw = MISSING
    connectionStatus: Raw = MISSING  # noqa: N815 - the protocol's spelling


class TraceError(Struct, frozen=True):
    """The error of a stream or of the whole run; `failure_type` is config_error, transient_error or system_error."""

    message: Any = None
    internal_message: Any = None
    stack_trace: Any = None
    failure_type: Any = None
    stream_descriptor: Any = None

    @property
    def stream(self) -> StreamId | None:
        """The failed stream, if the error names one."""
        return _stream_id(self.stream_descriptor)

    @property
    def sentence(self) -> str:
        """The message for users, or the internal message if it is empty; with the cause if it explains nothing."""
        shown, internal, stack_trace = self._texts
        text = shown or internal or causes.NO_TEXT
        return causes.explained(text, causes.of_error(internal, stack_trace)) if causes.is_vague(text) else text

    @property
    def details(self) -> list[str]:
        """What else the error says, for the log."""
        return [text for text in dict.fromkeys(self._texts[1:]) if text not in {"", self.sentence}]

    @property
    def _texts(self) -> tuple[str, str, str]:
        shown, internal, trace = map(text_of, (self.message, self.internal_message, self.stack_trace))
        return "" if shown == "null" else shown, "" if internal == "null" else internal, trace


class StreamStatusTrace(Struct, frozen=True):
    """A stream's new status."""

    status: str
    stream_descriptor: Any = None
    reasons: Any = None

    @property
    def stream(self) -> StreamId | None:
        """The stream, if the status names one."""
        return _stream_id(self.stream_descriptor)

    @property
    def quota_reset(self) -> float | None:
        """Until when the source waits for its quota, in Unix seconds; infinity without a time, None if it does not."""
        for reason in (*(self.reasons if isinstance(self.reasons, list) else [self.reasons]), self.status):
            known = reason if isinstance(reason, dict) else {"type": reason}
            if str(known.get("type")).strip().upper() == RATE_LIMITED:
                limit = known.get("rate_limited")
                return _seconds(limit.get("quota_reset") if isinstance(limit, dict) else None)
        return None


def _seconds(milliseconds: Any) -> float:
    """Return a time in Unix seconds, also one that came in seconds; infinity if it is none."""
    try:
        time = float(milliseconds)
    except (TypeError, ValueError, OverflowError):
        return math.inf
    seconds = time / 1000 if time >= _MILLISECONDS else time
    return seconds if 0 < seconds < _MILLISECONDS else math.inf


def _stream_id(descriptor: Any) -> StreamId | None:
    """Return the stream of a descriptor, which some connectors send as a plain name."""
    try:
        return msgspec.convert(descriptor, StreamId | None)
    except msgspec.ValidationError:
        return StreamId(descriptor) if isinstance(descriptor, str) else None


def text_of(message: Any) -> str:
    """Return a message for people as text, whatever its JSON type; "" for null."""
    if message is None or isinstance(message, str):
        return (message or "").strip()
    return json.dumps(message, ensure_ascii=False)


class Trace(Struct, frozen=True):
    """A TRACE; ERROR, STREAM_STATUS and ESTIMATE are used, ANALYTICS ignored."""

    type: str | None = None
    raw_error: Any = msgspec.field(name="error", default=None)
    raw_estimate: Any = msgspec.field(name="estimate", default=None)
    stream_status: Raw = MISSING

    @property
    def kind(self) -> str | None:
        """The kind in `type`; if that is unknown, the kind of the payload."""
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
        """The content of a STREAM_STATUS; raises msgspec.MsgspecError if it is unreadable."""
        if self.kind != "STREAM_STATUS":
            return None
        return msgspec.json.decode(self.stream_status or b"null", type=StreamStatusTrace)

    @property
    def estimate(self) -> EstimateTrace | None:
        """The content of an ESTIMATE; None if it is not an object."""
        is_one = self.kind == "ESTIMATE" and isinstance(self.raw_estimate, dict)
        return msgspec.convert(self.raw_estimate, EstimateTrace) if is_one else None


class Control(Struct, frozen=True):
    """A configuration that the connector has changed, such as a refresh token that can be used once."""

    type: str | None = None
    connectorConfig: dict[str, Raw] = {}  # noqa: N815 - the protocol's spelling

    @property
    def config(self) -> bytes | None:
        """The whole new configuration, if the message has one: a JSON object that is not empty."""
        config = bytes(self.connectorConfig.get("config", MISSING))
        usable = config[:1] == b"{" and not is_empty(config)
        named = (self.type or "").strip().upper()
        return config if named == "CONNECTOR_CONFIG" and usable else None


class ConnectionStatus(Struct, frozen=True):
    """The result of a check: SUCCEEDED or FAILED (with exit code 0 as well)."""

    status: str
    message: Any = None

    @property
    def text(self) -> str:
        """The message, whatever its JSON type; "" for none."""
        return text_of(self.message)


class Discovered(Struct, frozen=True):
    """The catalog that discover finds; its streams are passed on as they came."""

    streams: list[dict[str, Raw]]


def is_empty(value: bytes) -> bool:
    """Return whether a state or a configuration holds nothing to keep: absent, null, {}, [], or only such members."""
    if len(value) > _EMPTY_BYTES:
        return False
    try:
        left: list[Any] = [msgspec.json.decode(value.strip() or b"null")]
    except DECODE_ERRORS:
        return False
    while left:  # a loop: the depth of Python's recursion depends on its version
        member = left.pop()
        if isinstance(member, dict):
            left += _content(member)
        elif isinstance(member, list):
            left += member
        elif member not in (None, ""):
            return False
    return True


def _content(members: dict[str, Any]) -> list[Any]:
    """Return an object's members without those that only name a state's stream or kind."""
    if "stream_descriptor" in members:
        return [members.get("stream_state")]
    is_state = not members.keys().isdisjoint({"stream", "global", "data"})
    return [value for name, value in members.items() if not (is_state and name == "type")]


_EMPTY_BYTES = 256 * 1024
"""Enough for the descriptors of a thousand streams; larger states are not searched for content."""


def config_hash(config: bytes) -> str:
    """Return a hash that depends on neither the white space nor the order of members of a configuration."""
    try:
        text = json.dumps(json.loads(config), sort_keys=True)
    except (ValueError, RecursionError):
        return hashlib.sha256(config).hexdigest()
    return hashlib.sha256(text.encode()).hexdigest()
