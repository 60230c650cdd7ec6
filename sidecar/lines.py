"""Splits a byte stream into whole lines with bounded memory: `feed(chunk)` and `flush()`, nothing else."""

from msgspec import Struct

from sidecar import envelope

RECORD_BYTES = 2 * 1024 * 1024
"""A longer RECORD line could not be sent anyway: Bulker takes 1,048,575 bytes."""
LINE_BYTES = 64 * 1024 * 1024
"""States and catalogs may be long, but not longer."""


class TooLong(Struct, frozen=True):
    """A line that was passed over: its first bytes and its whole length."""

    head: bytes
    size: int


class LineReader:
    """Feed it chunks; get blocks of whole lines (each ends in a line feed), and notes on what was too long."""

    def __init__(self, record_bytes: int = RECORD_BYTES, line_bytes: int = LINE_BYTES) -> None:
        self._record_bytes = record_bytes
        self._line_bytes = line_bytes
        self._parts: list[bytes] = []
        self._held = 0
        self._head = b""
        self._skipped = 0
        self._skipping = False
        self._allowed = record_bytes

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """The lines that this chunk completes, in order."""
        out: list[bytes | TooLong] = []
        if self._skipping:
            end = chunk.find(b"\n")
            if end < 0:
                self._skipped += len(chunk)
                return out
            out.append(self._end_skip(end))
            chunk = chunk[end + 1 :]
        cut = chunk.rfind(b"\n") + 1
        if cut:
            out.append(b"".join((*self._parts, chunk[:cut])) if self._parts else chunk[:cut])
            self._forget()
            chunk = chunk[cut:]
        if chunk:
            self._parts.append(chunk)
            self._held += len(chunk)
            if self._held > self._allowed:
                self._judge()
        return out

    def flush(self) -> list[bytes | TooLong]:
        """What is left at the end of the stream: a last line without its line feed."""
        if self._skipping:
            return [self._end_skip(0)]
        rest = b"".join(self._parts)
        self._forget()
        return [rest + b"\n"] if rest.strip() else []

    def _judge(self) -> None:
        """A line grew over its limit: a record (or noise) is passed over, others may grow further."""
        head = b"".join(self._parts)[: envelope.SCAN_BYTES]
        may_grow = head.lstrip()[:1] == b"{" and not envelope.read(head).is_record
        if may_grow and self._held <= self._line_bytes:
            self._allowed = self._line_bytes
            return
        held = self._held
        self._forget()
        self._head, self._skipped, self._skipping = head, held, True

    def _end_skip(self, more: int) -> TooLong:
        line = TooLong(self._head, self._skipped + more)
        self._head, self._skipped, self._skipping = b"", 0, False
        return line

    def _forget(self) -> None:
        self._parts, self._held, self._allowed = [], 0, self._record_bytes
