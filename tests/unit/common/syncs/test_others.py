"""Syncs beside those that exist."""

from collections.abc import Sequence
from typing import Any

import pytest

from common.syncs import others
from common.syncs.others import Link


def _found(new: Sequence[Link], existing: Sequence[Link] = ()) -> list[tuple[str, tuple[Any, ...]]]:
    return [(name, path) for name, path, _ in others.findings(new, existing)]


def test_an_id_belongs_to_one_sync():
    """Whether it is another's name or syncId; a sync that is written again does not stand in its own way."""
    there = [Link("a", "tables"), Link("b", "b")]
    assert _found([Link("c", "tables")], there) == [("c", ("spec", "syncId"))]
    assert _found([Link("c", "b")], there) == [("c", ("spec", "syncId"))]
    assert _found([Link("a", "tables")], there) == []
    assert _found([Link("a", "a"), Link("c", "tables")], there) == []
    assert _found([Link("c", "x"), Link("d", "x")]) == [("c", ("spec", "syncId")), ("d", ("spec", "syncId"))]


def test_a_circle_is_found_through_others():
    """Once, at one of those that are written; a circle that is there already is nobody's who changes another sync."""
    there = [Link("a", "a", ("b",)), Link("b", "b", ("c",))]
    assert _found([Link("c", "c", ("a",))], there) == [("c", ("spec", "after"))]
    assert _found([Link("c", "c", ("d",))], there) == []
    assert _found([Link("a", "a"), Link("c", "c", ("a",))], there) == []
    closed = [*there, Link("c", "c", ("a",))]
    assert _found([Link("x", "x", ("a",))], closed) == []


@pytest.mark.parametrize(
    "spec", [None, [], {"after": "b"}, {"after": None, "syncId": None}, {"after": [1, {"x": 2}]}, {"syncId": 5}]
)
def test_a_document_that_nobody_has_checked_is_read(spec: Any):
    """As a home may hold it: one bad sync must not stop the others."""
    assert Link.of_document({"metadata": {"name": "a"}, "spec": spec}).name == "a"


def test_what_starts_after_a_sync_is_found():
    """By name."""
    links = [Link("b", "b", ("a",)), Link("c", "c", ("b",)), Link("a2", "a2", ("x", "a"))]
    assert others.started_by("a", links) == ["a2", "b"]
