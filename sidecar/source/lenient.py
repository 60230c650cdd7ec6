"""Decode words for people leniently: an error or a log line is not lost for a few bytes that are no JSON or no text.

Half a surrogate pair (a text that was cut within an emoji), a NaN, a number beyond a double, a raw control character,
Latin-1: what cannot be kept becomes U+FFFD or null. Never used for rows, states or configurations, which stay as they
came.
"""

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from common import nesting
from common.protocol.messages import DECODE_ERRORS, TRACES

_Read = TypeVar("_Read")
_members = msgspec.json.Decoder(dict[str, Any])
_INTEGER_CHARACTERS = 300


def readable(raw: bytes) -> bytes:
    """Return JSON in UTF-8, whatever bytes its strings hold."""
    return bytes(raw).decode("utf-8", "replace").encode()


def decode(raw: bytes, read: Callable[[bytes], _Read]) -> _Read:
    """Return what a decoder reads of words for people, mended if need be; raise one of DECODE_ERRORS."""
    try:
        return read(readable(raw))
    except DECODE_ERRORS:
        return read(mended(bytes(raw)))


def mended(line: bytes) -> bytes:
    """Return as strict JSON a line that only a lenient reader takes; b"" if not even that does."""
    try:
        nesting.check(line)
        text = line.decode("utf-8", "replace")
        value = json.loads(text, strict=False, parse_constant=lambda _: None, parse_float=_real, parse_int=_integer)
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return b""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _real(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(text: str) -> int | None:
    # Neither Python nor msgspec reads those of thousands of digits.
    return int(text) if len(text) <= _INTEGER_CHARACTERS else None


def trace_kind(raw: bytes) -> str:
    """Return the kind of a TRACE of an unknown shape; "" if not even that can be read."""
    try:
        found = decode(raw, _members.decode)
    except DECODE_ERRORS:
        return ""
    named = str(found.get("type")).upper()
    there = (kind for kind in ("ERROR", "STREAM_STATUS") if found.get(kind.lower()) is not None)
    return named if named in TRACES else next(there, "")
