"""Messages over several lines, in bounded memory."""

import json

import pytest

from common.protocol.messages import Message
from sidecar.source import joining
from sidecar.source.joining import LineJoiner
from sidecar.source.salvage import BadLine, decode_line


@pytest.mark.fault(285)
def test_lines_that_are_held_count_beside_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state of very short lines takes many times its text: it is given up by what it takes, and no line is logged."""
    monkeypatch.setattr(joining, "LINE_BYTES", 256 * 1024)
    joiner = LineJoiner()
    assert list(joiner.decode(b'{"type":"STATE","state":{"data":{"a":[\n')) == []
    [given_up, *_] = joiner.decode(b"1,\n" * 40_000)
    assert isinstance(given_up, BadLine)
    assert given_up.envelope.type == "STATE"


def test_a_message_of_a_line_for_each_number_is_read() -> None:
    """JSON for people has short lines too."""
    text = b'{"type":"STATE","state":{"data":{"a":[\n' + b"1,\n" * 2_000 + b"1\n]}}}\n"
    [message] = LineJoiner().decode(text)
    assert not isinstance(message, BadLine)
    assert bytes(message.state).count(b"1") == 2_001


@pytest.mark.fault(438)
def test_the_lines_of_an_object_are_not_decoded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would fail, and be looked at by all that mends lines; the object is decoded when it is whole."""
    decoded: list[bytes] = []

    def counted(line: bytes) -> list[Message | BadLine]:
        decoded.append(line)
        return decode_line(line)

    monkeypatch.setattr(joining, "decode_line", counted)
    data = {"id": 1, "list": [{"a": "b"}, "c"], "nested": {"x": {"y": None}}}
    text = json.dumps({"type": "RECORD", "record": {"stream": "plants", "data": data}}, indent=2)
    [message] = LineJoiner().decode(text.encode() + b"\n")
    assert isinstance(message, Message)
    assert message.record is not None
    assert json.loads(bytes(message.record.data)) == data
    assert len(decoded) < 5  # of 18
