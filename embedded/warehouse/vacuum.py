# ruff: noqa: S608 - names are quoted by registry.quote
"""Free the space of rows that were deleted or replaced, where that fits into memory.

DuckDB does so in a checkpoint, by joining groups of a table's rows; it keeps to no limit of memory then.
"""

from embedded.warehouse.duckdb_file import MEMORY_BYTES, Connection
from embedded.warehouse.registry import quote

_LEAST_DEAD_ROWS = 250_000
"""Of a table, so that it is worth it: two groups of DuckDB's, which it can empty whole or not at all."""
_ROOM_BYTES = MEMORY_BYTES // 2
_ROWS = 4 * 2 * 2048
"""What one thread may hold: DuckDB reads 2,048 rows at once, twice, and some are wider than the mean."""
_TASKS = 100
_TABLES = """
SELECT table_name, estimated_size FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT temporary
"""


def vacuum(connection: Connection) -> None:
    """Free the space of deleted rows if they are most of a table, and no table's rows are too wide for it."""
    sizes = dict(connection.execute(_TABLES).fetchall())  # deleted rows count
    if not any(_is_mostly_dead(connection, table, rows) for table, rows in sizes.items()):
        return
    threads = int(connection.execute("SELECT current_setting('threads')").fetchall()[0][0])
    widest = max(_text_bytes(connection, table) / max(rows, 1) for table, rows in sizes.items())
    if widest * _ROWS * threads > _ROOM_BYTES:
        return
    connection.execute(f"SET max_vacuum_tasks = {_TASKS}")
    connection.execute("CHECKPOINT")
    connection.execute("SET max_vacuum_tasks = 0")


def _is_mostly_dead(connection: Connection, table: str, rows: int) -> bool:
    if rows < _LEAST_DEAD_ROWS:
        return False
    living: int = connection.execute(f"SELECT count(*) FROM {quote(table)}").fetchall()[0][0]
    return rows - living >= max(2 * living, _LEAST_DEAD_ROWS)


def _text_bytes(connection: Connection, table: str) -> int:
    """Return what all texts of a table have together, by its statistics; those count deleted rows, too."""
    found = connection.execute(f"SELECT stats(COLUMNS(*)) FROM {quote(table)} LIMIT 1").fetchall()
    return sum(_total(column) for row in found for column in row)


def _total(statistics: object) -> int:
    """Return a column's own bytes of text, and those within its lists and structs."""
    if not isinstance(statistics, dict):
        return 0
    own = statistics.get("total_string_length")
    return (own if isinstance(own, int) else 0) + sum(map(_total, statistics.values()))
