"""Lines out of a body, whatever pieces it comes in."""

import io

import pytest

from common.errors import BadRequest
from embedded.warehouse.lines import LINE_BYTES, line_blocks


def _cut(body: bytes, size: int) -> list[bytes]:
    stream = io.BytesIO(body)
    return list(line_blocks(lambda most: stream.read(min(most, size))))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_lines_are_whole_wherever_the_pieces_end(size):
    """The same lines come out, whether a piece ends within one, at its end or after it."""
    body = b'{"a":1}\n\n{"b":"22"}\r\n{"c":3}'
    assert b"\n".join(_cut(body, size)) == body


def test_a_last_line_feed_begins_no_line():
    """A body that ends with a line feed has no blank last line."""
    assert _cut(b"{}\n", 100) == [b"{}"]


def test_an_empty_body_has_no_lines():
    """Nothing comes of nothing."""
    assert _cut(b"", 100) == []


@pytest.mark.parametrize("size", [10_000, 256 * 1024])
def test_a_line_may_be_as_long_as_bulkers(size):
    """A line of 1,048,575 bytes passes, one of a byte more is refused, with and without a line feed."""
    longest = b"x" * LINE_BYTES
    assert b"\n".join(_cut(b"{}\n" + longest + b"\n{}", size)) == b"{}\n" + longest + b"\n{}"
    for end in (b"", b"\n{}\n"):
        with pytest.raises(BadRequest, match="scanner error: token too long"):
            _cut(b"{}\n" + longest + b"x" + end, size)
