"""A document that is written and read again."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from common.syncs import source, writing

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.from_regex(
    r"[-+0-9._eExo:~=<noyaftrulsNY #|>&*!%@`\n\t]{1,8}", fullmatch=True
)
_INTEGERS = st.integers(-(2**63), 2**63 - 1)
_SCALARS = st.none() | st.booleans() | _INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS
VALUES: Any = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(_TEXTS, VALUES, min_size=1, max_size=4))
@example({"\x85": "a\u2028b\x85", "plain": "c\u2029"})
def test_what_is_written_is_read_again(document: dict[str, Any]):
    """Whatever words, numbers and characters it holds."""
    [read] = source.read(writing.dump(document).encode())
    assert read.data == document


def test_a_document_reads_well():
    """Lists indented, texts without needless quotes, those of several lines as blocks."""
    text = """\
spec:
  image: airbyte/source-faker:7.2.1
  schedule: '30'
  query: |-
    SELECT 1
    FROM a
  after:
    - a
    - 'no'
"""
    assert writing.dump(source.read(text.encode())[0].data) == text
