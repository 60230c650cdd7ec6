"""LOG messages, kept as they came until there are many to look at: in the midst of rows each look costs most."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from common.protocol.messages import DECODE_ERRORS, Log
from sidecar.source import lenient

LEVELS = frozenset({"INFO", "WARN", "ERROR", "DEBUG", "FATAL", "TRACE"})
_TEXT = frozenset({str})
_SEAM = b",\n"
"""Between two of them: no line has a line feed, so that they come apart without a decoder. It might not take, with more
of a stack in use, what it took when they came.
"""
_ENOUGH_BYTES, _ENOUGH_SECONDS = 256 * 1024, 0.25


class LogBuffer:
    """In order; `due` says when they have waited long enough."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0
        self._since = 0.0

    def add(self, raws: Sequence[Raw]) -> None:
        """The contents of messages that came together (at least one)."""
        if not self._parts:
            self._since = time.monotonic()
        # One object for all of them: small ones that live on make what is dropped around them slow to make anew.
        self._parts.append(_SEAM.join(raws))
        self._bytes += len(self._parts[-1])

    @property
    def due(self) -> bool:
        """Whether it is time to take them."""
        return self._bytes > _ENOUGH_BYTES or (bool(self._parts) and time.monotonic() - self._since > _ENOUGH_SECONDS)

    def take(self) -> Iterator[tuple[list[str], list[str]]]:
        """Levels and messages of all that came since the last time; empty ones stand for one that says nothing."""
        if not self._parts:
            return
        together = _SEAM.join(self._parts)
        self._parts, self._bytes = [], 0
        try:
            said: list[Any] = _decoder.decode(b"[%b]" % together)
            levels, messages = [log.level for log in said], [log.message for log in said]
            usual = _TEXT.issuperset(map(type, levels)) and _TEXT.issuperset(map(type, messages))
        except (*DECODE_ERRORS, AttributeError):
            usual = False
        if not usual:
            yield from _one_by_one(together.split(_SEAM))
            return
        known = LEVELS.issuperset(levels)
        yield (levels if known else [level if level in LEVELS else "INFO" for level in levels]), messages


def _one_by_one(raws: list[bytes]) -> Iterator[tuple[list[str], list[str]]]:
    """Where one of them is odd; those between two that say nothing stay together."""
    levels, messages = [], []
    for raw in raws:
        if (log := _odd(raw)) is not None:
            levels.append(log.level)
            messages.append(log.message)
            continue
        if messages:
            yield levels, messages
        yield [], []
        levels, messages = [], []
    if messages:
        yield levels, messages


def _odd(raw: bytes) -> Log | None:
    """One of them, with bytes that are no text or members of unexpected types; None where it says nothing."""
    try:
        log = msgspec.json.decode(lenient.readable(raw), type=Log)
    except DECODE_ERRORS:
        return None
    if not log.message and type(log.message) is not str:
        return None
    text = log.message if isinstance(log.message, str) else msgspec.json.encode(log.message).decode()
    return Log(log.level if log.level in tuple(LEVELS) else "INFO", text)


_decoder = msgspec.json.Decoder(list[Log])
