"""A file whose content changes, and whose comments stay."""

import re
from typing import Any

import pytest
from hypothesis import given

from common.syncs import source
from embedded.syncs import editing
from tests.unit.common.syncs.test_writing import VALUES

TEXT = """\
# The shop's orders.
apiVersion: sync-functions.dev/v1alpha1
kind: Sync
metadata: {name: nightly}   # as in the console
spec:
  image: airbyte/source-faker:7.2.1
  config:
    count: 1_000x  # few
    note: "no"
  # At night.
  schedule: "0 3 * * *"
  after:
  - customers  # first
  - 'on'
"""


def _data(text: str) -> Any:
    return source.read(text.encode())[0].data


def test_nothing_changes_where_nothing_differs():
    """Byte by byte."""
    assert editing.rewrite(TEXT, _data(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("spec", "suspend"), True, TEXT + "  suspend: true\n"),
        (("spec", "schedule"), "@daily", TEXT.replace("0 3 * * *", "@daily")),
        (("spec", "image"), "a/b:1", TEXT.replace("airbyte/source-faker:7.2.1", "a/b:1")),
        (("spec", "config", "count"), "010", TEXT.replace("1_000x", "'010'")),
        (("spec", "config", "note"), "yes", TEXT.replace('"no"', "'yes'")),
        (("spec", "after"), ["customers", "on", "x"], TEXT + "  - x\n"),
        (("metadata", "labels"), {"a": "b"}, TEXT.replace("nightly}", "nightly, labels: {a: b}}")),
    ],
)
def test_comments_stay_beside_what_changes(path: tuple[str, ...], value: Any, expected: str):
    """Order and quotes of the rest, too."""
    document = _data(TEXT)
    inner = document
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    edited = editing.rewrite(TEXT, document)
    assert _data(edited) == document
    assert re.sub(" +#", " #", edited) == re.sub(" +#", " #", expected)


@given(VALUES)
def test_the_document_counts_for_more_than_comments(value: Any):
    """Whatever a part becomes, it is read again as that."""
    document = _data(TEXT)
    document["spec"]["config"] = {"count": value, "more": [value, {"a": value}]}
    edited = editing.rewrite(TEXT, document)
    assert _data(edited) == document
    assert _data(editing.rewrite(edited, _data(TEXT))) == _data(TEXT)


@pytest.mark.parametrize("text", ["", "a: [", "- a\n", "a: &x 1\nb: *x\n"])
def test_a_text_that_cannot_be_edited_is_replaced(text: str):
    """It is no document."""
    assert _data(editing.rewrite(text, _data(TEXT))) == _data(TEXT)
