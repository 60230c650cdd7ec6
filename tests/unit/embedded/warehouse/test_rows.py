"""Lines that are rows, rows that are refused alone, and lines that end a request."""

import pytest

from common.errors import BadRequest
from common.nesting import MAX_DEPTH
from embedded.warehouse.rows import RefusedRow, decode, decode_carefully, find_nested


def _reasons(*lines: bytes) -> list[str]:
    return [str(row) if isinstance(row, RefusedRow) else "" for row in decode_carefully(list(lines), 1)]


def test_a_row_that_no_table_can_keep_is_refused_alone():
    """Its neighbours are rows; the reason says what is wrong and nothing of the row."""
    deep = b'{"secret":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"
    assert _reasons(b'{"a":1}', b'{"secret":"\xff"}', b'{"secret":"\\ud800"}', deep, b'{"a":2}\r') == [
        "",
        "its text is not UTF-8",
        "it holds half of a surrogate pair, which no text can keep",
        "it is nested deeper than 1,000 levels",
        "",
    ]


@pytest.mark.parametrize("opener", [b'{"secret":', b"["])
def test_a_row_may_be_nested_so_deep_and_no_deeper(opener):
    """A number, whichever Python reads it, and whatever else is wrong behind it."""
    closer = b"}" if opener.startswith(b"{") else b"]"
    for levels, more in ((MAX_DEPTH - 1, ""), (MAX_DEPTH, "it is nested deeper than 1,000 levels")):
        inside = opener * levels + b"1" + closer * levels
        assert _reasons(b'{"secret":' + inside + b"}", b' {"a":1,"secret":' + inside + b"}\r") == [more, more]
    assert _reasons(b'{"secret":' + opener * MAX_DEPTH) == ["it is nested deeper than 1,000 levels"]
    with pytest.raises(BadRequest, match="line 1 is not a JSON object"):
        _reasons(b"[" + opener * MAX_DEPTH + closer * MAX_DEPTH + b"]")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "unmarhsal error: line 1 is blank"),
        (b" \r", "unmarhsal error: line 1 is blank"),
        (b"null", "unmarhsal error: line 1 is not a JSON object"),
        (b"[1]", "unmarhsal error: line 1 is not a JSON object"),
        (b'{"secret":1', "unmarhsal error: line 1 is not a JSON object"),
        (b'{"secret":NaN}', "unmarhsal error: line 1 is not a JSON object"),
        (b'{"secret":1} {"secret":2}', "unmarhsal error: line 1 is not a JSON object"),
        (b'"\xff"', "unmarhsal error: line 1 is neither UTF-8 nor a JSON object"),
        (b"ABORT", "aborted: "),
        (b"ABORT it", "aborted: "),
    ],
)
def test_a_line_that_is_no_object_ends_the_request(line, words):
    """Bulker's words, the line's number, and nothing of the line."""
    with pytest.raises(BadRequest, match=words) as caught:
        _reasons(line)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (b'{"meta":{"id":7}}', b"7"),
        (b'{"meta_id":1,"meta":{"id":7}}', b"1"),
        (b'{"meta":5,"me":{"ta_id":8}}', None),
        (b'{"meta":5,"me":{"ta":{"id":8}}}', None),
        (b'{"meta":{"other":1}}', None),
        (b'{"meta":"{"}', None),
        (b"{}", None),
    ],
)
def test_a_nested_key_is_found_by_its_joined_name(row, value):
    """`meta_id` is the key of that name, else `id` in `meta`, and nothing else."""
    found = find_nested(decode(row), "meta_id")
    assert (None if found is None else bytes(found)) == value


def test_a_nested_key_is_found_whatever_its_own_parts_hold():
    """Parts that hold an underscore themselves, several levels down."""
    row = decode(b'{"a":{"x":1},"a_b":{"c":{"d_e":9}}}')
    assert bytes(find_nested(row, "a_b_c_d_e") or b"") == b"9"
