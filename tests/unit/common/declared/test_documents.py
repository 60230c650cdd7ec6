"""What is answered about documents that cannot be used."""

import pytest

from common.declared.documents import Problem, unusable


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        ("expected true or false", "spec.x: expected true or false. Nothing was written."),
        ("expected UTC; did you mean UTC?", "spec.x: expected UTC; did you mean UTC? Nothing was written."),
        ("expected one of them.", "spec.x: expected one of them. Nothing was written."),
    ],
)
def test_an_answer_has_one_full_stop_between_its_sentences(problem: str, text: str) -> None:
    """Whatever the last problem ends with."""
    assert unusable([Problem(0, ("spec", "x"), "spec.x", problem)]).message == text
