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
_SHORT_LINES_BYTES = 400
"""Lines shorter than this on average are hopped over by the dozen rather than measured one by one."""
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

    For blocks that are decoded at the speed of memory: only lines that are long enough are looked at, and of those
    only the ones with enough brackets. `bytes.replace` counts many times faster than `bytes.count`.
    """
    if len(lines) * _SHORT_LINES_BYTES > len(block) and not _has_long_line(block):
        return False
    if not lines or (_count_openers(lines[0]) * len(lines) <= MAX_DEPTH and _count_openers(block) <= MAX_DEPTH):
        return False
    # A level takes two bytes as an array, five as an object (its key is at least `"":`). So a line of b bytes, a of
    # them "[", is deeper than MAX_DEPTH only if b + 3 * a is more than five times that.
    suspects = [
        line
        for line in lines
        if len(line) > 5 * MAX_DEPTH
        or (len(line) > _LONG_BYTES and 4 * len(line) - 3 * len(line.replace(b"[", b"")) > 5 * MAX_DEPTH)
    ]
    return any(map(is_deep, suspects))


def _has_long_line(block: bytes) -> bool:
    """Return whether a line is long enough to be deep, by a look at every 2,000th byte or so."""
    start, last = 0, len(block) - _LONG_BYTES
    rfind = block.rfind
    while start < last:
        end = rfind(b"\n", start, start + _LONG_BYTES + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _count_openers(text: bytes) -> int:
    return 2 * len(text) - len(text.replace(b"[", b"")) - len(text.replace(b"{", b""))
