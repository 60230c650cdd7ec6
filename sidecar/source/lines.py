"""Split a byte stream into whole lines with bounded memory."""

from msgspec import Struct

from sidecar.source import scan

RECORD_BYTES = 2 * 1024 * 1024
"""A longer RECORD line could not be sent anyway: Bulker takes 1,048,575 bytes."""
LINE_BYTES = 64 * 1024 * 1024
"""States and catalogs may be long, but not longer."""


class TooLong(Struct, frozen=True):
    """A line that was skipped: its first bytes and its whole length (without the line feed)."""

    head: bytes
    size: int


class LineReader:
    """Turn chunks into blocks of whole lines (each ends in a line feed), and notes on lines that are too long.

    However the stream is cut into chunks, the lines are the same. A line that ends in the chunk it began in is not
    measured: chunks are shorter than any limit.
    """

    def __init__(self, record_bytes: int = RECORD_BYTES, line_bytes: int = LINE_BYTES) -> None:
        self._record_bytes, self._line_bytes = record_bytes, line_bytes
        self._rest = bytearray()
        self._allowed = record_bytes
        self._head = b""
        self._skipped = 0
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """Return the lines that this chunk completes, in order."""
        out: list[bytes | TooLong] = []
        while len(chunk) > self._record_bytes:
            out += self._feed(chunk[: self._record_bytes])
            chunk = chunk[self._record_bytes :]
        return out + self._feed(chunk)

    def flush(self) -> list[bytes | TooLong]:
        """Return the rest at the end of the stream: a last line without its line feed."""
        if self._skipping:
            return [self._end_skip(0)]
        rest = bytes(self._rest)
        self._start_line()
        return [rest + b"\n"] if rest.strip() else []

    def _feed(self, chunk: bytes) -> list[bytes | TooLong]:
        out: list[bytes | TooLong] = []
        if self._rest and not self._skipping:
            first = chunk.find(b"\n")
            self._check_length(memoryview(chunk)[: first if first >= 0 else len(chunk)])
        if self._skipping:
            end = chunk.find(b"\n")
            if end < 0:
                self._skipped += len(chunk)
                return out
            out.append(self._end_skip(end))
            chunk = chunk[end + 1 :]
        cut = chunk.rfind(b"\n") + 1
        if cut:
            # One copy, whether or not a line began in the chunk before.
            out.append(b"".join((self._rest, memoryview(chunk)[:cut])))
            self._start_line()
        if cut < len(chunk):
            self._rest += memoryview(chunk)[cut:]
        return out

    def _check_length(self, more: memoryview) -> None:
        """Skip a record (or noise) that grows over its limit; let other messages grow further."""
        if len(self._rest) + len(more) <= self._allowed:
            return
        head = bytes(self._rest[: scan.SCAN_BYTES])
        head = (head + bytes(more[: scan.SCAN_BYTES]))[: min(scan.SCAN_BYTES, self._record_bytes)]
        if scan.opens(head) and not scan.read(head).is_record:
            self._allowed = self._line_bytes
            if len(self._rest) + len(more) <= self._allowed:
                return
        self._head, self._skipped, self._skipping = head, len(self._rest), True
        self._rest = bytearray()

    def _end_skip(self, more: int) -> TooLong:
        line = TooLong(self._head, self._skipped + more)
        self._head, self._skipped, self._skipping = b"", 0, False
        self._allowed = self._record_bytes
        return line

    def _start_line(self) -> None:
        # A new bytearray: clearing would keep a long line's memory.
        self._rest, self._allowed = bytearray(), self._record_bytes
