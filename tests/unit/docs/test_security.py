"""docs/explanation/security.md says what is so: every claim names a test, and every test that it names exists."""

import re
from collections import Counter

import pytest

from tests.support.docs import ROOT, rows

SECURITY = (ROOT / "docs/explanation/security.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`(test_\w+)`")


def _tests() -> Counter[str]:
    """All tests there are, by name."""
    found = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return Counter(name for text in found for name in re.findall(r"^\s*def (test_\w+)", text, re.MULTILINE))


def test_every_test_that_is_named_exists() -> None:
    """Once, so that a name leads to one test."""
    tests = _tests()
    assert {name: tests[name] for name in _NAMED.findall(SECURITY) if tests[name] != 1} == {}


@pytest.mark.parametrize("claim", rows(SECURITY), ids=lambda row: row[0][:40])
def test_every_claim_is_shown_by_a_test(claim: list[str]) -> None:
    """No row of a table without one."""
    assert _NAMED.findall(claim[-1]), claim
