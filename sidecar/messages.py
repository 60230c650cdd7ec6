"""Blocks of lines to messages: a whole block at once, or line by line where one line of it is bad."""

from enum import StrEnum

import msgspec
from msgspec import Struct

from common.airbyte import Message
from sidecar import envelope
from sidecar.envelope import Envelope


class Fault(StrEnum):
    """Why a line is no message."""

    NOISE = "noise"
    """Not JSON at all: connectors print banners, warnings, tracebacks."""
    ODD = "odd"
    """JSON, but no message of the protocol."""
    BROKEN = "broken"
    """Meant to be a message, but not valid JSON (or nested too deep to be read)."""


class BadLine(Struct, frozen=True):
    """A line that is no message. `text` is the line itself for NOISE, and never for what may hold a row."""

    fault: Fault
    why: str
    text: str = ""
    envelope: Envelope = Envelope()


def decode(block: bytes) -> list[Message] | list[Message | BadLine]:
    """All lines of a block, in order; blank ones are left out."""
    try:
        return _decoder.decode_lines(block)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return [decoded for line in block.split(b"\n") if (decoded := _decode_line(line)) is not None]


def _decode_line(line: bytes) -> Message | BadLine | None:
    line = line.strip()
    if not line:
        return None
    if line[:1] != b"{":
        return _not_an_object(line)
    try:
        return _decoder.decode(line)
    except RecursionError:
        # Not a DecodeError, and it depends on how deep the interpreter's own stack is.
        return BadLine(Fault.BROKEN, "nested deeper than can be read", envelope=envelope.read(line))
    except msgspec.ValidationError as error:
        return _odd(line, str(error))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return BadLine(Fault.BROKEN, _reason(line, error), envelope=envelope.read(line))


def _odd(line: bytes, why: str) -> BadLine:
    """Valid JSON with a member of an unexpected type; a record stays a record that was refused."""
    found = envelope.read(line)
    if found.is_record and found.stream:
        return BadLine(Fault.BROKEN, why, envelope=found)
    return BadLine(Fault.ODD, f"JSON, but no message of the Airbyte protocol ({why})", envelope=found)


def _not_an_object(line: bytes) -> BadLine:
    text = line.decode("utf-8", "replace")
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return BadLine(Fault.NOISE, "not JSON", text)
    return BadLine(Fault.ODD, "JSON, but no message of the Airbyte protocol")


def _reason(line: bytes, error: Exception) -> str:
    """Why JSON was refused, without a piece of it."""
    for token in (b"NaN", b"Infinity"):
        if token in line and token in _outside_strings(line):
            return f"{token.decode()} is not JSON"
    return f"not valid JSON ({str(error).removeprefix('JSON is malformed: ')})"


def _outside_strings(line: bytes) -> bytes:
    parts = line.replace(b'\\"', b"").split(b'"')
    return b" ".join(parts[::2])


_decoder = msgspec.json.Decoder(Message)
