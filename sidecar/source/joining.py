"""Messages over several lines: some connectors print a result as JSON for people."""

import re
from collections.abc import Iterator

from common.protocol.messages import Message
from sidecar.source import scan
from sidecar.source.decoding import decode
from sidecar.source.lines import LINE_BYTES
from sidecar.source.salvage import BadLine

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_TYPES = frozenset({"RECORD", "STATE", "LOG", "TRACE", "CONTROL", "SPEC", "CATALOG", "CONNECTION_STATUS"})


class LineJoiner:
    """Join the lines of an object that one line opens and a later one closes.

    If that is no message, or a whole message comes before its end, the lines count one by one.
    """

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._depth = self._size = 0

    def decode(self, block: bytes) -> Iterator[Message | BadLine]:
        """Return the messages of a block of whole lines, in order; lines of an open object are held back."""
        if not self._held:
            messages = decode(block)
            if all(isinstance(message, Message) for message in messages):
                yield from messages
                return
        for line in block.split(b"\n"):
            yield from self._take(line)

    def flush(self) -> Iterator[Message | BadLine]:
        """Return what the lines that are held back are one by one."""
        held, self._held, self._depth, self._size = self._held, [], 0, 0
        for line in held:
            yield from decode(line + b"\n")

    def _take(self, line: bytes) -> Iterator[Message | BadLine]:
        if not self._held and not (scan.opens(line) and _rise(line) > 0):
            yield from decode(line + b"\n")
            return
        if self._held and (whole := _whole(line)):
            yield from self.flush()
            yield from whole
            return
        self._held.append(line)
        self._depth += _rise(line)
        self._size += len(line)
        if self._depth > 0 and self._size <= LINE_BYTES:
            return
        joined = decode(b" ".join(self._held) + b"\n") if self._depth == 0 else []
        if [message for message in joined if isinstance(message, Message) and message.type in _TYPES]:
            self._held, self._size = [], 0
            yield from joined
        else:
            yield from self.flush()


def _whole(line: bytes) -> list[Message]:
    """Return the messages of a line that is complete in itself."""
    messages = decode(line + b"\n") if scan.opens(line) else []
    found = [message for message in messages if isinstance(message, Message) and message.type in _TYPES]
    return found if len(found) == len(messages) else []


def _rise(line: bytes) -> int:
    """Return how many brackets a line leaves open; strings cannot span lines."""
    rest = _STRING.sub(b"", line)
    return rest.count(b"{") + rest.count(b"[") - rest.count(b"}") - rest.count(b"]")
