# ruff: noqa: S608 - names are quoted by registry.quote
"""Take back what was stored of a request that was then not stored whole.

A schema of its own, which is there only meanwhile, has one row: a table that is dropped again, or the first of the rows
that are deleted again.
"""

from embedded.warehouse.duckdb_file import Connection
from embedded.warehouse.registry import quote

_THERE = """
SELECT 1 FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = '_unfinished' AND table_name = 'loads'
"""


def note(connection: Connection, table: str, first_row: int | None) -> None:
    """Note that rows are being added to a table from a rowid on, or to a table of their own (None)."""
    connection.execute("CREATE SCHEMA _unfinished")
    connection.execute("CREATE TABLE _unfinished.loads (table_name VARCHAR NOT NULL, first_row BIGINT)")
    connection.execute("INSERT INTO _unfinished.loads VALUES (?, ?)", [table, first_row])


def forget(connection: Connection) -> None:
    """Note that the request is stored whole."""
    connection.execute("DROP SCHEMA _unfinished CASCADE")


def undo(connection: Connection) -> None:
    """Take back what a process that died, or a failure, has left; call it as soon as the file is open.

    Nothing may have deleted rows meanwhile: the numbers of rows stay the same only as long.
    """
    if not connection.execute(_THERE).fetchall():
        return
    connection.execute("BEGIN")
    for table, first_row in connection.execute("SELECT table_name, first_row FROM _unfinished.loads").fetchall():
        if first_row is None:
            connection.execute(f"DROP TABLE IF EXISTS main.{quote(table)}")
        else:
            connection.execute(f"DELETE FROM main.{quote(table)} WHERE rowid >= ?", [first_row])
    forget(connection)
    connection.execute("COMMIT")
