"""Makes screenshots small: a picture of few colours, as a page is, needs one byte a pixel, and compresses well."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_MAGIC = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256


def shrunk(png: bytes) -> bytes:
    """Return a PNG of 8-bit RGB with a palette instead: its 256 most frequent colours, others by the nearest of them."""
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    if (depth, kind) not in {(8, 2), (8, 6)}:
        raise ValueError(f"a PNG of kind {kind} with {depth} bits")
    rows = _rows(
        zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), width, 3 if kind == 2 else 4
    )
    pixels = [[row[at : at + 3] for at in range(0, len(row), 3 if kind == 2 else 4)] for row in rows]
    counts = Counter(pixel for row in pixels for pixel in row)
    palette = [colour for colour, _ in counts.most_common(_COLOURS)]
    index = {colour: number for number, colour in enumerate(palette)}
    index |= {colour: _nearest(colour, palette) for colour in counts.keys() - index.keys()}
    data = b"".join(b"\0" + bytes(index[pixel] for pixel in row) for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    return _MAGIC + b"".join(_chunk(name, part) for name, part in parts)


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    def distance(number: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(colour, palette[number], strict=True))

    return min(range(len(palette)), key=distance)


def _rows(data: bytes, width: int, size: int) -> Iterator[bytes]:
    """Undo the filters: https://www.w3.org/TR/png/#9Filters."""
    length, before = width * size, bytes(width * size)
    for start in range(0, len(data), length + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + length])
        if kind:
            _unfilter(kind, row, before, size)
        before = bytes(row)
        yield before


def _unfilter(kind: int, row: bytearray, before: bytes, size: int) -> None:
    for at, up in enumerate(before):
        left, corner = (row[at - size], before[at - size]) if at >= size else (0, 0)
        guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
        row[at] = (row[at] + guess) & 255


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    return min((left, up, corner), key=lambda value: abs(estimate - value))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_MAGIC)
    while at < len(png):
        [length] = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
