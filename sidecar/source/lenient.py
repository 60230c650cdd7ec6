"""Decode words for people leniently: an error or a log line is not lost for a few bytes that are no JSON or no text.

Half a surrogate pair (a text that was cut within an emoji), a NaN, a raw control character, Latin-1: what cannot be
kept becomes U+FFFD or null. Never used for rows, states or configurations, which stay as they came.
"""

import json
from typing import Any

import msgspec

from common import nesting
from common.protocol.messages import DECODE_ERRORS, TRACES


def readable(raw: bytes) -> bytes:
    """Return JSON in UTF-8, whatever bytes its strings hold."""
    return bytes(raw).decode("utf-8", "replace").encode()


def mended(line: bytes) -> bytes:
    """Return as strict JSON a line that only a lenient reader takes; b"" if not even that does."""
    try:
        nesting.check(line)
        value = json.loads(line.decode("utf-8", "replace"), strict=False, parse_constant=lambda _: None)
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return b""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def trace_kind(raw: bytes) -> str:
    """Return the kind of a TRACE of an unknown shape; "" if not even that can be read."""
    try:
        found = msgspec.json.decode(readable(raw), type=dict[str, Any])
    except DECODE_ERRORS:
        return ""
    named = str(found.get("type")).upper()
    there = (kind for kind in ("ERROR", "STREAM_STATUS") if found.get(kind.lower()) is not None)
    return named if named in TRACES else next(there, "")
