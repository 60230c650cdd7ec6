"""The decoder: no line can crash it, hang it, or cost a neighbour."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.nesting import MAX_DEPTH
from common.protocol.messages import Message
from sidecar.source import salvage
from sidecar.source.decoding import decode
from sidecar.source.lines import LineReader, TooLong
from sidecar.source.salvage import BadLine, Fault

_PLANT = b'{"type":"RECORD","record":{"stream":"plants","data":{"id":%d}}}'
REAL = [
    b'{"type":"RECORD","record":{"stream":"plants","data":{"id":7,"name":"f\\u00e9rn"},"emitted_at":1790000000000}}',
    b'{"type": "RECORD", "record": {"namespace": "g", "stream": "p", "data": {"n": 1E400, "i": 9223372036854775808}}}',
    (
        b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"p"},"stream_state":{"c":1}},'
        b'"sourceStats":{"recordCount":2.0}}}'
    ),
    (
        b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1.25,"stream_status":'
        b'{"stream_descriptor":{"name":"p"},"status":"COMPLETE"}}}'
    ),
    b'{"type":"LOG","log":{"level":"INFO","message":"50% {\\"type\\":\\"RECORD\\"}"}}',
    b'{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","connectorConfig":{"config":{"a":1}}}}',
]


def _rows(block: bytes) -> list[Any]:
    return [
        _value(bytes(message.record.data))
        for message in decode(block)
        if isinstance(message, Message) and message.record is not None
    ]


def _value(data: bytes) -> Any:
    """Bytes pass through undecoded: a mutated record may be no UTF-8, which its writer refuses later."""
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except ValueError:
        return None


def _bad(block: bytes) -> list[BadLine]:
    return [message for message in decode(block) if isinstance(message, BadLine)]


def _between(line: bytes) -> bytes:
    return _PLANT % 1 + b"\n" + line + b"\n" + _PLANT % 2 + b"\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"type":"RECORD","record":{"stream":"plants","data":{"x":NaN}}}', "NaN is not JSON"),
        (b'{"type":"RECORD","record":{"stream":"plants","data":{"x":-Infinity}}}', "Infinity is not JSON"),
        (b'{"type":"RECORD","record":{"stream":"plants","data":{"x":"\\ud800 alone"}}}', "not valid JSON"),
        (b'{"type":"RECORD","record":{"stream":"plants","data":{"x":"a\x00b"}}}', "not valid JSON"),
        (b'{"type":"RECORD","record":{"stream":"plants","data":{"x":01}}}', "not valid JSON"),
        (b'{"type":"RECORD","record":{"stream":"plants","data":{"x":"\\x"}}}', "not valid JSON"),
        (b'{"type":"RECORD","record":{"stream":"plants","data":{"x":1,}}}', "not valid JSON"),
        (b'{"type":"RECORD","record":{"stream":"plants","data":{"id":5', "not valid JSON"),
        (b'{"type":"RECORD","record":{"stream":"plants","namespace":1,"data":{}}}', "Expected `str | null`, got `int`"),
        (b'50%...{"type":"RECORD","record":{"stream":"plants","data":{"id":5', "not valid JSON"),
    ],
)
@pytest.mark.fault(67)
def test_a_broken_record_costs_itself_alone(line: bytes, why: str) -> None:
    """It is named by its stream and a reason without a piece of it; its neighbours in the block are whole."""
    [bad] = _bad(_between(line))
    assert (bad.fault, bad.text, bad.envelope.stream) == (Fault.BROKEN, "", "plants")
    assert bad.envelope.is_record
    assert why in bad.why
    assert [row["id"] for row in _rows(_between(line))] == [1, 2]


_DEEPEST = (
    (b'{"type":"RECORD","record":{"stream":"plants","data":%b}}', MAX_DEPTH - 2),
    (b'{"type":"RECORD","record":{"stream":"plants","data":{"id":5,"x":%b}}}', MAX_DEPTH - 3),
    (b'{"type":"RECORD","record":{"stream":"plants","data":{"id":5}},"unknown":%b}', MAX_DEPTH - 1),
    (b'{"type":"STATE","state":{"type":"LEGACY","data":%b}}', MAX_DEPTH - 2),
    (b'{"type":"LOG","log":{"level":"INFO","message":%b}}', MAX_DEPTH - 2),
    (b'{"type":"TRACE","trace":{"type":"ERROR","error":{"message":%b}}}', MAX_DEPTH - 3),
    (b'{"type":"CATALOG","catalog":{"streams":%b}}', MAX_DEPTH - 2),
)


def _nested(levels: int, *, as_objects: bool) -> bytes:
    opener, closer = (b'{"a":', b"}") if as_objects else (b"[", b"]")
    return opener * levels + b"1" + closer * levels


@pytest.mark.parametrize("as_objects", [False, True])
@pytest.mark.parametrize("neighbours", [1, 2000, 30_000])
@pytest.mark.parametrize(("pattern", "levels"), _DEEPEST)
@pytest.mark.fault(67)
def test_a_line_may_be_nested_so_deep_and_no_deeper(
    pattern: bytes, levels: int, neighbours: int, *, as_objects: bool
) -> None:
    """A number, for every message and every Python; its neighbours are whole, however many there are."""
    line = pattern % _nested(levels, as_objects=as_objects)
    block = (_PLANT % 1 + b"\n") * neighbours + line + b"\n" + _PLANT % 2 + b"\n"
    assert len(decode(block)) == neighbours + 2
    assert _bad(block) == []
    [bad] = _bad(block.replace(line, pattern % _nested(levels + 1, as_objects=as_objects)))
    assert (bad.fault, bad.why, bad.text) == (Fault.BROKEN, "nested deeper than 1,000 levels", "")
    assert bad.envelope.type == json.loads(pattern % b"1")["type"]
    assert bad.envelope.stream == ("plants" if bad.envelope.is_record else "")
    assert len(decode(block)) == neighbours + 2


@pytest.mark.parametrize("end", [b"}", b"}} {", b"", b"}}" + _PLANT % 5])
def test_what_is_deep_and_broken_is_deep(end: bytes) -> None:
    """What else is wrong with a line is found only by a decoder, which may not have come so far; what is glued to it
    is a message all the same.
    """
    line = b'{"type":"RECORD","record":{"stream":"plants","data":' + b"[" * 5000 + end
    assert [bad.why for bad in _bad(_between(line))] == ["nested deeper than 1,000 levels"]
    assert [row["id"] for row in _rows(_between(line))] == [1, *([5] if end.endswith(b"}}}") else []), 2]


def test_noise_is_noise_however_many_brackets_it_has() -> None:
    """It is words for people; a deep message behind it is refused."""
    for line in (b"[" * 5000, b"[" * 5000 + b"]" * 5000, b"oh {" * 5000):
        [bad] = _bad(_between(line))
        assert (bad.fault, bad.text) == (Fault.NOISE, line.decode())
    deep = _DEEPEST[0][0] % _nested(MAX_DEPTH, as_objects=True)
    [bad] = [bad for bad in _bad(_between(b"99% " + deep)) if bad.envelope.is_record]
    assert bad.fault is Fault.BROKEN


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        pytest.param(_PLANT % 5 + _PLANT % 6, [5, 6], id="two values on a line"),
        pytest.param(_PLANT % 5 + b" \t" + _PLANT % 6, [5, 6], id="with blanks between"),
        pytest.param(b"\xef\xbb\xbf" + _PLANT % 5, [5], id="byte order mark"),
        pytest.param(_PLANT % 5 + b"\r", [5], id="CRLF"),
        pytest.param(b"\r\n \n" + _PLANT % 5 + b"\n\n\t", [5], id="blank lines"),
        pytest.param(b"loading 99%" + _PLANT % 5, [5], id="behind a progress bar"),
        pytest.param((_PLANT % 4)[:50] + _PLANT % 5, [5], id="behind half a record"),
        pytest.param(_PLANT.replace(b"%d", b"NaN") + _PLANT % 5, [5], id="behind a broken record"),
        pytest.param(_PLANT.replace(b"%d", b'5,"id":6'), [6], id="a key twice"),
        pytest.param(b"plain words", [], id="noise"),
        pytest.param(b"[1, 2]", [], id="an array"),
        pytest.param(b"\x00\x00\x00", [], id="NUL"),
    ],
)
def test_lines_that_are_odd_but_readable(line: bytes, ids: list[int]) -> None:
    """Whole messages are taken wherever they stand on a line; what is around them is kept apart."""
    assert [row["id"] for row in _rows(_between(line))] == [1, *ids, 2]


def test_a_value_over_several_lines_is_not_one_message() -> None:
    """A line is a line: else what is read would depend on how the output was cut, and a row would hold a line feed."""
    pretty = json.dumps(json.loads(REAL[0]), indent=1).encode()
    assert [row["id"] for row in _rows(_between(pretty))] == [1, 2]
    assert [bad.fault for bad in _bad(_between(pretty)) if bad.envelope.is_record] == [Fault.BROKEN]


def test_a_record_without_a_readable_stream_is_still_a_record() -> None:
    """It is counted as lost, not shrugged off; one without any record is only odd."""
    [lost] = _bad(b'{"type":"RECORD","record":{"stream":5,"data":{"id":1}}}\n')
    assert (lost.fault, lost.envelope.is_record, lost.envelope.stream) == (Fault.BROKEN, True, "")
    [odd] = _bad(b'{"type":"RECORD","record":{}}\n')
    assert odd.fault is Fault.FOREIGN


def test_reasons_and_texts_never_hold_a_row() -> None:
    """Of what may be a record only the envelope is kept."""
    for start in (b"", b"noise ", b"\xef\xbb\xbf"):
        for line in (REAL[0][:-9], REAL[0].replace(b"7", b"NaN"), REAL[0].replace(b'"name"', b'"\\x"')):
            for bad in _bad(start + line + b"\n"):
                assert "name" not in bad.text + bad.why
                assert "rn" not in bad.text


_mutation = st.tuples(st.integers(0, 250), st.sampled_from(["cut", "flip", "insert", "double"]), st.integers(0, 255))


def _mutate(line: bytes, mutations: list[tuple[int, str, int]]) -> bytes:
    for where, kind, byte in mutations:
        head, tail, new = line[:where], line[where:], bytes([byte])
        line = head + {"cut": tail[1:], "flip": new + tail[1:], "insert": new + tail, "double": tail[:9] + tail}[kind]
    return line.replace(b"\n", b"")


@settings(deadline=None)
@given(st.sampled_from(REAL), st.lists(_mutation, max_size=4))
@example(REAL[0], [(0, "insert", 0xEF)])
def test_a_mutated_message_never_costs_a_neighbour(line: bytes, mutations: list[tuple[int, str, int]]) -> None:
    """Whatever is done to a real line, the records before and after it are decoded, and nothing is raised."""
    ids = [row.get("id") for row in _rows(_between(_mutate(line, mutations))) if isinstance(row, dict)]
    assert (ids[0], ids[-1]) == (1, 2)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([*REAL, b"{", b'{"type":', b"\xef\xbb\xbf"]), max_size=8))
def test_any_bytes_are_decoded_without_an_exception(pieces: list[bytes]) -> None:
    """Any block ends in messages and bad lines."""
    for message in decode(b"\n".join(pieces) + b"\n"):
        assert isinstance(message, Message | BadLine)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(REAL) | st.binary(max_size=20) | st.sampled_from([b'{"a":', b"1}", b"", b"\r", b"{}{}"]),
        max_size=10,
    ),
    st.lists(st.integers(0, 2000), max_size=10),
)
def test_what_is_decoded_does_not_depend_on_the_cuts(lines: list[bytes], cuts: list[int]) -> None:
    """In one block or in many, the same messages come out in the same order."""
    data = b"\n".join(lines)
    borders = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = LineReader()
    blocks = [block for left, right in pairwise(borders) for block in reader.feed(data[left:right])] + reader.flush()
    cut = [str(message) for block in blocks if not isinstance(block, TooLong) for message in _shown(block)]
    assert cut == [str(message) for message in _shown(data + b"\n")]


def _shown(block: bytes) -> list[Any]:
    return [
        (message.type, message.record and bytes(message.record.data), bytes(message.state))
        if isinstance(message, Message)
        else message
        for message in decode(block)
    ]


@pytest.mark.parametrize("salvager", salvage.SALVAGERS)
def test_each_salvager_takes_the_lines_that_it_shows(salvager: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those before it pass them on; one line has one salvager."""
    taken: list[Any] = []

    def watch(one: Any) -> Any:
        def call(line: bytes, error: Exception | None) -> Any:
            if found := one(line, error):
                taken.append(one)
            return found

        return call

    monkeypatch.setattr(salvage, "SALVAGERS", [watch(one) for one in salvage.SALVAGERS])
    examples = re.findall(r"`([^`]+)`", salvager.__doc__)
    assert examples
    for line in examples:
        taken.clear()
        assert salvage.decode_line(line.encode())
        assert taken[-1] is salvager
