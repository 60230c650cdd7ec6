"""The kinds of a request's values, and the column type that keeps all of them exactly.

A type is taken only if every value reads back from it as it came, text otherwise. A column's type only ever widens:
integers, numbers, text.
"""

from collections.abc import Iterable
from enum import IntFlag, StrEnum

_SAFE = 2**53
"""Larger integers share doubles."""


class ColumnType(StrEnum):
    """The types of columns, as DuckDB names them."""

    BOOLEAN = "BOOLEAN"
    BIGINT = "BIGINT"
    HUGEINT = "HUGEINT"
    DOUBLE = "DOUBLE"
    TIMESTAMPTZ = "TIMESTAMP WITH TIME ZONE"
    JSON = "JSON"
    VARCHAR = "VARCHAR"


class ValueKinds(IntFlag):
    """The kinds of one column's values, nulls apart; computed in SQL (`value_kinds_sql`)."""

    TEXT = 1
    MOMENT = 2  # a string that a TIMESTAMPTZ keeps: a date and a time, at most microseconds
    BOOLEAN = 4
    NESTED = 8
    SAFE_INTEGER = 16  # a BIGINT that a double keeps too
    INTEGER = 32  # any other BIGINT
    HUGE_INTEGER = 64
    REAL = 128  # a double reads back as it
    NUMBER = 256  # no number type keeps it: too large, too small, or too many digits


_KEEPS = {
    ColumnType.BOOLEAN: ValueKinds.BOOLEAN,
    ColumnType.BIGINT: ValueKinds.SAFE_INTEGER | ValueKinds.INTEGER,
    ColumnType.HUGEINT: ValueKinds.SAFE_INTEGER | ValueKinds.INTEGER | ValueKinds.HUGE_INTEGER,
    ColumnType.DOUBLE: ValueKinds.SAFE_INTEGER | ValueKinds.REAL,
    ColumnType.TIMESTAMPTZ: ValueKinds.MOMENT,
    ColumnType.JSON: ~ValueKinds(0),
    ColumnType.VARCHAR: ~ValueKinds(0),
}
_KEEP_ALL = {kept for kept, kinds in _KEEPS.items() if kinds == ~ValueKinds(0)}
_INFERRED = (ColumnType.BOOLEAN, ColumnType.BIGINT, ColumnType.HUGEINT, ColumnType.DOUBLE)
_DECLARED = {
    ColumnType.BIGINT: (ColumnType.BIGINT, ColumnType.HUGEINT, ColumnType.DOUBLE),
    ColumnType.DOUBLE: (ColumnType.DOUBLE, ColumnType.BIGINT, ColumnType.HUGEINT),
}
_WIDER = {
    ColumnType.BIGINT: (ColumnType.BIGINT, ColumnType.HUGEINT, ColumnType.DOUBLE),
    ColumnType.HUGEINT: (ColumnType.HUGEINT, ColumnType.DOUBLE),
}
_BY_NUMBER = {
    1: ColumnType.BOOLEAN,
    2: ColumnType.BIGINT,
    3: ColumnType.DOUBLE,
    4: ColumnType.VARCHAR,
    5: ColumnType.TIMESTAMPTZ,
    6: ColumnType.JSON,
}


def declared(number: int) -> ColumnType | None:
    """Return the type that a number of X-Jitsu-Schema asks for; None if it leaves that to the values."""
    return _BY_NUMBER.get(number)


def choose(kinds: ValueKinds, wanted: ColumnType | None = None) -> ColumnType:
    """Return the type of a column without values so far; `wanted` is the schema's."""
    if wanted is not None:
        return _first(_DECLARED.get(wanted, (wanted,)), kinds)
    if kinds == ValueKinds.NESTED:
        return ColumnType.JSON
    return _first(_INFERRED if kinds else (), kinds)


def is_settled(wanted: ColumnType | None, current: str | None) -> bool:
    """Return whether a column's type is `wanted` whatever its values are; `current` is None for a new column."""
    return wanted in _KEEP_ALL and current in {None, wanted}


def widen(current: str, kinds: ValueKinds, *, exact_in_double: bool) -> str:
    """Return the type of a column of type `current` that gets values of `kinds`.

    `exact_in_double`: a double keeps each of its integers. Another type than ours (the user altered the table) becomes
    text with its first new value.
    """
    if not kinds:
        return current
    if current not in {str(known) for known in ColumnType}:
        return ColumnType.VARCHAR
    known = ColumnType(current)
    candidates = _WIDER.get(known, (known,))
    return _first(
        [c for c in candidates if c is not ColumnType.DOUBLE or known is ColumnType.DOUBLE or exact_in_double], kinds
    )


def _first(candidates: Iterable[ColumnType], kinds: ValueKinds) -> ColumnType:
    return next((candidate for candidate in candidates if not kinds & ~_KEEPS[candidate]), ColumnType.VARCHAR)


# The rest returns SQL: `token` is a column of the spool, which holds a value's JSON text or NULL.

_MOMENT = r'"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d(:?\d\d)?)?"'


def value_kinds_sql(token: str, is_moment_wanted: str = "true") -> str:
    """Return the ValueKinds of a column as an integer. Strings may be moments only where the condition holds."""
    return f"""bit_or(CASE
        WHEN {token} IS NULL OR {token} = 'null' THEN 0
        WHEN starts_with({token}, '"') THEN {_text_kind_sql(token, is_moment_wanted)}
        WHEN {token}[1] IN ('{{', '[') THEN {ValueKinds.NESTED:d}
        WHEN {token} IN ('true', 'false') THEN {ValueKinds.BOOLEAN:d}
        WHEN contains({token}, '.') OR contains({token}, 'e') OR contains({token}, 'E') THEN {_real_kind_sql(token)}
        WHEN length({token}) <= 15 THEN {ValueKinds.SAFE_INTEGER:d}
        WHEN TRY_CAST({token} AS BIGINT) BETWEEN -{_SAFE} AND {_SAFE} THEN {ValueKinds.SAFE_INTEGER:d}
        WHEN TRY_CAST({token} AS BIGINT) IS NOT NULL THEN {ValueKinds.INTEGER:d}
        WHEN TRY_CAST({token} AS HUGEINT) IS NOT NULL THEN {ValueKinds.HUGE_INTEGER:d}
        ELSE {ValueKinds.NUMBER:d} END)"""


def _text_kind_sql(token: str, is_moment_wanted: str) -> str:
    return f"""CASE
        WHEN {is_moment_wanted} AND length({token}) < 40 AND regexp_full_match({token}, '{_MOMENT}')
            AND TRY_CAST({token}[2:-2] AS TIMESTAMPTZ) IS NOT NULL THEN {ValueKinds.MOMENT:d}
        ELSE {ValueKinds.TEXT:d} END"""


def _real_kind_sql(token: str) -> str:
    """A double keeps up to 15 digits; more only if its shortest form is the number that came."""
    double = f"TRY_CAST({token} AS DOUBLE)"
    shortest = f"CAST({double} AS VARCHAR)"
    return f"""CASE
        WHEN NOT contains(lower({token}), 'e') THEN CASE
            WHEN length({token}) <= 15 OR {shortest} = {token} THEN {ValueKinds.REAL:d}
            WHEN length({token}) <= 26 AND TRY_CAST({token} AS DECIMAL(38, 25))
                = TRY_CAST({shortest} AS DECIMAL(38, 25)) THEN {ValueKinds.REAL:d}
            ELSE {ValueKinds.NUMBER:d} END
        WHEN length({token}) <= 15 AND abs({double}) BETWEEN 1e-290 AND 1e290 THEN {ValueKinds.REAL:d}
        WHEN {_plain_exponent(shortest)} = {_plain_exponent(token)} THEN {ValueKinds.REAL:d}
        ELSE {ValueKinds.NUMBER:d} END"""


def _plain_exponent(text: str) -> str:
    return f"regexp_replace(replace(lower({text}), 'e+', 'e'), 'e(-?)0+', 'e\\1')"


def value_sql(token: str, kind: str) -> str:
    """Return a token as a value of a column's type. Text is unquoted; JSON stays as it came."""
    if kind == ColumnType.VARCHAR:
        return f"""CASE WHEN starts_with({token}, '"') THEN
            CASE WHEN contains({token}, '\\') THEN json_extract_string({token}, '$') ELSE {token}[2:-2] END
            ELSE nullif({token}, 'null') END"""
    if kind == ColumnType.TIMESTAMPTZ:
        return f"CASE WHEN {token} <> 'null' THEN CAST({token}[2:-2] AS TIMESTAMPTZ) END"
    return f"CAST(nullif({token}, 'null') AS {kind})"


def widened_sql(column: str, current: str, wider: str) -> str:
    """Return a column's old values in its new type; as text they read as in JSON."""
    if wider != ColumnType.VARCHAR:
        return f"CAST({column} AS {wider})"
    if current == ColumnType.DOUBLE:
        return f"""CASE WHEN {column} = trunc({column}) AND abs({column}) < {_SAFE}
            THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"""
    if current == ColumnType.TIMESTAMPTZ:
        return f"""strftime({column} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S') ||
            CASE WHEN microsecond({column}) % 1000000 = 0 THEN 'Z'
            ELSE rtrim(strftime({column} AT TIME ZONE 'UTC', '.%f'), '0') || 'Z' END"""
    return f"CAST({column} AS VARCHAR)"
