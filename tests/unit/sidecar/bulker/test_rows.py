"""What cannot be sent is found in a block as in a row alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from sidecar.bulker.client import LINE_BYTES
from sidecar.bulker.rows import fault, is_clean

GOOD = st.sampled_from([b"{}", b'{"id":1}', '{"n":"\u00e9"}'.encode()])
ANY = GOOD | st.sampled_from([b"", b"[]", b"7", b" {}", b"null", b'"{"', b'{"x":"\xff"}'])


@given(st.lists(ANY, min_size=1, max_size=8))
def test_a_block_is_clean_if_each_of_its_rows_is(rows: list[bytes]) -> None:
    """Wherever the bad one stands, and whether rows are empty."""
    assert is_clean([Raw(row) for row in rows], b"\n".join(rows)) == (not any(map(fault, rows)))


@pytest.mark.parametrize("size", [LINE_BYTES, LINE_BYTES + 1])
def test_a_row_over_bulkers_limit_is_found(size: int) -> None:
    """To the byte."""
    row = b'{"pad":"' + b"x" * (size - 10) + b'"}'
    assert is_clean([Raw(row)], row) == (not fault(row)) == (size <= LINE_BYTES)
