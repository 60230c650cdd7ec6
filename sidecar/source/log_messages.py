"""Collect LOG messages undecoded until there are many: decoding each among rows costs most."""

import time
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw

from common.protocol.messages import DECODE_ERRORS, Log
from sidecar.source import lenient

LEVELS = frozenset({"INFO", "WARN", "ERROR", "DEBUG", "FATAL", "TRACE"})
_TEXT = frozenset({str})
_SEAM = b",\n"
"""Between two messages: a line holds no line feed, so they come apart without a decoder."""
_ENOUGH_BYTES, _ENOUGH_SECONDS = 256 * 1024, 0.25


class LogBuffer:
    """LOG messages in order; `due` once they have waited long enough."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0
        self._since = 0.0

    def add(self, raws: Sequence[Raw]) -> None:
        """Add the contents of messages that came together (at least one)."""
        if not self._parts:
            self._since = time.monotonic()
        # One object for all of them: many small ones that live on slow down all later allocations.
        self._parts.append(_SEAM.join(raws))
        self._bytes += len(self._parts[-1])

    @property
    def due(self) -> bool:
        """Whether it is time to take them."""
        return self._bytes > _ENOUGH_BYTES or (bool(self._parts) and time.monotonic() - self._since > _ENOUGH_SECONDS)

    def take(self) -> Iterator[tuple[list[str], list[str]]]:
        """Yield levels and messages since the last time; a pair of empty lists stands for an empty message."""
        if not self._parts:
            return
        together = _SEAM.join(self._parts)
        self._parts, self._bytes = [], 0
        try:
            logs = _decoder.decode(b"[%b]" % together)
            levels, messages = [log.level for log in logs], [log.message for log in logs]
            usual = _TEXT.issuperset(map(type, levels)) and _TEXT.issuperset(map(type, messages))
        except (*DECODE_ERRORS, AttributeError):
            usual = False
        if not usual:
            yield from _one_by_one(together.split(_SEAM))
            return
        known = LEVELS.issuperset(levels)
        yield (levels if known else [level if level in LEVELS else "INFO" for level in levels]), messages


def _one_by_one(raws: list[bytes]) -> Iterator[tuple[list[str], list[str]]]:
    """Decode messages of which one is unusual; those between two empty ones stay together."""
    levels: list[str] = []
    messages: list[str] = []
    for raw in raws:
        if (log := _decode(raw)) is not None:
            levels.append(log.level)
            messages.append(log.message)
            continue
        if messages:
            yield levels, messages
        yield [], []
        levels, messages = [], []
    if messages:
        yield levels, messages


def _decode(raw: bytes) -> Log | None:
    """Return a message with bytes that are no text, or members of unexpected types; None if it is empty."""
    try:
        log = msgspec.json.decode(lenient.readable(raw), type=Log)
    except DECODE_ERRORS:
        return None
    if not log.message and type(log.message) is not str:
        return None
    text = log.message if isinstance(log.message, str) else msgspec.json.encode(log.message).decode()
    return Log(log.level if log.level in tuple(LEVELS) else "INFO", text)


_decoder = msgspec.json.Decoder(list[Log])
