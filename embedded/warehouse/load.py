# ruff: noqa: S608 - names are quoted by names.quote, paths as strings; tokens and values are never part of the SQL
"""Load a request's spool into its table: inspect the values, alter the columns, add the rows."""

import logging
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from embedded.warehouse import column_types, registry
from embedded.warehouse.bulk_request import BulkMode, BulkRequest
from embedded.warehouse.column_types import ValueKinds
from embedded.warehouse.duckdb_file import Connection
from embedded.warehouse.registry import quote
from embedded.warehouse.spool import LONGEST_BYTES

_LAST_ROWS = "temp.main.last_rows"
_EXACT = "coalesce(bool_and({0} BETWEEN -9007199254740992 AND 9007199254740992), true)"
_INTEGERS = (column_types.ColumnType.BIGINT, column_types.ColumnType.HUGEINT)

_log = logging.getLogger(__name__)


class Column(Struct, frozen=True):
    """A column of the table as it will be. `current` is its type so far, None for a new column."""

    name: str
    """Quoted."""
    token: str | None
    """The spool's column of its values; None if this request has none."""
    kind: str
    current: str | None
    is_empty: bool

    @property
    def value(self) -> str:
        return column_types.value_sql(self.token, self.kind) if self.token else f"CAST(NULL AS {self.kind})"


class _SpoolTable(Struct, frozen=True):
    """The spool as a SQL table: `n` is the row's number, `c0`, `c1`, ... are the values' tokens."""

    paths: tuple[Path, ...]
    places: dict[str, int]
    """The number of each key's column."""

    @property
    def sql(self) -> str:
        paths = ", ".join("'{}'".format(str(path).replace("'", "''")) for path in self.paths)
        columns = ", ".join(["'n': 'BIGINT'", *(f"'c{at}': 'VARCHAR'" for at in range(max(1, len(self.places))))])
        return (
            f"read_csv([{paths}], columns = {{{columns}}}, auto_detect = false, header = false, delim = '\x1f', "
            f"quote = '', escape = '', comment = '', new_line = '\\n', nullstr = '', null_padding = true, "
            f"max_line_size = {LONGEST_BYTES}, buffer_size = {4 * LONGEST_BYTES})"
        )

    def token(self, key: str) -> str | None:
        return f"c{self.places[key]}" if key in self.places else None


class Plan(Struct, frozen=True):
    """What is stored, and where: a table's quoted schema and plain name, its columns, and the spool.

    `keys` are the columns to merge by, `exists` whether the rows go into a table that stays. `indexes` are made at the
    end, if they go with the old table.
    """

    schema: str
    name: str
    source: _SpoolTable
    columns: list[Column]
    keys: list[Column]
    exists: bool
    indexes: list[str]

    @property
    def table(self) -> str:
        """The table's quoted name."""
        return f"{self.schema}.{quote(self.name)}"


def store(connection: Connection, request: BulkRequest, paths: Sequence[Path], layout: list[str]) -> None:
    """Store the rows of a spool; call it within a transaction."""
    write(connection, plan(connection, request, paths, layout))


def plan(connection: Connection, request: BulkRequest, paths: Sequence[Path], layout: list[str]) -> Plan:
    """Inspect the rows of a spool, and name the table and its columns."""
    registry.prepare(connection)
    name = registry.claim_table(connection, request.table)
    replaces = request.mode is BulkMode.REPLACE_TABLE
    current = {} if replaces else registry.columns(connection, name)
    nested = {part.column: part.name for part in request.key if part.column != part.name}
    # Rows may have no keys at all, but a table must have a column. A field comes before a nested key of its name.
    keys = list(dict.fromkeys([*(field.name for field in request.schema), *layout])) or [""]
    names = registry.name_columns(connection, name, sorted(keys, key=nested.__contains__), current, nested)
    catalog = connection.execute("SELECT current_database()").fetchall()[0][0]
    schema = f"{quote(catalog)}.main"
    source = _SpoolTable(tuple(paths), {key: at for at, key in enumerate(layout)})
    columns = _plan_columns(connection, request, source, names, f"{schema}.{quote(name)}", current)
    # If a part of the key is in no row, none has a key to merge by.
    merges = all(part.column in layout for part in request.key)
    key_columns = [columns[part.column] for part in request.key] if merges else []
    indexes = registry.indexes(connection, name) if replaces else {}
    if replaces and (rules := registry.rules(connection, name)):
        _log.warning("The table %r is replaced, without what its user had added: %s.", name, ", ".join(rules))
    exists = bool(current)
    return Plan(schema, name, source, list(columns.values()), key_columns, exists, list(indexes.values()))


def write(connection: Connection, plan: Plan) -> None:
    """Store the rows of a plan at once."""
    kept = select_last_rows(connection, plan)
    if plan.exists:
        alter_columns(connection, plan)
        delete_replaced(connection, plan)
        insert(connection, plan.table, plan, plan.source.paths, kept)
    else:
        connection.execute(f"CREATE OR REPLACE TABLE {plan.table} AS {_rows(plan, plan.source, kept)}")
    finish(connection, plan)


def insert(connection: Connection, table: str, plan: Plan, paths: Sequence[Path], kept: str) -> None:
    """Add the rows of some of the spool's files for which the condition `kept` holds."""
    names = ", ".join(column.name for column in plan.columns)
    source = _SpoolTable(tuple(paths), plan.source.places)
    connection.execute(f"INSERT INTO {table} ({names}) {_rows(plan, source, kept)}")


def finish(connection: Connection, plan: Plan) -> None:
    """Make the indexes of a table that was replaced, and forget which rows were stored."""
    for statement in plan.indexes:
        connection.execute(statement)
    connection.execute(f"DROP TABLE IF EXISTS {_LAST_ROWS}")


def _rows(plan: Plan, source: _SpoolTable, kept: str) -> str:
    values = ", ".join(f"{column.value} AS {column.name}" for column in plan.columns)
    return f"SELECT {values} FROM {source.sql} WHERE {kept}"


def _plan_columns(
    connection: Connection,
    request: BulkRequest,
    source: _SpoolTable,
    names: dict[str, str],
    table: str,
    current: dict[str, str],
) -> dict[str, Column]:
    wanted = {field.name: column_types.declared(field.type) for field in request.schema}
    moments = {
        key
        for key, name in names.items()
        if column_types.ColumnType.TIMESTAMPTZ in (wanted.get(key), current.get(name))
    }
    open_keys = [key for key, name in names.items() if not column_types.is_settled(wanted.get(key), current.get(name))]
    seen = _inspect_values(connection, source, open_keys, moments)
    best: dict[str, str] = {key: column_types.choose(seen.get(key, ValueKinds(0)), wanted.get(key)) for key in names}
    doubtful = {
        name: current[name]
        for key, name in names.items()
        if seen.get(key) and best[key] != current.get(name, best[key])
    }
    held = _inspect_columns(connection, table, doubtful)
    columns = {}
    for key, name in names.items():
        was = current.get(name)
        is_empty, exact = held.get(name, (False, False))
        kind = best[key]
        if was is not None and not is_empty:
            kind = column_types.widen(was, seen.get(key, ValueKinds(0)), exact_in_double=exact)
        columns[key] = Column(quote(name), source.token(key), kind, was, is_empty)
    return columns


def _inspect_values(
    connection: Connection, source: _SpoolTable, keys: Sequence[str], moments: set[str]
) -> dict[str, ValueKinds]:
    """Return the kinds of the request's values by key, of those keys that it has.

    One expression over all columns, unnested: DuckDB takes seconds to plan 500 expressions.
    """
    keys = [key for key in keys if key in source.places]
    if not keys:
        return {}
    columns = [source.places[key] for key in keys]
    closer = ", ".join(str(at) for at, key in enumerate(keys) if key in moments)
    look = column_types.value_kinds_sql("t", f"i IN ({closer})" if closer else "false")
    found = connection.execute(
        f"SELECT i, {look} FROM (SELECT unnest([{', '.join(f'c{at}' for at in columns)}]) AS t, "
        f"unnest(range({len(columns)})) AS i FROM {source.sql}) GROUP BY i"
    ).fetchall()
    return {keys[at]: ValueKinds(bits) for at, bits in found}


def _inspect_columns(connection: Connection, table: str, current: dict[str, str]) -> dict[str, tuple[bool, bool]]:
    """Return of each column whether all its values are null, and whether doubles keep them."""
    if not current:
        return {}
    looks = []
    for name, kind in current.items():
        column = quote(name)
        looks += [f"count({column}) = 0", _EXACT.format(column) if kind in _INTEGERS else "true"]
    found = connection.execute(f"SELECT {', '.join(looks)} FROM {table}").fetchall()[0]
    return {name: (found[at * 2], found[at * 2 + 1]) for at, name in enumerate(current)}


def alter_columns(connection: Connection, plan: Plan) -> None:
    """Give a table the columns and types that its rows need."""
    for column in plan.columns:
        if column.current is None:
            connection.execute(f"ALTER TABLE {plan.table} ADD COLUMN {column.name} {column.kind}")
        elif column.current != column.kind:
            old = (
                f"CAST(NULL AS {column.kind})"
                if column.is_empty
                else column_types.widened_sql(column.name, column.current, column.kind)
            )
            connection.execute(f"ALTER TABLE {plan.table} ALTER COLUMN {column.name} TYPE {column.kind} USING {old}")


def select_last_rows(connection: Connection, plan: Plan) -> str:
    """Return the condition for rows that stay: the last one of each key, and those without a part of their key."""
    if not plan.keys:
        return "true"
    parts = [f"k{at}" for at in range(len(plan.keys))]
    named = ", ".join(f"{key.value} AS {part}" for key, part in zip(plan.keys, parts, strict=True))
    whole = " AND ".join(f"{part} IS NOT NULL" for part in parts)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE last_rows AS SELECT max(n) AS n, {', '.join(parts)} "
        f"FROM (SELECT n, {named} FROM {plan.source.sql}) WHERE {whole} GROUP BY {', '.join(parts)}"
    )
    missing = " OR ".join(f"({key.value}) IS NULL" for key in plan.keys)
    return f"n IN (SELECT w.n FROM {_LAST_ROWS} AS w) OR {missing}"


def delete_replaced(connection: Connection, plan: Plan, among: str = "true") -> None:
    """Delete the rows whose keys have newer ones, among those of which a condition holds."""
    if not plan.keys:
        return
    same = " AND ".join(f"t.{key.name} = w.k{at}" for at, key in enumerate(plan.keys))
    connection.execute(f"DELETE FROM {plan.table} AS t USING {_LAST_ROWS} AS w WHERE {same} AND {among}")
