"""Limit how deep JSON may be nested: to the same number on every Python.

Decoders recurse, and end in a RecursionError where the interpreter's stack does: at 1,000 levels on Python 3.11, at
1,500 on 3.12, at 10,000 on 3.13, by the bytes of the thread's stack on 3.14. So whatever others wrote is measured
before it counts as read: deeper than MAX_DEPTH is refused, and the interpreter has room for all the rest.
"""

import sys
from itertools import accumulate

MAX_DEPTH = 1_000
"""Levels of objects and arrays; the outermost one is the first."""

# Python 3.11 counts a decoder's levels and Python's own calls together, and stops at 1,000 by itself. Our own code
# takes up to two calls a level; the last third is for its callers.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 3 * MAX_DEPTH))

_LONG_BYTES = 2 * MAX_DEPTH
"""JSON that is deeper is longer: each level takes its two brackets."""
_STEP_BRACKETS = 512
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b'{}[]"'))
_RISE = {ord("["): 1, ord("]"): -1}


class TooDeep(RecursionError):
    """JSON that is nested deeper than MAX_DEPTH, on any Python. Its text goes behind "it is"."""

    def __init__(self) -> None:
        super().__init__(f"nested deeper than {MAX_DEPTH:,} levels")


def check(text: bytes) -> None:
    """Raise TooDeep if a text is nested deeper than MAX_DEPTH, valid JSON or not."""
    if is_deep(text):
        raise TooDeep


def is_deep(text: bytes) -> bool:
    """Return whether a text is nested deeper than MAX_DEPTH, valid JSON or not; brackets within strings do not count.

    Takes time by the text's length alone, and none of the stack.
    """
    if _count_openers(text) <= MAX_DEPTH:
        return False
    brackets = _find_brackets(text)
    depth = 0
    for start in range(0, len(brackets), _STEP_BRACKETS):
        step = brackets[start : start + _STEP_BRACKETS]
        openers = step.count(b"[")
        if depth + openers > MAX_DEPTH and max(accumulate(map(_RISE.__getitem__, step), initial=depth)) > MAX_DEPTH:
            return True
        depth += 2 * openers - len(step)
    return False


def _find_brackets(text: bytes) -> bytes:
    """Return the brackets outside of strings, braces as square ones; without a step of Python's for each string."""
    if b"\\" in text and b'\\"' in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Without two quotes in a row all that stays within a string is within one still: the number before it stays even
    # or odd. What is left are strings with brackets.
    left = text.translate(_ONE_KIND, _OTHERS).replace(b'""', b"")
    return b"".join(left.split(b'"')[::2]) if b'"' in left else left


def any_is_deep(block: bytes, lines: list[bytes]) -> bool:
    """Return whether one of a block's lines is nested deeper than MAX_DEPTH; each line is valid JSON, or blank.

    Brackets are counted only in lines that are long enough to be deep, and in all of them at once if they seem few.
    """
    longest = max(map(len, lines), default=0)
    if longest <= _LONG_BYTES:
        return False
    if _count_openers(lines[0]) * len(lines) <= MAX_DEPTH:
        arrays = _count(block, b"[")
        if not _has_room(longest, arrays) or arrays + _count(block, b"{") <= MAX_DEPTH:
            return False
    return any(is_deep(line) for line in lines if len(line) > _LONG_BYTES and _may_be_deep(line))


def _may_be_deep(line: bytes) -> bool:
    return len(line) > 5 * MAX_DEPTH or _has_room(len(line), _count(line, b"["))


def _has_room(size: int, arrays: int) -> bool:
    """Return whether so many bytes with so many "[" can be deep: a level takes 2 bytes, as an object 5 (`{"":}`)."""
    return size + 3 * arrays > 5 * MAX_DEPTH


def _count_openers(text: bytes) -> int:
    return _count(text, b"[") + _count(text, b"{")


def _count(text: bytes, bracket: bytes) -> int:
    # Many times faster than bytes.count, which looks at each byte.
    return len(text) - len(text.replace(bracket, b""))
