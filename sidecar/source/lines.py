"""Splits a byte stream into whole lines with bounded memory: `feed(chunk)` and `flush()`, nothing else."""

from msgspec import Struct

from sidecar.source import scan

RECORD_BYTES = 2 * 1024 * 1024
"""A longer RECORD line could not be sent anyway: Bulker takes 1,048,575 bytes."""
LINE_BYTES = 64 * 1024 * 1024
"""States and catalogs may be long, but not longer."""


class TooLong(Struct, frozen=True):
    """A line that was passed over: its first bytes and its whole length (without the line feed)."""

    head: bytes
    size: int


class LineReader:
    """Feed it chunks; get blocks of whole lines (each ends in a line feed), and notes on what was too long.

    However the stream is cut into chunks, the lines are the same. One that ends in the chunk it began in is not
    measured: chunks are shorter than any limit.
    """

    def __init__(self, record_bytes: int = RECORD_BYTES, line_bytes: int = LINE_BYTES) -> None:
        self._record_bytes = record_bytes
        self._line_bytes = line_bytes
        self._rest = bytearray()
        self._head = b""
        self._skipped = 0
        self._skipping = False
        self._allowed = record_bytes

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """The lines that this chunk completes, in order."""
        out: list[bytes | TooLong] = []
        while len(chunk) > self._record_bytes:
            out += self._feed(chunk[: self._record_bytes])
            chunk = chunk[self._record_bytes :]
        return out + self._feed(chunk)

    def flush(self) -> list[bytes | TooLong]:
        """What is left at the end of the stream: a last line without its line feed."""
        if self._skipping:
            return [self._end_skip(0)]
        rest = bytes(self._rest)
        self._forget()
        return [rest + b"\n"] if rest.strip() else []

    def _feed(self, chunk: bytes) -> list[bytes | TooLong]:
        out: list[bytes | TooLong] = []
        if self._rest and not self._skipping:
            first = chunk.find(b"\n")
            self._judge(memoryview(chunk)[: first if first >= 0 else len(chunk)])
        if self._skipping:
            end = chunk.find(b"\n")
            if end < 0:
                self._skipped += len(chunk)
                return out
            out.append(self._end_skip(end))
            chunk = chunk[end + 1 :]
        cut = chunk.rfind(b"\n") + 1
        if cut:
            # One copy, whether a line goes on from the chunk before or not.
            out.append(b"".join((self._rest, memoryview(chunk)[:cut])))
            self._forget()
        if cut < len(chunk):
            self._rest += memoryview(chunk)[cut:]
        return out

    def _judge(self, more: memoryview) -> None:
        """Where a line grows over its limit: a record (or noise) is passed over, others may grow further."""
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

    def _forget(self) -> None:
        # A new one: clearing would keep a long line's memory.
        self._rest, self._allowed = bytearray(), self._record_bytes
