"""The one table of reasons: complete, and as the contract tells it."""

import re

import pytest

from common import failures
from common.failures import POLICIES, Failure, FailureKind, FailureOrigin
from tests.support.docs import CONTRACT


def _row(number: str) -> str:
    [line] = [line for line in CONTRACT.splitlines() if line.startswith(f"| {number} |")]
    return line


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_says_whose_fault_it_is_and_what_to_do(kind: FailureKind) -> None:
    """All fields are there, and the advice is a sentence of its own."""
    policy = POLICIES[kind]
    assert policy.origin in FailureOrigin
    assert re.fullmatch(r"[A-Z`].*\.", policy.advice)
    shown = Failure(kind, "It ended.").as_json()
    assert set(shown) == {"kind", "origin", "message", "advice", "retryable"}
    assert all(value not in {"", None} for value in shown.values())


_OF_READS = {FailureKind.INCOMPLETE, FailureKind.ROWS_REFUSED, FailureKind.STATE_LOST}


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - _OF_READS))
def test_advice_about_states_and_streams_names_the_read(kind: FailureKind) -> None:
    """A spec, a check and a discovery end by the same kinds, and have neither."""
    advice = POLICIES[kind].advice
    assert "a read" in advice or not re.search(r"states?\b|streams?\b", advice)


def test_a_sentence_gives_its_advice_once() -> None:
    """An installer's message may have it already, and more than it."""
    name, advice = FailureKind.IMAGE_NAME, "heck the image's name and tag"
    assert Failure(name, "No such package").sentence == f"No such package; c{advice}."
    longer = f"No such package. C{advice}, or map it."
    assert Failure(name, longer).sentence == longer


def test_the_contract_lists_the_kinds_by_their_origin() -> None:
    """A47, kind by kind."""
    listed: dict[str, set[str]] = {}
    text = _row("A47").split("|")[2]
    for origin, names in re.findall(r"of the (\w+): ([a-z_, ]+)", text.replace("kinds of the", "of the")):
        listed[origin] = {name.strip() for name in names.split(",")}
    known = {str(origin): {str(k) for k in FailureKind if POLICIES[k].origin is origin} for origin in FailureOrigin}
    assert listed == known


def test_the_contract_lists_what_is_started_again() -> None:
    """F31, kind by kind; what the user or a bad configuration causes never is."""
    listed = re.search(r"`retryable` \(([a-z_, ]+)\)", _row("F31"))
    assert listed is not None
    assert set(listed[1].split(", ")) == {str(kind) for kind in FailureKind if POLICIES[kind].retry}
    assert not any(policy.retry for policy in POLICIES.values() if policy.origin is FailureOrigin.USER)


def test_a_connector_s_own_word_and_its_exit_code_map_to_kinds() -> None:
    """The protocol's failure types; exit codes if it sent none."""
    types = ["config_error", "transient_error", "system_error", None, "news"]
    found = [failures.of_trace(word) for word in types]
    assert found == [FailureKind.CONFIG_ERROR, FailureKind.TRANSIENT_ERROR, *[FailureKind.SOURCE_ERROR] * 3]
    codes = [failures.of_exit(code) for code in (1, 2, 143, 137, None)]
    assert codes == [*[FailureKind.SOURCE_EXIT] * 3, *[FailureKind.SOURCE_KILLED] * 2]


def test_a_sentence_says_what_happened_and_then_what_to_do() -> None:
    """For the caller's tables, which have one text."""
    text = Failure(FailureKind.OUT_OF_MEMORY, "source ran out of memory at 2Gi.").sentence
    assert text == "source ran out of memory at 2Gi; raise SYNCCTL_SOURCE_MEMORY_LIMIT, or give a read fewer streams."
