"""One line to its messages; of a bad line as much as can be used: a message, a record to refuse, words for the log.

`SALVAGERS` are tried in turn on a line that is not one message after the other; each shows a line that it takes. The
last one takes every line. None lets a row's data get into a log.
"""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import islice
from typing import ClassVar

import msgspec
from msgspec import Struct

from common import nesting
from common.protocol.messages import DECODE_ERRORS, Message
from sidecar.source import lenient, scan
from sidecar.source.scan import Envelope

MESSAGE_TYPES = frozenset({"RECORD", "STATE", "LOG", "TRACE", "CONTROL", "SPEC", "CATALOG", "CONNECTION_STATUS"})
_START = re.compile(rb'\{\s*"type"\s*:')
_OTHER_START = re.compile(rb'\{\s*"(?:record|state|log|trace|control|spec|catalog|connectionStatus)"\s*:\s*\{')
"""Of a message whose type comes last."""
_STARTS_TRIED = 8
_LENIENT_KINDS = frozenset({"TRACE", "LOG", "CONNECTION_STATUS"})
"""Messages that are words for people. Never rows, states or configurations, which stay as they came."""
_NO_MESSAGE = "JSON, but no message of the Airbyte protocol"


class Fault(StrEnum):
    """Why a line is no message."""

    NOISE = "noise"
    """Not JSON at all: connectors print banners, warnings, tracebacks."""
    FOREIGN = "foreign"
    """JSON, but no message of the protocol."""
    BROKEN = "broken"
    """Meant to be a message, but not valid JSON, or nested deeper than the limit."""
    QUOTED = "quoted"
    """A whole STATE behind words on its line: it may be one that was, or is to come."""


class BadLine(Struct, frozen=True):
    """A line that is no message. `text` is the line itself for NOISE, and never for a line that may hold a row."""

    fault: Fault
    why: str
    text: str = ""
    envelope: Envelope = Envelope()
    state: bytes = b""
    """The line itself if it is a STATE: with unpaired surrogates it can be read all the same. A quoted one's state."""
    record: ClassVar[None] = None
    """As in a Message without one, so that the hot loop need not ask for the class."""


def decode_line(line: bytes) -> list[Message | BadLine]:
    """Return the messages of a line: usually one, none of a blank line, several that were glued together."""
    line = scan.bare(line)
    if not line:
        return []
    error: Exception | None = None
    try:
        if line[:1] == b"{":
            return [*_read(line)]
        nesting.check(line)
        msgspec.json.decode(line, type=msgspec.Raw)
    except DECODE_ERRORS as raised:
        error = raised
    return next(filter(None, (salvage(line, error) for salvage in SALVAGERS)))


def _read(line: bytes) -> list[Message]:
    """Return the messages of a line; raise TooDeep before a decoder sees it, since only some Pythons would read it."""
    nesting.check(line)
    return decoder.decode_lines(line)


def _other_shape(line: bytes, error: Exception | None) -> list[Message | BadLine]:
    """Refuse `{"type":"RECORD","record":{"stream":5,"data":{}}}`: valid JSON with a member of an unexpected type."""
    if not isinstance(error, msgspec.ValidationError):
        return []
    why, found = str(error).replace("$[0]", "$"), scan.read(line)
    if found.is_record and (found.stream or found.data or not _EMPTY_RECORD.search(line)):
        return [BadLine(Fault.BROKEN, why, envelope=found)]
    return [BadLine(Fault.FOREIGN, f"{_NO_MESSAGE} ({why})", envelope=found)]


_EMPTY_RECORD = re.compile(rb'"record"\s*:\s*\{\s*\}')


def _other_json(line: bytes, error: Exception | None) -> list[Message | BadLine]:
    """Refuse `[{"type":"RECORD","record":{"stream":"s","data":{}}}]`, or ignore `42`: valid JSON but no object."""
    if error is not None:
        return []
    if (start := _START.search(line)) and (found := scan.read(line[start.start() :])).is_record and found.data:
        return [BadLine(Fault.BROKEN, "it is inside of an array, or of other JSON", envelope=found)]
    return [BadLine(Fault.FOREIGN, _NO_MESSAGE)]


def _glued(line: bytes, _error: Exception | None) -> list[Message | BadLine]:
    """Take both parts of `42%|####   |{"type":"LOG","log":{}}`: a whole message behind something else."""
    for start in _starts(line, 1):
        try:
            whole = _read(line[start:])
        except DECODE_ERRORS:
            continue
        # Else it may be a part of the message that the line begins with: a trace has a type, too.
        if all(message.type in MESSAGE_TYPES for message in whole) or (line[:1] != b"{" and _START.match(line, start)):
            return [*decode_line(line[:start]), *_behind(line[:start], whole)]
    return []


def _surrounded(line: bytes, _error: Exception | None) -> list[Message | BadLine]:
    """Take the message and both sides of `got {"type":"LOG","log":{}} now`; a record between words is refused."""
    found: list[Message | BadLine] = []
    end = 0
    for start in () if line[:1] == b"{" else sorted(_starts(line)):
        if start < end or not (behind := scan.object_end(line, start)):
            continue
        try:
            whole = _read(line[start:behind])
        except DECODE_ERRORS:
            continue
        if all(message.type in MESSAGE_TYPES and message.record is None for message in whole):
            found += [*_between(line[end:start]), *_behind(line[:start] + line[behind:], whole)]
            end = behind
    return [*found, *_between(line[end:])] if found else []


def _behind(beside: bytes, messages: Sequence[Message]) -> list[Message | BadLine]:
    """Return messages that share a line: a state beside words may be quoted; progress bars and times quote nothing."""
    is_cut_message = _START.match(beside) or _OTHER_START.match(beside)
    if is_cut_message or not _WORD.search(_ESCAPE.sub(b"", beside.rpartition(b"\r")[2])):
        return [*messages]
    return [_quoted(message) if message.type == "STATE" else message for message in messages]


_WORD = re.compile(rb"[A-Za-z\x80-\xff]{3}")
_ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def _quoted(message: Message) -> BadLine:
    return BadLine(Fault.QUOTED, "a STATE behind words", envelope=Envelope("STATE"), state=bytes(message.state))


def _between(words: bytes) -> list[Message | BadLine]:
    text = words.strip()
    return (_noise(text, None) or _broken(text, None)) if text else []


def _starts(line: bytes, least: int = 0) -> list[int]:
    """Return where on a line a message may begin."""
    found = [islice(pattern.finditer(line, least), _STARTS_TRIED) for pattern in (_START, _OTHER_START)]
    return [start.start() for starts in found for start in starts]


def _mended(line: bytes, _error: Exception | None) -> list[Message | BadLine]:
    r"""Take `{"type":"LOG","log":{"message":"cut \ud83d"}}`: words for people that a lenient reader takes."""
    if line[:1] != b"{" or scan.read(line).type not in _LENIENT_KINDS:
        return []
    try:
        return [*_read(lenient.mended(line))]
    except DECODE_ERRORS:
        return []


def _noise(line: bytes, error: Exception | None) -> list[Message | BadLine]:
    """Log `Traceback (most recent call last):`; refuse `x {"type":"RECORD","rec`, which holds a part of a record."""
    if line[:1] == b"{":
        return []
    plain = _without_nuls(line)
    start = _START.search(plain)
    found = scan.read(plain[start.start() :]) if start else Envelope()
    named = _NEEDED_TYPE.search(plain)
    if found.is_record or (named and named[1] == b"RECORD") or (start and _RECORD_MEMBER.search(plain)):
        return [BadLine(Fault.BROKEN, _reason(line, error), envelope=_as_record(found))]
    if named:
        # Lost, it would change what the run counts as: a state is not saved, or an error not known.
        kind = named[1].decode()
        found = found if found.type == kind else Envelope(kind)
        return [BadLine(Fault.BROKEN, _reason(line, error), envelope=found, state=line if kind == "STATE" else b"")]
    return [BadLine(Fault.NOISE, "not JSON", line.decode("utf-8", "replace"))]


_NEEDED_TYPE = re.compile(rb'"type"\s*:\s*"(RECORD|STATE|TRACE)"')


def _broken(line: bytes, error: Exception | None) -> list[Message | BadLine]:
    """Refuse `{"type":"RECORD","record":{"stream":"s","data":{"x":NaN}}}`: meant to be a message."""
    plain = _without_nuls(line)
    found = scan.read(plain)
    if not found.type and _RECORD_MEMBER.search(plain):
        found = _as_record(found)
    state = line if found.type == "STATE" else b""
    return [BadLine(Fault.BROKEN, _reason(line, error), envelope=found, state=state)]


_RECORD_MEMBER = re.compile(rb'"record"\s*:\s*\{|:\s*"RECORD"')

SALVAGERS: tuple[Callable[[bytes, Exception | None], list[Message | BadLine]], ...] = (
    _other_shape,
    _other_json,
    _glued,
    _surrounded,
    _mended,
    _noise,
    _broken,
)
"""Each gets the line and why it was not decoded (None if it is valid JSON but no object); [] passes it on."""


def _as_record(found: Envelope) -> Envelope:
    return Envelope("RECORD", found.stream, found.namespace)


def _without_nuls(line: bytes) -> bytes:
    """Return where to look for a message: UTF-16 and UTF-32 have NULs between their letters."""
    return line.replace(b"\0", b"")


def _reason(line: bytes, error: Exception | None) -> str:
    """Return why JSON was refused, without a piece of it."""
    if isinstance(error, RecursionError):
        return str(nesting.TooDeep())
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8"
    for token in (b"NaN", b"Infinity"):
        if token in line and token in _outside_strings(line):
            return f"{token.decode()} is not JSON"
    return f"not valid JSON ({str(error).removeprefix('JSON is malformed: ')})"


def _outside_strings(line: bytes) -> bytes:
    parts = line.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    return b" ".join(parts[::2])


decoder = msgspec.json.Decoder(Message)
