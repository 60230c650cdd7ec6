"""The line reader: however a stream is cut, the same lines, within a bound of memory."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.source.lines import LINE_BYTES, RECORD_BYTES, LineReader, TooLong

RECORD = b'{"type":"RECORD","record":{"stream":"plants","data":{"name":"'
STATE = b'{"type":"STATE","state":{"data":"'
_line = st.one_of(
    st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from([b"", b"{}", b"\r", b"   ", b'{"type":"LOG"}', RECORD[:40], STATE[:40], b"x" * 30, b"{" * 50]),
)


def _read(reader: LineReader, chunks: list[bytes]) -> list[bytes | TooLong]:
    """Every line by itself, in order."""
    out: list[bytes | TooLong] = []
    for blocks in [*map(reader.feed, chunks), reader.flush()]:
        for block in blocks:
            if isinstance(block, TooLong):
                out.append(block)
            else:
                assert block.endswith(b"\n")
                out += [line + b"\n" for line in block[:-1].split(b"\n")]
    return out


@settings(deadline=None)
@given(st.lists(_line, max_size=12), st.booleans(), st.lists(st.integers(0, 400), max_size=30))
def test_any_chunking_gives_the_same_lines(lines: list[bytes], ended: bool, cuts: list[int]) -> None:
    """Cut anywhere, or byte by byte, or not at all: the same lines, and the same ones are too long."""
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    cut = [data[left:right] for left, right in pairwise(borders)]
    bytewise = [data[at : at + 1] for at in range(len(data))]
    whole = _read(LineReader(20, 45), [data])
    assert _read(LineReader(20, 45), cut) == whole
    assert _read(LineReader(20, 45), bytewise) == whole


@settings(deadline=None)
@given(st.lists(_line, max_size=12), st.lists(st.integers(0, 400), max_size=30))
def test_without_limits_in_reach_nothing_is_lost_or_added(lines: list[bytes], cuts: list[int]) -> None:
    """The blocks, put together, are the stream; a last line gets the line feed that it lacks."""
    data = b"\n".join(lines)
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = LineReader()
    blocks = [block for left, right in pairwise(borders) for block in reader.feed(data[left:right])] + reader.flush()
    text = b"".join(block for block in blocks if isinstance(block, bytes))
    assert text in {data, data + b"\n"} or (not lines[-1].strip() and text == data[: len(data) - len(lines[-1])])


@pytest.mark.parametrize("chunk", [4096, 65536, 1024 * 1024])
def test_a_record_over_its_limit_is_passed_over_with_its_size(chunk: int) -> None:
    """The neighbours are whole; the head still names the stream; the size is the line's, exactly."""
    long = RECORD + b"x" * (RECORD_BYTES + 5000) + b'"}}}'
    data = b'{"a":1}\n' + long + b'\n{"b":2}\n'
    got = _read(LineReader(), [data[at : at + chunk] for at in range(0, len(data), chunk)])
    assert got[0] == b'{"a":1}\n'
    assert got[2] == b'{"b":2}\n'
    assert isinstance(got[1], TooLong)
    assert got[1].size == len(long)
    assert got[1].head.startswith(RECORD)


def test_a_state_may_be_longer_than_a_record() -> None:
    """Up to 64 MB; then it is passed over too."""
    fits = STATE + b"x" * (RECORD_BYTES * 2) + b'"}}\n'
    chunks = [fits[at : at + 1_000_000] for at in range(0, len(fits), 1_000_000)]
    assert _read(LineReader(), chunks) == [fits]
    reader = LineReader()
    got = [block for _ in range(LINE_BYTES // 1_000_000 + 2) for block in reader.feed(STATE + b"x" * 1_000_000)]
    [line] = got + reader.feed(b"\n")
    assert isinstance(line, TooLong)
    assert line.size > LINE_BYTES


@pytest.mark.fault(44)
def test_a_line_without_end_is_never_held() -> None:
    """100 MB of noise without a line feed, some of it in tiny pieces: a few megabytes of memory at most."""
    reader = LineReader()
    piece = b"x" * 1_000_000
    tracemalloc.start()
    try:
        for _ in range(100):
            assert reader.feed(piece) == []
        for _ in range(2_000):
            reader.feed(b"y")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * RECORD_BYTES
    [line] = reader.feed(b"\n")
    assert line == TooLong(b"x" * 65536, 100_002_000)


def test_a_long_line_in_tiny_pieces_costs_its_size() -> None:
    """A connector that writes byte by byte: no object is kept for each byte."""
    reader = LineReader()
    tracemalloc.start()
    try:
        for _ in range(20_000):
            reader.feed(b"x")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 100_000


def test_a_last_line_needs_no_line_feed() -> None:
    """It is given with one; blanks alone do not count."""
    reader = LineReader()
    assert reader.feed(b'{"a":1}\n{"b":2}') == [b'{"a":1}\n']
    assert reader.flush() == [b'{"b":2}\n']
    assert reader.flush() == []
    assert LineReader().feed(b"") == []
    reader.feed(b"  \r")
    assert reader.flush() == []
