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
_STEPS = (9, 4)
"""In every so-many-th byte alone a long number still shows as a few digits in a row: the wider step costs less, the
narrower one takes few other things for it.
"""
_NAME_CHARACTERS = 100

_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_AS_VALUE = bytes.maketrans(b"123456789 \t\r-", b"0" * 9 + b"::::")
_LONG_INTEGER = b":" + b"0" * _DIGITS
_SAMPLES = tuple((step, b"0" * (_DIGITS // step)) for step in _STEPS)
_INTEGER = re.compile(rb"[: \t\r-]([0-9]+)")


class _Unfit(Struct, frozen=True):
    """What is wrong with a number."""

    why: str


def may_overflow(block: bytes) -> bool:
    """Return whether rows have a number of too many digits, as far as that shows without reading them as JSON.

    It looks at a part of the bytes first: most blocks have no number that is as long.
    """
    if any(digits not in block[::step].translate(_AS_ZERO) for step, digits in _SAMPLES):
        return False
    values = block.translate(_AS_VALUE)
    at = values.find(_LONG_INTEGER)
    while at >= 0:
        found = _INTEGER.match(block, at)
        if found is not None and (len(found[1]) > _DIGITS or found[1] > b"%d" % _MOST):
            return True
        at = values.find(_LONG_INTEGER, at + _DIGITS)
    return False


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
