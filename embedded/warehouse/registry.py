"""Unique names of tables and columns for any keys, kept in the file itself.

DuckDB's names ignore case and cannot be empty. A name is the key itself if that is free, else the key with a number
behind it.

`_tables(name, table_name)` and `_columns(table_name, key, column_name)`: `FROM _columns` shows the column of a key that
DuckDB cannot take as a name.
"""

from collections.abc import Iterable, Mapping

from embedded.warehouse.duckdb_file import Connection

_PREPARE = """
CREATE TABLE IF NOT EXISTS _tables (name VARCHAR NOT NULL, table_name VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS _columns (
    table_name VARCHAR NOT NULL, key VARCHAR NOT NULL, column_name VARCHAR NOT NULL);
COMMENT ON TABLE _tables IS 'Which table holds the rows that were sent for which name';
COMMENT ON TABLE _columns IS 'Which column holds the values of which key of the rows that were sent';
"""
_RELATIONS = """
SELECT table_name, 'table' FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = 'main'
UNION ALL
SELECT view_name, 'view' FROM duckdb_views() WHERE database_name = current_database() AND schema_name = 'main'
"""
_COLUMNS = """
SELECT column_name, data_type FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND lower(table_name) = lower(?) ORDER BY column_index
"""
_INDEXES = """
SELECT index_name, sql FROM duckdb_indexes()
WHERE database_name = current_database() AND schema_name = 'main' AND lower(table_name) = lower(?) ORDER BY index_name
"""
_BY_HAND = """
SELECT CASE constraint_type WHEN 'NOT NULL' THEN 'NOT NULL of ' || constraint_column_names[1] ELSE constraint_text END
FROM duckdb_constraints()
WHERE database_name = current_database() AND schema_name = 'main' AND lower(table_name) = lower($1)
UNION ALL
SELECT 'the generated column or default "' || column_name || '"' FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND lower(table_name) = lower($1)
    AND column_default IS NOT NULL
"""
_LONGEST = 200
_EMPTY = "empty"
_OURS = frozenset({"_tables", "_columns"})


def prepare(connection: Connection) -> None:
    """Create the two tables if they are missing."""
    if not set(_relations(connection)) >= _OURS:
        connection.execute(_PREPARE)


def tables(connection: Connection) -> dict[str, str]:
    """Return the tables there are, by their names in requests."""
    there = {name for name, kind in _relations(connection).items() if kind == "table"}
    known = _known_tables(connection) if there >= _OURS else {}
    folded, taken = set(map(str.casefold, there)), set(map(str.casefold, known.values()))
    given = {name: table for name, table in known.items() if table.casefold() in folded}
    made_by_hand = {name: name for name in there - _OURS if name.casefold() not in taken}
    return made_by_hand | given


def is_view(connection: Connection, table: str) -> bool:
    """Return whether the user has put a view in a table's place."""
    views = (name for name, kind in _relations(connection).items() if kind == "view")
    return table.casefold() in map(str.casefold, views)


def claim_table(connection: Connection, name: str) -> str:
    """Return the table of a name, and keep it. A table that the user made under that name is taken."""
    known = _known_tables(connection)
    if name in known:
        return known[name]
    there = _relations(connection)
    by_hand = there.get(name) == "table" and name not in _OURS and name not in known.values()
    table = name if by_hand else assign_names([name], known, there)[name]
    connection.execute("INSERT INTO _tables VALUES (?, ?)", [name, table])
    return table


def columns(connection: Connection, table: str) -> dict[str, str]:
    """Return a table's columns and their types in order; empty if there is no such table."""
    return dict(connection.execute(_COLUMNS, [table]).fetchall())


def indexes(connection: Connection, table: str) -> dict[str, str]:
    """Return a table's indexes, all made by its user, and the statements that make them."""
    return dict(connection.execute(_INDEXES, [table]).fetchall())


def rules(connection: Connection, table: str) -> list[str]:
    """Return constraints, generated columns and defaults that its user has given a table, in words."""
    return [row[0] for row in connection.execute(_BY_HAND, [table]).fetchall()]


def name_columns(
    connection: Connection,
    table: str,
    keys: Iterable[str],
    current: Mapping[str, str],
    preferred: Mapping[str, str],
) -> dict[str, str]:
    """Return a column for each key, and keep it. `current` are the columns that stay in any case.

    `preferred`: names for keys that would make bad ones themselves.
    """
    keys = dict.fromkeys(keys)
    rows = connection.execute("SELECT key, column_name FROM _columns WHERE table_name = ?", [table]).fetchall()
    # The user may have renamed a column, to other capitals: DuckDB ignores them.
    spelt = {column.casefold(): column for column in current}
    rows = [(key, spelt.get(column.casefold(), column)) for key, column in rows]
    known = {key: column for key, column in rows if column in current or key in keys}
    named = set(known.values())
    for column in current:
        if column not in named:
            known.setdefault(column, column)
    found = assign_names(keys, known, current, preferred)
    kept = known | found
    connection.execute("DELETE FROM _columns WHERE table_name = ?", [table])
    connection.execute("INSERT INTO _columns SELECT ?, unnest(?), unnest(?)", [table, list(kept), list(kept.values())])
    return found


def quote(name: str) -> str:
    """Return a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def assign_names(
    keys: Iterable[str], known: Mapping[str, str], taken: Iterable[str] = (), preferred: Mapping[str, str] = {}
) -> dict[str, str]:
    """Return a name for each key: its known one, or a new one that differs from all others and from `taken`."""
    names = {key: known[key] for key in keys if key in known}
    used = {name.casefold() for name in (*known.values(), *taken)}
    for key in keys:
        if key not in names:
            names[key] = _free(preferred.get(key, key), used)
            used.add(names[key].casefold())
    return names


def _relations(connection: Connection) -> dict[str, str]:
    return dict(connection.execute(_RELATIONS).fetchall())


def _known_tables(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, table_name FROM _tables").fetchall())


def _free(key: str, used: set[str]) -> str:
    plain = "".join(c if c.isprintable() else "_" for c in key)[:_LONGEST] or _EMPTY
    name, number = plain, 1
    while name.casefold() in used:
        number += 1
        name = f"{plain}_{number}"
    return name
