# ruff: noqa: S608 - names are quoted by registry.quote, paths as strings
"""Store rows that are too wide for one transaction part by part, whole or not at all.

DuckDB takes 2,048 rows as one unit, which is then in memory three times at COMMIT: of a megabyte each, 6 GB. So each
part of the spool is committed for itself: into a table that takes the other's place at the end, or behind the rows of
the table, until the last one is there. Nobody else opens the file meanwhile; what a crash leaves is taken back when it
is opened again.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path

from embedded.warehouse import load, registry, unfinished
from embedded.warehouse.bulk_request import BulkRequest
from embedded.warehouse.duckdb_file import Connection, DatabaseFile
from embedded.warehouse.load import Plan
from embedded.warehouse.registry import quote


def store(file: DatabaseFile, request: BulkRequest, paths: Sequence[Path], layout: list[str]) -> None:
    """Store the rows of a spool."""
    with file.use() as connection:
        # Deleted rows go now: later that would change the numbers of those behind them.
        connection.execute("CHECKPOINT")
        try:
            _store(file, request, paths, layout)
        except BaseException:
            file.close()
            raise


def _store(file: DatabaseFile, request: BulkRequest, paths: Sequence[Path], layout: list[str]) -> None:
    with file.transaction() as connection:
        plan = load.plan(connection, request, paths, layout)
        if plan.exists and (registry.indexes(connection, plan.name) or registry.rules(connection, plan.name)):
            # An index may not take both the old and the new row of a key.
            load.write(connection, plan)
            return
        kept = load.select_last_rows(connection, plan)
        first_row = _open_table(connection, plan) if plan.exists else None
        target = plan.table if plan.exists else _make_table(connection, plan)
    for path in paths:
        with file.transaction() as connection:
            load.insert(connection, target, plan, [path], kept)
    with file.transaction() as connection:
        if first_row is None:
            connection.execute(f"DROP TABLE IF EXISTS {plan.table}")
            connection.execute(f"ALTER TABLE {target} RENAME TO {quote(plan.name)}")
        else:
            load.delete_replaced(connection, plan, f"t.rowid < {first_row}")
        load.finish(connection, plan)
        unfinished.forget(connection)


def _open_table(connection: Connection, plan: Plan) -> int:
    """Prepare the table for the rows; return the first one's rowid."""
    load.alter_columns(connection, plan)
    first_row: int = connection.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {plan.table}").fetchall()[0][0]
    unfinished.note(connection, plan.name, first_row)
    return first_row


def _make_table(connection: Connection, plan: Plan) -> str:
    name = f"_{uuid.uuid4().hex}"
    unfinished.note(connection, name, None)
    table = f"{plan.schema}.{quote(name)}"
    connection.execute(f"CREATE TABLE {table} ({', '.join(f'{column.name} {column.kind}' for column in plan.columns)})")
    return table
