"""Unpaired surrogates: whatever a state holds, it is decoded and comes back as it was."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.source import surrogates

_PIECES = st.sampled_from(
    [
        r"\ud800",
        r"\uDBFF",
        r"\udc00",
        r"\uDfFf",
        r"\ud83d\ude00",
        r"\\",
        r"\\ud800",
        r"\n",
        r"\u0000",
        r"\"",
        "d800",
        "e0",
    ]
)


@given(st.lists(_PIECES, max_size=12))
def test_any_text_is_decoded_and_restored(pieces: list[str]) -> None:
    """Case and all; everything else stays."""
    text = ('{"c":"' + "".join(pieces) + '"}').encode()
    changed = surrogates.stand_in(text)
    assert len(changed) == len(text)
    assert surrogates.restore(changed) == text
    msgspec.json.decode(changed)
    if not any("\ud800" <= c <= "\udfff" for c in json.loads(text)["c"]):
        assert changed == text


@pytest.mark.parametrize("taken", [rb"\ue000", rb"\uEdff"])
def test_where_a_stand_in_is_in_use_nothing_is_changed(taken: bytes) -> None:
    """It could not be distinguished afterwards: such a state is reported as unreadable."""
    text = b'{"c":"\\ud800 ' + taken + b'"}'
    assert surrogates.stand_in(text) == text
