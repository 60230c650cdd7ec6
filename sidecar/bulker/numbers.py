"""Numbers that Bulker cannot load: it fails the whole request for one that neither 64 bits nor a double hold.

Read in Bulker's code of April 2024: it flattens objects, and takes a number in them as an int64, or with a point or an
exponent as a double. What an array holds stays JSON text, digits and all.
"""

import json
import re
from typing import Any

from msgspec import Struct

_LEAST, _MOST = -(2**63), 2**63 - 1
_DIGITS = len(str(_MOST))
_NAME_CHARACTERS = 100

_LARGE = re.compile(rb":\s*+[0-9-][0-9]*+(?:(?<=[0-9]{19})|[.0-9]*+[eE]\+?[0-9]{3})")
"""A member's number with so many digits before its point, or in its exponent, that it may be too large. With fewer in
its exponent, one beyond a double has as many before its point. Most colons cost one look at the byte behind them.
"""
_FITS = re.compile(rb"[:\s-]+([0-9]{19})(?![0-9.eE])")
_SAMPLE_BYTES, _MANY = 4096, 1 / 25
"""With more colons than this among the first bytes of a block, a look at each of them costs more than a translation."""
_AS_SHAPE = bytes.maketrans(b"123456789+E \t\r-", b"0" * 10 + b"e" + b":" * 4)
_LONG_SHAPE = b":" + b"0" * _DIGITS
_EXPONENT_SHAPE = b"0e000"


class _Unfit(Struct, frozen=True):
    """What is wrong with a number."""

    why: str


def may_overflow(block: bytes) -> bool:
    """Return whether rows may have a number that is too large, as far as that shows without reading them as JSON."""
    sample = min(len(block), _SAMPLE_BYTES)
    if block.count(b":", 0, sample) > sample * _MANY and not _seems_large(block):
        return False
    return any(not _fits(block, found.start()) for found in _LARGE.finditer(block))


def _seems_large(block: bytes) -> bool:
    """Return whether a number may be too large, with each digit taken for 0; what `_LARGE` finds does seem large."""
    shapes = block.translate(_AS_SHAPE)
    at = shapes.find(_LONG_SHAPE)
    while at >= 0:
        if not _fits(block, at):
            return True
        at = shapes.find(_LONG_SHAPE, at + _DIGITS)
    return _EXPONENT_SHAPE in shapes


def _fits(block: bytes, at: int) -> bool:
    """Return whether a member is an integer of as many digits as the largest one of 64 bits, and not above it."""
    found = _FITS.match(block, at)
    return found is not None and found[1] <= b"%d" % _MOST


def fault(row: bytes) -> str:
    """Return which member of a row (valid JSON) has a number that Bulker cannot load, and why; "" without one."""
    if not may_overflow(row):
        return ""
    left: list[tuple[str, Any]] = [("", json.loads(row, parse_int=_integer, parse_float=_real))]
    while left:  # a loop: a row may be nested deeper than calls
        name, value = left.pop()
        if isinstance(value, _Unfit):
            return f"its {name[:_NAME_CHARACTERS]} is {value.why}"
        if isinstance(value, dict):
            left += [(f"{name}.{member}" if name else member, inner) for member, inner in value.items()]
    return ""


def _integer(text: str) -> _Unfit | None:
    # Compared by length first: Python converts no text of more than 4,300 digits.
    digits = len(text.removeprefix("-"))
    if digits < _DIGITS or (digits == _DIGITS and _LEAST <= int(text) <= _MOST):
        return None
    return _Unfit(f"an integer of {digits:,} digits, and Bulker takes those of 64 bits")


def _real(text: str) -> _Unfit | None:
    return _Unfit("beyond the range of a double") if float(text) in _INFINITE else None


_INFINITE = frozenset({float("inf"), float("-inf")})
