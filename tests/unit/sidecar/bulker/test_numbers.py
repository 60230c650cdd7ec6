"""Numbers that Bulker cannot load are found wherever they stand, and no others."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.bulker import numbers

LEAST, MOST = -(2**63), 2**63 - 1
FEW_MEMBERS = b'{"text":"%s"}\n' % (b"x" * 5000)
"""Behind it, each colon of a block is looked at."""


@pytest.mark.parametrize("number", [MOST + 1, LEAST - 1, 2**64, 10**21, -(10**21), 10**22, 10**400])
@pytest.mark.parametrize(
    "row", ['{"n":%s}', '{"n": %s}', '{"n":\t%s,"m":1}', '{"m":-1,"o":{"p":{"n":%s}}}', '{"a":[1,{"b":2}],"n":%s}']
)
@pytest.mark.parametrize("pad", range(4))
def test_an_integer_beyond_64_bits_is_found(row: str, number: int, pad: int) -> None:
    """At the edge and far beyond, in nested objects, with white space, wherever it stands in the block."""
    text = "x" * pad + row.replace("%s", str(number))
    assert numbers.may_overflow(text.encode())
    assert numbers.may_overflow(FEW_MEMBERS + text.encode())
    assert numbers.fault(text[pad:].encode())


HUGE = ["1e400", "-1e309", "1E+400", "1.5e1000", "1e99999999999999999999", "0.000001e400", "1e000000000309", "0.1E310"]


@pytest.mark.parametrize("number", [*HUGE, "1" * 400 + ".0", "-" + "1" * 250 + "e99", "123456789012345678e293"])
@pytest.mark.parametrize(
    "row", ['{"n":%s}', '{"n" : %s }', '{"n":\t%s\r,"m":1}', '{"a":["1e400x"],"o":{"p":{"n":%s}}}']
)
def test_a_number_beyond_a_double_is_found(row: str, number: str) -> None:
    """However it is written."""
    text = row.replace("%s", number).encode()
    assert numbers.may_overflow(text)
    assert numbers.may_overflow(b'{"n":"e"}\n' * 3000 + text)
    assert numbers.may_overflow(FEW_MEMBERS + text)
    assert "is beyond the range of a double" in numbers.fault(text)


@pytest.mark.parametrize("hashes", [1, 5000])
def test_what_looks_like_an_exponent_is_none(hashes: int) -> None:
    """Hashes have digits around an e, and a colon may stand in a text."""
    block = b"\n".join([b'{"id":12,"md5":"1e400f5e1230%x","t":"x: 1e40","e":1e308}' % n for n in range(hashes)])
    for before in (b"", FEW_MEMBERS):
        assert not numbers.may_overflow(before + block.replace(b',"e":1e308', b""))
        assert numbers.may_overflow(before + block + b'\n{"n":1e400}')


@pytest.mark.parametrize("before", [b"", FEW_MEMBERS])
@pytest.mark.parametrize("number", [MOST, 10**18, -MOST, -(10**18)])
def test_a_column_of_long_integers_costs_no_second_look(before: bytes, number: int) -> None:
    """Identifiers of 19 digits in each row are within 64 bits."""
    assert not numbers.may_overflow(before + b'{"id":%d,"t": %d}\n' % (number, number) * 300)


@pytest.mark.parametrize(
    "row",
    [
        *(f'{{"n":{number}}}' for number in ("1.7976931348623157e308", "1e-400", "0e400", "1e0000000001", "-1e+300")),
        '{"n":["1e400",1e400,{"m":-1e400}]}',
        '{"n":"1e400","m":"is 1e400, or 1e400}","1e400":":1e400"}',
        *(f'{{"n":{number}}}' for number in (MOST, LEAST, 10**18, -(10**18), 0)),
        '{"n":[LONG,{"m":LONG}]}',
        '{"n":"LONG","t":"it is: LONG"}',
        '{"t":"\\": LONG"}',
        '{"n":LONG.5,"m":1e21,"o":1E+300,"p":0.LONG}',
        '{"LONG":1}',
        '{"n":LONG,"n":1}',
    ],
)
def test_other_numbers_are_sent(row: str) -> None:
    """What 64 bits hold, doubles, texts, what Bulker keeps as the text of an array, and what a later member replaces."""
    assert numbers.fault(row.replace("LONG", str(10**30)).encode()) == ""


def test_the_member_is_named() -> None:
    """By its path; a long name is cut."""
    assert numbers.fault(b'{"a":{"b":1%s}}' % (b"0" * 21)) == (
        "its a.b is an integer of 22 digits, and Bulker takes those of 64 bits"
    )
    assert len(numbers.fault(b'{"%s":1%s}' % (b"x" * 5000, b"0" * 21))) < 200
    assert "beyond the range of a double" in numbers.fault(b'{"a":1%s.0}' % (b"0" * 400))


_integers = st.integers(-(2**70), 2**70)
_members = st.recursive(
    _integers | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def _overflows(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_overflows, value.values()))
    return isinstance(value, int) and not LEAST <= value <= MOST


@given(st.dictionaries(st.text(max_size=3), _members, max_size=4))
def test_whatever_a_row_holds(row: dict[str, Any]) -> None:
    """As by a reader that looks at each value; a block is searched as its rows are."""
    for text in (json.dumps(row), json.dumps(row, separators=(",", ":"), ensure_ascii=False)):
        raw = text.encode("utf-8", "surrogatepass")
        assert bool(numbers.fault(raw)) == _overflows(row)
        assert numbers.may_overflow(raw + b"\n{}") or not _overflows(row)
        assert numbers.may_overflow(FEW_MEMBERS + raw) or not _overflows(row)
