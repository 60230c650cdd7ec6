"""The warehouse: store the rows of requests, and count them."""

from pathlib import Path

from common.errors import Refused
from embedded.warehouse import load, load_parts, registry
from embedded.warehouse.app import BulkResult, WarehouseApp
from embedded.warehouse.bulk_request import BulkRequest
from embedded.warehouse.duckdb_file import PATIENCE_SECONDS, DatabaseFile, TableError
from embedded.warehouse.lines import Read, line_blocks
from embedded.warehouse.registry import quote
from embedded.warehouse.spool import Spool, remove_leftovers
from embedded.warehouse.unfinished import undo
from embedded.warehouse.vacuum import vacuum


class Warehouse:
    """A DuckDB file at `path`, created with the first rows, and `wsgi`, the application that fills it.

    The spools lie in a folder beside the file. An empty token opens the warehouse to every client. `patience_seconds`:
    how long a request waits for another program to close the file.
    """

    def __init__(self, path: Path, token: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.path = path.absolute()
        self._folder = self.path.with_name(f"{self.path.name}.spool")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_leftovers(self._folder)
        self._file = DatabaseFile(self.path, self._folder, undo, vacuum, patience_seconds)
        self.wsgi = WarehouseApp(token, self._save)

    def tables(self) -> list[str]:
        """Return the tables' names in requests. Raise SyncError while another program holds the file."""
        if not self.path.exists():
            return []
        with self._file.use() as connection:
            return sorted(registry.tables(connection))

    def count(self, table: str) -> int | None:
        """Return the number of rows; None without such a table. Raise SyncError as `tables` does."""
        if not self.path.exists():
            return None
        with self._file.use() as connection:
            name = registry.tables(connection).get(table)
            if name is None:
                return None
            rows: int = connection.execute(f"SELECT count(*) FROM {quote(name)}").fetchall()[0][0]  # noqa: S608 - quoted
            return rows

    def close(self) -> None:
        """Close the file, whole by itself. A later request would open it again: stop the server first."""
        self._file.finish()

    def _save(self, request: BulkRequest, read: Read) -> BulkResult:
        """Store a body. If none of its rows can be stored, the table stays as it is, in every mode."""
        with Spool(self._folder, request.table, request.key) as spool:
            for block in line_blocks(read):
                spool.add(block)
            if spool.stored:
                spool.flush()
                self._load(request, spool)
            return BulkResult(spool.processed, spool.stored, spool.refusal)

    def _load(self, request: BulkRequest, spool: Spool) -> None:
        """Load a spool. Raise Refused if what the user has done to the table is in the way."""
        try:
            if len(spool.paths) > 1:
                load_parts.store(self._file, request, spool.paths, spool.layout)
                return
            with self._file.transaction() as connection:
                load.store(connection, request, spool.paths, spool.layout)
        except TableError as error:
            with self._file.use() as connection:
                name = registry.tables(connection).get(request.table, request.table)
                by_hand = [f'the index "{index}"' for index in registry.indexes(connection, name)]
                by_hand += registry.rules(connection, name)
                by_hand += [f'the view "{name}" in its place'] if registry.is_view(connection, name) else []
            if not by_hand:
                raise
            raise Refused(
                f'Nothing was stored: the table "{name}" cannot take these rows with what its user has added to it: '
                f"{', '.join(by_hand)}. DuckDB reports: {error.reason.rstrip('.!')}. Drop what is in the way (by DROP "
                "INDEX, DROP VIEW, or with the table itself), then start the task again."
            ) from error
