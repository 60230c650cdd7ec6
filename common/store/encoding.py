"""Text and JSON in the form that Postgres can store."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from common import nesting

NUL = "\u2400"
"""Replaces NUL, which Postgres cannot store."""
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_EXPONENT = re.compile(rb"[0-9][eE][+-]?0*([0-9]+)")
_MOST_ZEROS = 4096
"""By which jsonb may lengthen a document: it has each number with all its zeros, 1e131071 with 131,071."""
_NUL_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def clean(text: str) -> str:
    """Return a text without NUL and lone surrogates."""
    text = text.replace("\0", NUL)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def stamp(time: datetime) -> str:
    """Return a time as RFC 3339 in UTC, with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def storable(value: Any) -> Any:
    """Return a statement's parameter with `clean` texts, also in a list."""
    if isinstance(value, str):
        return clean(value)
    return [storable(one) for one in value] if isinstance(value, list | tuple) else value


def started_by_json(text: str) -> str | None:
    """Return `startedBy` for a jsonb column: a JSON object as it is, any other text as a string, "" as null."""
    if not text:
        return None
    try:
        nesting.check(text.encode())
        # msgspec refuses what Postgres refuses (NaN, half a surrogate pair).
        value = msgspec.json.decode(text) if text.lstrip().startswith("{") else text
        known = json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        known = json.dumps(text)
    return without_nul(known.encode())


def without_nul(result: bytes) -> str:
    """Return JSON for a jsonb column, with NUL in place of each escaped NUL (but not of an escaped backslash)."""
    return _NUL_ESCAPE.sub(lambda match: match.group(1) + NUL, result.decode())


def is_written_out(document: bytes) -> bool:
    """Return whether jsonb would write numbers with an exponent out at great length."""
    if _EXPONENT.search(document) is None:
        return False
    zeros = 0
    for found in _EXPONENT.finditer(_STRING.sub(b"", document)):
        digits = found.group(1)
        zeros += int(digits) if len(digits) < len(str(_MOST_ZEROS)) + 1 else 10 * _MOST_ZEROS
        if zeros > _MOST_ZEROS:
            return True
    return False


def as_json(value: dict[str, Any] | None) -> str | None:
    """Return a value for a jsonb column."""
    return None if value is None else without_nul(json.dumps(value).encode())
