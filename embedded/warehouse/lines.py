"""Blocks of whole lines, with Bulker's limit for a line."""

from collections.abc import Callable, Iterator

from common.errors import BadRequest

LINE_BYTES = 1_048_575
"""Bulker's limit for one row."""
PIECE_BYTES = 256 * 1024
"""Bytes of one read; less than LINE_BYTES, so that only the first line of a piece can be too long."""

Read = Callable[[int], bytes]


def line_blocks(read: Read) -> Iterator[bytes]:
    """Yield blocks of whole lines without the last line feed. Raise BadRequest for a line over the limit.

    `read` returns up to that many bytes, and b"" only at the regular end of the body.
    """
    waiting: list[bytes] = []
    waiting_bytes = 0
    while piece := read(PIECE_BYTES):
        first, last = piece.find(b"\n"), piece.rfind(b"\n")
        waiting_bytes += len(piece) if first < 0 else first
        if waiting_bytes > LINE_BYTES:
            raise BadRequest(f"scanner error: token too long: a line is longer than {LINE_BYTES:,} bytes")
        if last < 0:
            waiting.append(piece)
            continue
        yield b"".join((*waiting, memoryview(piece)[:last]))
        waiting = [piece[last + 1 :]]
        waiting_bytes = len(waiting[0])
    if waiting_bytes:
        yield b"".join(waiting)
