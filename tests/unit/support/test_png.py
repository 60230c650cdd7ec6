"""tests/support/png.py, which makes the documents' pictures small."""

import struct
import zlib

import pytest

from tests.support import png

_FILTERED = {0: (10, 20, 30, 13, 23, 33), 1: (10, 20, 30, 3, 3, 3), 4: (10, 20, 30, 3, 3, 3)}
"""A row of two pixels, as the filters none, left and Paeth write it below nothing."""


def _png(row: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(row)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


@pytest.mark.parametrize("kind", _FILTERED)
def test_a_picture_keeps_its_colours(kind: int) -> None:
    """Whatever filter its rows had."""
    small = png.shrunk(_png(bytes([kind, *_FILTERED[kind]])))
    assert b"PLTE" + bytes([10, 20, 30, 13, 23, 33]) in small
    at = small.index(b"IDAT")
    [length] = struct.unpack(">I", small[at - 4 : at])
    assert zlib.decompress(small[at + 4 : at + 4 + length]) == b"\0\0\1"


def test_other_kinds_of_pictures_are_refused() -> None:
    """It reads what a browser's screenshot is."""
    with pytest.raises(ValueError, match="16 bits"):
        png.shrunk(_png(b"\0").replace(struct.pack(">IIBB", 2, 1, 8, 2), struct.pack(">IIBB", 2, 1, 16, 2)))
