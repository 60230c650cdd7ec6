"""Text and JSON as Postgres takes them."""

import json
import re
from typing import Any

import msgspec

from common import nesting

NUL = "\u2400"
"""Stands for NUL in texts: Postgres has no NUL."""
_NUL_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def clean(text: str) -> str:
    """Text as Postgres takes it."""
    if "\0" in text:
        text = text.replace("\0", NUL)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def started_by_json(text: str) -> str | None:
    """`startedBy` for a jsonb column: JSON objects as they are, any other text as a string, "" as null."""
    if not text:
        return None
    try:
        nesting.check(text.encode())
        # msgspec refuses what Postgres would refuse too (NaN, half a surrogate pair).
        known = (
            json.dumps(msgspec.json.decode(text), allow_nan=False)
            if text.lstrip().startswith("{")
            else json.dumps(text)
        )
    except (ValueError, RecursionError):
        known = json.dumps(text)
    return without_nul(known.encode())


def without_nul(result: bytes) -> str:
    """JSON as jsonb takes it: an escaped NUL in a text is shown instead (never part of a longer escape)."""
    return _NUL_ESCAPE.sub(lambda match: match.group(1) + NUL, result.decode())


def as_json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else without_nul(json.dumps(value).encode())
