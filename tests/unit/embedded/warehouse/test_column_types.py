"""Types that keep every value exactly."""

from decimal import Decimal

import duckdb  # noqa: TID251 - the SQL under test is DuckDB's
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded.warehouse import column_types
from embedded.warehouse.column_types import ColumnType, ValueKinds, choose, is_settled, widen

_connection = duckdb.connect()
_connection.execute("SET TimeZone = 'UTC'")


def _see(*tokens: str, as_moments: bool = True) -> ValueKinds:
    look = column_types.value_kinds_sql("t", "true" if as_moments else "false")
    return ValueKinds(
        _connection.execute(f"SELECT {look} FROM (SELECT unnest(?) AS t)", [list(tokens)]).fetchall()[0][0]
    )


def _read(token: str, kind: str) -> object:
    return _connection.execute(f"SELECT {column_types.value_sql('t', kind)} FROM (SELECT ? AS t)", [token]).fetchall()[
        0
    ][0]


@pytest.mark.parametrize(
    ("token", "seen"),
    [
        ("null", ValueKinds(0)),
        ('"x"', ValueKinds.TEXT),
        ('"null"', ValueKinds.TEXT),
        ("true", ValueKinds.BOOLEAN),
        ("{}", ValueKinds.NESTED),
        ("[1]", ValueKinds.NESTED),
        ("-12", ValueKinds.SAFE_INTEGER),
        ("9007199254740992", ValueKinds.SAFE_INTEGER),
        ("9007199254740993", ValueKinds.INTEGER),
        ("9223372036854775807", ValueKinds.INTEGER),
        ("-9223372036854775808", ValueKinds.INTEGER),
        ("9223372036854775808", ValueKinds.HUGE_INTEGER),
        ("1" * 60, ValueKinds.NUMBER),
        ("1.5", ValueKinds.REAL),
        ("1e5", ValueKinds.REAL),
        ("0.30000000000000004", ValueKinds.REAL),
        ("1.2345678901234566E-7", ValueKinds.REAL),
        ("0.00001234567890123456", ValueKinds.REAL),
        ("0.1234567890123456789", ValueKinds.NUMBER),
        ("1E400", ValueKinds.NUMBER),
        ("1e-400", ValueKinds.NUMBER),
        ('"2026-09-02T10:00:00Z"', ValueKinds.MOMENT),
        ('"2026-09-02 10:00:00.123456+02:00"', ValueKinds.MOMENT),
        ('"2026-09-02T10:00:00"', ValueKinds.MOMENT),
        ('"2026-09-02T10:00:00.123456789Z"', ValueKinds.TEXT),
        ('"2026-02-30T10:00:00Z"', ValueKinds.TEXT),
        ('"2026-09-02"', ValueKinds.TEXT),
    ],
)
def test_a_value_is_seen_as_what_it_is(token, seen):
    """Each JSON text has one kind; borders of the number types and what looks like a date-time included."""
    assert _see(token) == seen


def test_strings_are_moments_only_where_asked():
    """A string column whose values happen to be dates stays one."""
    assert _see('"2026-09-02T10:00:00Z"', as_moments=False) == ValueKinds.TEXT


@given(st.floats(allow_nan=False, allow_infinity=False) | st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_that_a_double_changes_is_not_taken_for_one(number):
    """Whatever is seen as a real number reads back from a DOUBLE with the same value."""
    token = str(number).lower()
    if _see(token) == ValueKinds.REAL:
        assert Decimal(repr(_read(token, ColumnType.DOUBLE))) == Decimal(token)


@given(st.floats(min_value=-1e290, max_value=1e290).filter(lambda x: abs(x) > 1e-290))
def test_numbers_that_come_from_doubles_become_doubles(number):
    """A connector's ordinary floats never make a text column."""
    assert _see(repr(number)) == ValueKinds.REAL


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_reads_back_letter_for_letter(text):
    """Escaped or not, with quotes, backslashes, NULs or combining marks."""
    import json

    for token in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        assert _read(token, ColumnType.VARCHAR) == text


def test_a_new_column_gets_the_narrowest_type_that_keeps_all():
    """By the values alone where the schema says nothing."""
    assert [
        choose(ValueKinds(0)),
        choose(ValueKinds.BOOLEAN),
        choose(ValueKinds.NESTED),
        choose(ValueKinds.NUMBER),
    ] == [
        ColumnType.VARCHAR,
        ColumnType.BOOLEAN,
        ColumnType.JSON,
        ColumnType.VARCHAR,
    ]
    assert choose(ValueKinds.SAFE_INTEGER | ValueKinds.REAL) == ColumnType.DOUBLE
    assert choose(ValueKinds.SAFE_INTEGER | ValueKinds.HUGE_INTEGER) == ColumnType.HUGEINT
    assert choose(ValueKinds.INTEGER | ValueKinds.REAL) == ColumnType.VARCHAR
    assert choose(ValueKinds.NESTED | ValueKinds.TEXT) == ColumnType.VARCHAR


def test_the_schemas_type_is_taken_if_it_keeps_all():
    """Else the next wider one; a date-time that does not parse makes the column text."""
    assert choose(ValueKinds(0), ColumnType.TIMESTAMPTZ) == ColumnType.TIMESTAMPTZ
    assert choose(ValueKinds.SAFE_INTEGER, ColumnType.DOUBLE) == ColumnType.DOUBLE
    assert choose(ValueKinds.INTEGER, ColumnType.DOUBLE) == ColumnType.BIGINT
    assert choose(ValueKinds.REAL, ColumnType.BIGINT) == ColumnType.DOUBLE
    assert choose(ValueKinds.MOMENT | ValueKinds.TEXT, ColumnType.TIMESTAMPTZ) == ColumnType.VARCHAR
    assert choose(ValueKinds.TEXT, ColumnType.JSON) == ColumnType.JSON


def test_a_column_widens_only_as_far_as_it_must():
    """Integers to doubles only while doubles keep the old ones; types of the user's own become text."""
    assert widen("BIGINT", ValueKinds(0), exact_in_double=True) == "BIGINT"
    assert widen("BIGINT", ValueKinds.REAL, exact_in_double=True) == ColumnType.DOUBLE
    assert widen("BIGINT", ValueKinds.REAL, exact_in_double=False) == ColumnType.VARCHAR
    assert widen("DOUBLE", ValueKinds.INTEGER, exact_in_double=True) == ColumnType.VARCHAR
    assert widen("DATE", ValueKinds(0), exact_in_double=True) == "DATE"
    assert widen("DATE", ValueKinds.TEXT, exact_in_double=True) == ColumnType.VARCHAR


@pytest.mark.parametrize("wanted", [None, *ColumnType])
@pytest.mark.parametrize("current", [None, "DATE", *ColumnType])
def test_a_settled_column_has_its_type_whatever_its_values_are(wanted: ColumnType | None, current: str | None) -> None:
    """So they need not be looked at; those of any other column may decide."""
    found = {
        choose(kinds, wanted) if current is None else widen(current, kinds, exact_in_double=False)
        for kinds in map(ValueKinds, range(2 * ValueKinds.NUMBER))
    }
    assert is_settled(wanted, current) == (found == {wanted})


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("100", "DOUBLE", "100"),
        ("1.5", "DOUBLE", "1.5"),
        ("true", "BOOLEAN", "true"),
        ("2026-09-02T10:00:00Z", "TIMESTAMP WITH TIME ZONE", "2026-09-02T10:00:00Z"),
        ("2026-09-02T12:00:00.120+02:00", "TIMESTAMP WITH TIME ZONE", "2026-09-02T10:00:00.12Z"),
    ],
)
def test_old_values_become_text_as_json_would_have_said_them(value, kind, text):
    """So a key that was a number once is still found by its text."""
    widened = column_types.widened_sql("v", kind, ColumnType.VARCHAR)
    assert _connection.execute(f"SELECT {widened} FROM (SELECT CAST(? AS {kind}) AS v)", [value]).fetchall() == [
        (text,)
    ]
