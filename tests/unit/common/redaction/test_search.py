"""Of many secrets only a few are searched for in a text, and none is missed."""

import json
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import redaction
from common.redaction import search
from common.redaction.search import MASK, Forms

_LETTERS = random.Random(7)
MANY = ["".join(_LETTERS.choices(string.ascii_letters + string.digits, k=40)) for _ in range(5_000)]


@pytest.mark.fault(438)
def test_of_many_few_are_searched_for() -> None:
    """A line of a log holds next to none of them."""
    forms = Forms(MANY)
    text = "2026-01-01 INFO some words of a line, and https://example.com/x?y=z\n" * 500
    assert len(forms.candidates(text)) < len(MANY) / 50
    assert forms.mask(text) == text
    assert not forms.occur(text)


@pytest.mark.fault(438)
def test_none_of_many_is_missed() -> None:
    """Wherever it stands, and if one is a part of another."""
    text = "".join(f"{'.' * (number % 5)}{secret}" for number, secret in enumerate(MANY[:300]))
    masked = Forms([*MANY, MANY[0][:20], MANY[1] + MANY[2]]).mask(text)
    assert set(masked) == {"*", "."}


@given(
    secrets=st.lists(st.text("ab1-", min_size=4, max_size=9), min_size=1, max_size=8),
    text=st.text("ab1- .", max_size=60),
)
def test_the_index_finds_what_a_search_for_each_finds(secrets: list[str], text: str) -> None:
    """Short texts, short secrets, words, and parts of each other."""
    few = Forms(secrets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_FEW", 0)
        many = Forms(secrets)
    assert many.mask(text) == few.mask(text)
    assert many.occur(text) == few.occur(text)
    assert many.ordered == few.ordered


@pytest.mark.parametrize("text", ["", "a", "abc"])
def test_texts_that_are_shorter_than_any_secret_stay(text: str) -> None:
    assert Forms(MANY).mask(text) == text


def test_a_redactor_of_many_masks_all_spellings() -> None:
    """As a connector that renews thousands of tokens makes it."""
    secret = 'with "quotes" & 50% of it'
    redactor = redaction.of_config(b"{}")
    redactor.learn_change(json.dumps({"tokens": {"secret": [secret, *MANY[:1500]]}}).encode())
    for spelling in (secret, secret.replace('"', '\\"'), "with%20%22quotes%22%20%26%2050%25%20of%20it", MANY[1499]):
        assert redactor.redact(f"got {spelling}, then") == f"got {MASK}, then"
