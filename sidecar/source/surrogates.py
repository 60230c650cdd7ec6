r"""Unpaired surrogates: JSON may hold them, msgspec refuses them, and a state must come back as it came.

While a message is decoded each is replaced by an escape of the same length that the message does not hold
(`\ud83d` by `\ue53d`), and put back into the part that is kept.
"""

import re

_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|\\u([dD][89a-fA-F])([0-9a-fA-F]{2})|\\."
)
_STAND_INS = re.compile(rb"\\u([eE][0-9a-d])([0-9a-fA-F]{2})|\\.")
_HALVES = b"89abcdefABCDEF"
_TAKEN = b"0123456789abcd"
"""The second digit of a half, and of its stand-in: its case has to come back too."""
_THERE, _BACK = bytes.maketrans(b"dD", b"eE"), bytes.maketrans(b"eE", b"dD")


def stand_in(text: bytes) -> bytes:
    """Return JSON with a stand-in for each half; unchanged without halves, or if the text holds a stand-in."""
    if any(found[1] for found in _STAND_INS.finditer(text)):
        return text
    return _ESCAPES.sub(lambda found: _swap(found, _THERE, _HALVES, _TAKEN), text)


def restore(text: bytes) -> bytes:
    """Return the text that `stand_in` got, or a part of it."""
    return _STAND_INS.sub(lambda found: _swap(found, _BACK, _TAKEN, _HALVES), text)


def _swap(found: re.Match[bytes], first: bytes, second: bytes, instead: bytes) -> bytes:
    if found[1] is None:
        return found[0]
    digit = second.index(found[1][1:])
    return b"\\u" + found[1][:1].translate(first) + instead[digit : digit + 1] + found[2]
