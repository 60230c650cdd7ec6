"""The DuckDB file, open only while it is used, so that other programs can read it while the edition runs."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb  # noqa: TID251 - the one place

from common.errors import SyncError

IDLE_SECONDS = 0.2
"""How long it stays open after a use: opening takes hundredths of a second, and other programs wait that long."""
PATIENCE_SECONDS = 60.0
"""How long a use waits for another program to close the file; the sidecar waits for its answer far longer."""
_PAUSE_SECONDS = 0.1
_MEMORY = "1GB"

_ABOUT_TABLES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConstraintException,
    duckdb.ConversionException,
    duckdb.DependencyException,
    duckdb.NotImplementedException,
    duckdb.TransactionException,
)
"""What DuckDB raises where a table is not as we made it, or where we are wrong."""
_NAMES_ONLY = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.DependencyException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
)

Connection = duckdb.DuckDBPyConnection

_log = logging.getLogger(__name__)


class TableError(SyncError):
    """A table cannot take what was to be done with it; `reason` is why, without a row's values."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DatabaseFile:
    """One connection for all threads, one user at a time. DuckDB lets one process write, or many read."""

    def __init__(self, path: Path, scratch: Path, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.path = path
        self._scratch = scratch
        self._patience_seconds = patience_seconds
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._timer: threading.Timer | None = None

    @contextlib.contextmanager
    def use(self) -> Iterator[Connection]:
        """Yield the open connection, once other threads have finished.

        DuckDB's errors become SyncError, those about a table TableError.
        """
        with self._lock:
            try:
                self._connection = self._connection or self._connect()
                yield self._connection
            except duckdb.Error as exc:
                # After some errors the database is unusable until it is opened again.
                self.close()
                reason = _reason(exc)
                sentence = f"The warehouse failed, and its tables are unchanged: {reason}"
                error = TableError(reason, sentence) if isinstance(exc, _ABOUT_TABLES) else SyncError(sentence)
                raise error from exc
            finally:
                self._close_later()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield the connection within a transaction, which is committed at the end of the block."""
        with self.use() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> Connection:
        began, is_reported = time.monotonic(), False
        while True:
            try:
                connection = duckdb.connect(
                    str(self.path), config={"autoinstall_known_extensions": False, "memory_limit": _MEMORY}
                )
                break
            except (duckdb.IOException, duckdb.ConnectionException) as exc:
                if not _is_taken(exc):
                    raise
                if time.monotonic() - began >= self._patience_seconds:
                    raise SyncError(
                        f"The warehouse file {self.path} was open in another program for {self._patience_seconds:g} "
                        "seconds; close it there (a shell, a notebook), then start the task again."
                    ) from exc
                if not is_reported:
                    is_reported = True
                    _log.warning("%s is open in another program; writing waits until it is closed there.", self.path)
                time.sleep(_PAUSE_SECONDS)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET temp_directory = ?", [str(self._scratch)])
        # Quadratic in the expressions: with 2,000 columns it takes longer than all the rest.
        connection.execute("SET disabled_optimizers = 'common_subexpressions'")
        return connection

    def _close_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(IDLE_SECONDS, self._close_if_idle)
        self._timer.daemon = True
        self._timer.start()

    def _close_if_idle(self) -> None:
        with self._lock:
            if threading.current_thread() is self._timer:  # else the file was used while this waited for the lock
                self.close()


def _is_taken(exc: duckdb.Error) -> bool:
    # Another process holds it, or this one does with other settings.
    return "Could not set lock" in str(exc) or isinstance(exc, duckdb.ConnectionException)


def _reason(exc: duckdb.Error) -> str:
    """Return DuckDB's message only where it cannot hold a row's values."""
    first = str(exc).splitlines()[0]
    if isinstance(exc, duckdb.ConstraintException):
        names_only = first.startswith(("Constraint Error: NOT NULL", "Constraint Error: CHECK"))
    else:
        names_only = isinstance(exc, _NAMES_ONLY)
    return first if names_only else type(exc).__name__
