"""What an unreadable line says about itself."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.source import scan
from sidecar.source.scan import Envelope

RECORD = b'{"type":"RECORD","record":{"stream":"plants","namespace":"garden","data":'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (RECORD + b'{"a":NaN}}}', Envelope("RECORD", "plants", "garden", data=True)),
        (RECORD + b'{"type":"STATE","stream":"inner","a":NaN}}}', Envelope("RECORD", "plants", "garden", data=True)),
        (
            b'{"record" : {"data":{"x":[1,{"stream":"no"}]},"stream":"after_complete"}, "type":"RECORD"}',
            Envelope("RECORD", "after_complete", "", data=True),
        ),
        (b'{"record":{"stream":"untyped","data":{}}', Envelope("RECORD", "untyped", "", data=True)),
        (b'\xef\xbb\xbf {"type": "RECORD", "record": {"stream": "p"', Envelope("RECORD", "p")),
        (b'{"type":"STATE","state":{"stream":"x"}}', Envelope("STATE")),
        (b'{"type":"RECORD","record":null}', Envelope("RECORD")),
        (b'{"type":"RECORD","record":{"stream":null,"data":{}}}', Envelope("RECORD", data=True)),
        (b'{"type":"RECORD","record":{"stream":"a\\u00e9\\"\\\\b","data":1}', Envelope("RECORD", 'aé"\\b', data=True)),
        (b'{"type":"RECORD","record":{"stream":"\xff","data":1}', Envelope("RECORD", "\ufffd", data=True)),
        (b'{"type":"LOG","log":{"message":"{\\"record\\":{\\"stream\\":\\"x\\"}}"', Envelope("LOG")),
        (b'{"type":["RECORD"],"record":[{"stream":"x"}]', Envelope("RECORD")),
        (b"}}}]]:::,,,", Envelope()),
        (b"", Envelope()),
    ],
)
def test_the_two_outer_levels(line: bytes, expected: Envelope) -> None:
    """Type, stream and namespace, in whatever order and however broken the rest; never those of the row."""
    assert scan.read(line) == expected


_name = st.text(min_size=1, max_size=8)
_value = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(_name, inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(_name, st.none() | _name, st.dictionaries(_name, _value, max_size=4), st.booleans(), st.booleans())
def test_it_agrees_with_json(name: str, namespace: str | None, data: Any, ascii_only: bool, data_first: bool) -> None:
    """For every whole record, what it finds is what a JSON decoder would."""
    inner = {"data": data, "stream": name} if data_first else {"stream": name, "data": data}
    if namespace is not None:
        inner = {"namespace": namespace} | inner
    line = json.dumps({"type": "RECORD", "record": inner}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = scan.read(line)
    assert (found.type, found.data) == ("RECORD", True)
    if not data_first:
        assert (found.stream, found.namespace) == (name, namespace or "")


@pytest.mark.parametrize(
    "evil",
    [
        b'"' + b'\\"' * 32_000,
        b'{"a":' * 13_000,
        b'{"a":' + b"[" * 60_000,
        b"[" * 30_000 + b'"k":"v",' * 4_000,
        b'{"k":"' + b"\\" * 60_000,
        b'""' * 32_000,
    ],
)
def test_no_line_takes_long_or_much(evil: bytes) -> None:
    """Unclosed strings and deep nesting: linear work, and no path is kept per level (else this takes minutes)."""
    for _ in range(3):
        assert scan.read(evil).stream == ""


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception(line: bytes) -> None:
    """Whatever it is, it has an envelope, perhaps an empty one."""
    assert isinstance(scan.read(line), Envelope)
