"""Messages over several lines: some connectors print JSON for people."""

import re
from collections.abc import Sequence

from common.protocol.messages import Message
from sidecar.source import scan
from sidecar.source.decoding import decode_plain
from sidecar.source.lines import LINE_BYTES
from sidecar.source.salvage import MESSAGE_TYPES, BadLine, Fault, decode_line

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_PAYLOADS = frozenset({"RECORD", "STATE", "CONTROL"})
"""Messages of which no piece may get into a log: rows, states, configurations."""
_DATA = frozenset({"RECORD", "STATE", "TRACE"})
_PIECE = re.compile(rb'\s*["{}\[\]]|.*[,{}\[\]]\s*$', re.DOTALL)
"""A line that may be a part of JSON for people, and not one of a traceback behind it."""

_LINE_MEMORY = 64
"""What a line that is held takes beside its text: of two bytes each, 64 MiB of them would be 1.4 GB."""


class LineJoiner:
    """Join the lines of an object that one line opens and a later one closes.

    If that is no message, or another one begins before its end, the lines count one by one; but those of a message that
    is known by its type are refused as one.
    """

    def __init__(self) -> None:
        self.alone = False
        """Whether a row, a state or a trace had a line to itself: then a state behind words may be a quotation."""
        self._held: list[bytes] = []
        self._depth = self._size = 0

    def decode(self, block: bytes) -> Sequence[Message | BadLine]:
        """Return the messages of a block of whole lines, in order; lines of an open object are held back."""
        if not self._held and (messages := decode_plain(block)) is not None:
            self.alone = self.alone or any(message.type in _DATA for message in messages)
            return messages
        return [message for line in block.split(b"\n") for message in self._take(line)]

    def flush(self) -> list[Message | BadLine]:
        """Return what the lines are that are held back."""
        held, self._held, self._depth, self._size = self._held, [], 0, 0
        return _one_by_one(held) if held else []

    def _take(self, line: bytes) -> Sequence[Message | BadLine]:
        if not self._held:
            return self._begin(line)
        if not scan.bare(line):
            return []
        if self._is_apart(line):
            return [*self.flush(), *self._begin(line)]
        return self._hold(line, _rise(line))

    def _begin(self, line: bytes) -> Sequence[Message | BadLine]:
        messages = decode_line(line)
        if messages and not self.alone:
            self.alone = isinstance(messages[0], Message) and messages[0].type in _DATA
        rise = _rise(line) if messages and _may_open(line, messages) else 0
        return self._hold(line, rise) if rise > 0 else messages

    def _hold(self, line: bytes, rise: int) -> Sequence[Message | BadLine]:
        self._held.append(line)
        self._depth += rise
        self._size += len(line)
        return [] if self._depth > 0 and self._has_room() else self._close()

    def _is_apart(self, line: bytes) -> bool:
        """Return whether a line is none of the object that is held: it is its own message, or JSON forbids it there."""
        first, last = scan.bare(line)[:1], self._held[-1].rstrip()[-1:]
        if len(self._held) == 1 and last == b"{":
            return first not in {b'"', b"}"}
        if first == b"{" and last not in {b"[", b",", b":"}:
            return True
        # Most lines of an object begin so: none of those is decoded for itself.
        return first not in {b'"', b"[", b"]", b"}"} and _has_type(decode_line(line))

    def _has_room(self) -> bool:
        """Return whether to go on: not long for what shows no type, since its lines wait for the log."""
        if self._size <= scan.SCAN_BYTES:
            return True
        before = self._size - len(self._held[-1])
        known = before > scan.SCAN_BYTES or scan.read(b"\n".join(self._held)).type in MESSAGE_TYPES
        return known and self._size + len(self._held) * _LINE_MEMORY <= LINE_BYTES

    def _close(self) -> Sequence[Message | BadLine]:
        joined = b"\n".join(self._held)
        messages = decode_line(joined) if self._depth == 0 else []
        if not messages or not _has_type(messages):
            return self.flush()
        self._held, self._depth, self._size = [], 0, 0
        return messages


def _has_type(messages: Sequence[Message | BadLine]) -> bool:
    """Return whether text is one or more messages, readable or not; words before them do not matter."""
    kinds = [message.type if isinstance(message, Message) else message.envelope.type for message in messages]
    noise = [isinstance(message, BadLine) and message.fault is Fault.NOISE for message in messages]
    return not all(noise) and all(kind in MESSAGE_TYPES or words for kind, words in zip(kinds, noise, strict=True))


def _one_by_one(held: list[bytes]) -> list[Message | BadLine]:
    """Return the lines of an object that does not end: a message by its type, and the words behind it."""
    bad = decode_line(b"\n".join(held))[0]
    if len(held) == 1 or not isinstance(bad, BadLine) or bad.envelope.type not in MESSAGE_TYPES:
        return [message for line in held for message in decode_line(line)]
    hidden = bad.envelope.type in _PAYLOADS
    rest = (message for line in held[1:] if not (hidden and _PIECE.match(line)) for message in decode_line(line))
    return [bad, *(message for message in rest if isinstance(message, BadLine) and message.fault is Fault.NOISE)]


def _may_open(line: bytes, messages: Sequence[Message | BadLine]) -> bool:
    """Return whether a line may be the first of several, by what it is alone; words may stand before the object."""
    [first, *more] = messages
    if more or not isinstance(first, BadLine):
        return False
    return first.fault is Fault.BROKEN or (first.fault is Fault.NOISE and line.rstrip()[-1:] == b"{")


def _rise(line: bytes) -> int:
    """Return how many brackets a line leaves open; strings cannot span lines."""
    rest = _STRING.sub(b"", line)
    return rest.count(b"{") + rest.count(b"[") - rest.count(b"}") - rest.count(b"]")
