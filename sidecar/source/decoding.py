"""Blocks of lines to messages: a whole block at once, or line by line where one line of it is bad."""

import io
import re
from enum import StrEnum
from itertools import islice
from typing import ClassVar

import msgspec
from msgspec import Struct

from common import nesting
from common.protocol.messages import DECODE_ERRORS, Message
from sidecar.source import lenient, scan
from sidecar.source.scan import Envelope

_START = re.compile(rb'\{\s*"type"\s*:')
_RECORD = re.compile(rb'"type"\s*:\s*"RECORD"')
_HOLDS_RECORD = re.compile(rb'"record"\s*:\s*\{|:\s*"RECORD"')
_EMPTY = re.compile(rb'"record"\s*:\s*\{\s*\}')
_STARTS_TRIED = 8
_LONG_BLOCK_BYTES = 1024 * 1024
"""Larger than any chunk: such a block holds a long line, which is not worth a copy."""


class Fault(StrEnum):
    """Why a line is no message."""

    NOISE = "noise"
    """Not JSON at all: connectors print banners, warnings, tracebacks."""
    ODD = "odd"
    """JSON, but no message of the protocol."""
    BROKEN = "broken"
    """Meant to be a message, but not valid JSON, or nested deeper than our limit."""


class BadLine(Struct, frozen=True):
    """A line that is no message. `text` is the line itself for NOISE, and never for what may hold a row."""

    fault: Fault
    why: str
    text: str = ""
    envelope: Envelope = Envelope()
    state: bytes = b""
    """The line itself, where it is a STATE: some can be read all the same."""
    record: ClassVar[None] = None
    """As a Message without one: the hot loop asks no line for its class."""


def decode(block: bytes) -> list[Message] | list[Message | BadLine]:
    """All messages of a block of whole lines, in order; blank lines are left out.

    A block that is not one message a line is taken line by line, so that what comes out does not depend on how
    the output was cut into blocks: the decoder itself minds no line ends.
    """
    try:
        messages = _decoder.decode_lines(block)
    except DECODE_ERRORS:
        messages = []
    if _is_plain(block, len(messages)):
        return messages
    return [message for line in block.split(b"\n") for message in _decode_line(line)]


def _is_plain(block: bytes, count: int) -> bool:
    """Whether a block from which `count` messages were decoded is as many lines, none of them nested too deep."""
    if len(block) <= _LONG_BLOCK_BYTES:
        # Looks for line ends many bytes at a time, where `count` looks at each.
        lines = io.BytesIO(block).readlines()
        return len(lines) == count and not nesting.any_is_deep(block, lines)
    # From line to line, without a copy of each.
    found = end = 0
    while (end := block.find(b"\n", end) + 1) > 0:
        found += 1
    return found == count and block.count(b"[") + block.count(b"{") <= nesting.MAX_DEPTH


def _decode_line(line: bytes) -> list[Message | BadLine]:
    """Usually one message; several where lines were glued together."""
    line = scan.bare(line)
    if not line:
        return []
    try:
        return [*_read(line)] if line[:1] == b"{" else _not_an_object(line)
    except msgspec.ValidationError as error:
        return [_odd(line, str(error).replace("$[0]", "$"))]
    except DECODE_ERRORS as error:
        return _glued(line) or _mended(line) or [_broken(line, error)]


def _read(line: bytes) -> list[Message]:
    """Return the messages of a line; raise TooDeep before a decoder sees what only some Pythons would read."""
    nesting.check(line)
    return _decoder.decode_lines(line)


def _mended(line: bytes) -> list[Message | BadLine]:
    """A message that is words for people, where a lenient reader takes it."""
    if scan.read(line).type not in lenient.KINDS:
        return []
    try:
        return [*_read(lenient.mended(line))]
    except DECODE_ERRORS:
        return []


def _broken(line: bytes, error: Exception) -> BadLine:
    plain = _plain(line)
    found = scan.read(plain)
    if not found.type and _HOLDS_RECORD.search(plain):
        found = Envelope("RECORD", found.stream, found.namespace)
    return BadLine(Fault.BROKEN, _reason(line, error), envelope=found, state=line if found.type == "STATE" else b"")


def _glued(line: bytes) -> list[Message | BadLine]:
    """A whole message behind something else (a progress bar, half a message): both, or nothing if there is none."""
    for start in islice(_START.finditer(line, 1), _STARTS_TRIED):
        try:
            whole = _read(line[start.start() :])
        except DECODE_ERRORS:
            continue
        return [*_decode_line(line[: start.start()]), *whole]
    return []


def _odd(line: bytes, why: str) -> BadLine:
    """Valid JSON with a member of an unexpected type; a record stays a record that was refused."""
    found = scan.read(line)
    if found.is_record and (found.stream or found.data or not _EMPTY.search(line)):
        return BadLine(Fault.BROKEN, why, envelope=found)
    return BadLine(Fault.ODD, f"JSON, but no message of the Airbyte protocol ({why})", envelope=found)


def _not_an_object(line: bytes) -> list[Message | BadLine]:
    try:
        nesting.check(line)
        msgspec.json.decode(line, type=msgspec.Raw)
    except DECODE_ERRORS as error:
        return _glued(line) or [_noise(line, error)]
    if (start := _START.search(line)) and (found := scan.read(line[start.start() :])).is_record and found.data:
        return [BadLine(Fault.BROKEN, "it is inside of an array, or of other JSON", envelope=found)]
    return [BadLine(Fault.ODD, "JSON, but no message of the Airbyte protocol")]


def _noise(line: bytes, error: Exception) -> BadLine:
    """Words for the log, unless half a record hangs on behind them, or they are a part of one."""
    plain = _plain(line)
    start = _START.search(plain)
    found = scan.read(plain[start.start() :]) if start else Envelope()
    if _RECORD.search(plain):
        found = Envelope("RECORD", found.stream, found.namespace)
    if found.is_record:
        return BadLine(Fault.BROKEN, _reason(line, error), envelope=found)
    return BadLine(Fault.NOISE, "not JSON", line.decode("utf-8", "replace"))


def _plain(line: bytes) -> bytes:
    """Where to look for a message: UTF-16 and UTF-32 have NULs between their letters."""
    return line.replace(b"\0", b"")


def _reason(line: bytes, error: Exception) -> str:
    """Why JSON was refused, without a piece of it."""
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


_decoder = msgspec.json.Decoder(Message)
