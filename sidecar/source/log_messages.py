"""Collect LOG messages undecoded until there are many: decoding each among rows costs most."""

import time
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw

from common.protocol.messages import DECODE_ERRORS, Log, text_of
from sidecar.source import lenient, one_line
from sidecar.source.levels import LEVELS, level_of

_TEXT, _NONE = frozenset({str}), frozenset({None})
_SEAM = b",\n"
"""Between two messages: none holds a line feed, so they come apart without a decoder."""
_ENOUGH_BYTES, _ENOUGH_SECONDS = 256 * 1024, 0.25


class LogBuffer:
    """LOG messages in order; `due` once they have waited long enough."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0
        self._since = 0.0
        self.last: dict[str, str] = {}
        """The last message of ERROR, and of FATAL; without its stack trace."""

    def add(self, raws: Sequence[Raw]) -> None:
        """Add the contents of messages that came together (at least one)."""
        if not self._parts:
            self._since = time.monotonic()
        # One object for all of them: many small ones that live on slow down all later allocations.
        self._parts.append(one_line.join(_SEAM, raws))
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
            usual = usual and _NONE.issuperset([log.stack_trace for log in logs])
        except (*DECODE_ERRORS, AttributeError):
            usual = False
        if not usual:
            yield from self._one_by_one(together.split(_SEAM))
            return
        if not LEVELS.issuperset(levels):
            messages = [_with_level(level, text) for level, text in zip(levels, messages, strict=True)]
            levels = [level_of(level) or "INFO" for level in levels]
        self._keep_last(levels, messages)
        yield levels, messages

    def _keep_last(self, levels: list[str], messages: list[str]) -> None:
        for level in ("ERROR", "FATAL"):
            if level in levels:
                self.last[level] = messages[len(levels) - 1 - levels[::-1].index(level)]

    def _one_by_one(self, raws: list[bytes]) -> Iterator[tuple[list[str], list[str]]]:
        """Decode messages of which one is unusual; those between two empty ones stay together."""
        levels: list[str] = []
        messages: list[str] = []
        for raw in raws:
            if (log := _decode(raw)) is not None:
                self._keep_last([log.level], [log.message])
                levels.append(log.level)
                messages.append("\n".join(filter(None, (log.message, log.stack_trace))))
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
        log = lenient.decode(raw, _log.decode)
    except DECODE_ERRORS:
        return None
    stack_trace = text_of(log.stack_trace)
    if not log.message and type(log.message) is not str:
        return None
    text = log.message if isinstance(log.message, str) else msgspec.json.encode(log.message).decode()
    return Log(level_of(log.level) or "INFO", _with_level(log.level, text), stack_trace)


def _with_level(level: object, text: str) -> str:
    """Return the text, with its level in front if that is unknown."""
    if level_of(level):
        return text
    shown = text_of(level)
    return f"[{shown}] {text}" if shown else text


_decoder, _log = msgspec.json.Decoder(list[Log]), msgspec.json.Decoder(Log)
