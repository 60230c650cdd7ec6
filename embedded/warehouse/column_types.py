"""Column types: what the values of a request are, and which type keeps every one of them exactly.

A column's type only ever widens: integers to numbers to text. A type is taken only if every value reads back from it
as it came; where none but text does that, the column becomes text.
"""

from collections.abc import Iterable
from enum import IntFlag, StrEnum

_SAFE = 2**53
"""Integers up to here have a double of their own."""


class Type(StrEnum):
    """The types this warehouse gives to columns, as DuckDB names them."""

    BOOLEAN = "BOOLEAN"
    BIGINT = "BIGINT"
    HUGEINT = "HUGEINT"
    DOUBLE = "DOUBLE"
    TIMESTAMPTZ = "TIMESTAMP WITH TIME ZONE"
    JSON = "JSON"
    VARCHAR = "VARCHAR"


class Seen(IntFlag):
    """What the values of one column are, nulls apart. SQL builds these numbers (see `seen`)."""

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
    Type.BOOLEAN: Seen.BOOLEAN,
    Type.BIGINT: Seen.SAFE_INTEGER | Seen.INTEGER,
    Type.HUGEINT: Seen.SAFE_INTEGER | Seen.INTEGER | Seen.HUGE_INTEGER,
    Type.DOUBLE: Seen.SAFE_INTEGER | Seen.REAL,
    Type.TIMESTAMPTZ: Seen.MOMENT,
    Type.JSON: ~Seen(0),
    Type.VARCHAR: ~Seen(0),
}
_INFERRED = (Type.BOOLEAN, Type.BIGINT, Type.HUGEINT, Type.DOUBLE)
_DECLARED = {
    Type.BIGINT: (Type.BIGINT, Type.HUGEINT, Type.DOUBLE),
    Type.DOUBLE: (Type.DOUBLE, Type.BIGINT, Type.HUGEINT),
}
_WIDER = {
    Type.BIGINT: (Type.BIGINT, Type.HUGEINT, Type.DOUBLE),
    Type.HUGEINT: (Type.HUGEINT, Type.DOUBLE),
}
_BY_NUMBER = {
    1: Type.BOOLEAN,
    2: Type.BIGINT,
    3: Type.DOUBLE,
    4: Type.VARCHAR,
    5: Type.TIMESTAMPTZ,
    6: Type.JSON,
}


def declared(number: int) -> Type | None:
    """The type that X-Jitsu-Schema's number asks for; None if it leaves that to the values."""
    return _BY_NUMBER.get(number)


def choose(seen: Seen, wanted: Type | None = None) -> Type:
    """The type of a column without values so far, if `wanted` is what the schema says of it."""
    if wanted is not None:
        return _first(_DECLARED.get(wanted, (wanted,)), seen)
    if seen == Seen.NESTED:
        return Type.JSON
    return _first(_INFERRED if seen else (), seen)


def widen(current: str, seen: Seen, *, exact_in_double: bool) -> str:
    """The type for a column that holds values of type `current` and gets what was `seen`.

    `exact_in_double` says whether a double keeps each of the column's integers. A type that is not ours (the
    user altered the table) stays while nothing comes, and becomes text then.
    """
    if not seen:
        return current
    if current not in {str(known) for known in Type}:
        return Type.VARCHAR
    known = Type(current)
    candidates = _WIDER.get(known, (known,))
    return _first([c for c in candidates if c is not Type.DOUBLE or known is Type.DOUBLE or exact_in_double], seen)


def _first(candidates: Iterable[Type], seen: Seen) -> Type:
    return next((candidate for candidate in candidates if not seen & ~_KEEPS[candidate]), Type.VARCHAR)


# The rest is SQL: `token` is the name of a column of the spool, a value's JSON text or NULL.

_MOMENT = r'"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d(:?\d\d)?)?"'


def seen(token: str, is_moment_wanted: str = "true") -> str:
    """SQL: the Seen of a column's values, as an integer. Strings are looked at closer where the condition holds."""
    return f"""bit_or(CASE
        WHEN {token} IS NULL OR {token} = 'null' THEN 0
        WHEN {token}[1] = '"' THEN {_seen_text(token, is_moment_wanted)}
        WHEN {token}[1] IN ('{{', '[') THEN {Seen.NESTED:d}
        WHEN {token} IN ('true', 'false') THEN {Seen.BOOLEAN:d}
        WHEN contains({token}, '.') OR contains({token}, 'e') OR contains({token}, 'E') THEN {_seen_real(token)}
        WHEN length({token}) <= 15 THEN {Seen.SAFE_INTEGER:d}
        WHEN TRY_CAST({token} AS BIGINT) BETWEEN -{_SAFE} AND {_SAFE} THEN {Seen.SAFE_INTEGER:d}
        WHEN TRY_CAST({token} AS BIGINT) IS NOT NULL THEN {Seen.INTEGER:d}
        WHEN TRY_CAST({token} AS HUGEINT) IS NOT NULL THEN {Seen.HUGE_INTEGER:d}
        ELSE {Seen.NUMBER:d} END)"""


def _seen_text(token: str, is_moment_wanted: str) -> str:
    return f"""CASE
        WHEN {is_moment_wanted} AND length({token}) < 40 AND regexp_full_match({token}, '{_MOMENT}')
            AND TRY_CAST({token}[2:-2] AS TIMESTAMPTZ) IS NOT NULL THEN {Seen.MOMENT:d}
        ELSE {Seen.TEXT:d} END"""


def _seen_real(token: str) -> str:
    """A double keeps up to 15 digits in any case; more only if its shortest form is the number that came."""
    double = f"TRY_CAST({token} AS DOUBLE)"
    shortest = f"CAST({double} AS VARCHAR)"
    return f"""CASE
        WHEN NOT contains(lower({token}), 'e') THEN CASE
            WHEN length({token}) <= 15 OR {shortest} = {token} THEN {Seen.REAL:d}
            WHEN length({token}) <= 26 AND TRY_CAST({token} AS DECIMAL(38, 25))
                = TRY_CAST({shortest} AS DECIMAL(38, 25)) THEN {Seen.REAL:d}
            ELSE {Seen.NUMBER:d} END
        WHEN length({token}) <= 15 AND abs({double}) BETWEEN 1e-290 AND 1e290 THEN {Seen.REAL:d}
        WHEN {_plain_exponent(shortest)} = {_plain_exponent(token)} THEN {Seen.REAL:d}
        ELSE {Seen.NUMBER:d} END"""


def _plain_exponent(text: str) -> str:
    return f"regexp_replace(replace(lower({text}), 'e+', 'e'), 'e(-?)0+', 'e\\1')"


def value(token: str, kind: str) -> str:
    """SQL: a token as a value of a column's type. Strings are unquoted in text only; in JSON all stays as it came."""
    if kind == Type.VARCHAR:
        return f"""CASE WHEN {token}[1] = '"' THEN
            CASE WHEN contains({token}, '\\') THEN json_extract_string({token}, '$') ELSE {token}[2:-2] END
            ELSE nullif({token}, 'null') END"""
    if kind == Type.TIMESTAMPTZ:
        return f"CASE WHEN {token} <> 'null' THEN CAST({token}[2:-2] AS TIMESTAMPTZ) END"
    return f"CAST(nullif({token}, 'null') AS {kind})"


def widened(column: str, current: str, wider: str) -> str:
    """SQL: a column's old values in its new type. As text they read like what JSON would have said."""
    if wider != Type.VARCHAR:
        return f"CAST({column} AS {wider})"
    if current == Type.DOUBLE:
        return f"""CASE WHEN {column} = trunc({column}) AND abs({column}) < {_SAFE}
            THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"""
    if current == Type.TIMESTAMPTZ:
        return f"""strftime({column} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S') ||
            CASE WHEN microsecond({column}) % 1000000 = 0 THEN 'Z'
            ELSE rtrim(strftime({column} AT TIME ZONE 'UTC', '.%f'), '0') || 'Z' END"""
    return f"CAST({column} AS VARCHAR)"
