"""Messages over several lines, in bounded memory."""

import pytest

from sidecar.source import joining
from sidecar.source.joining import LineJoiner
from sidecar.source.salvage import BadLine


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
