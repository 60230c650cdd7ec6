"""The DuckDB file, open only while it is used, so that other programs can read it while the edition runs."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb  # noqa: TID251 - the one place

from common.errors import SyncError

IDLE_SECONDS = 0.2
"""How long it stays open after a use: opening takes hundredths of a second, and other programs wait that long."""
PATIENCE_SECONDS = 60.0
"""How long a use waits for another program to close the file; the sidecar waits for its answer far longer."""
_PAUSE_SECONDS = 0.1
MEMORY_BYTES = 10**9
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "memory_limit": f"{MEMORY_BYTES}B",
    # Where they fit, a checkpoint would join the new rows' group with those before it: up to 2,048 rows of a megabyte
    # come into memory at once, beyond any limit, and are written again. vacuum.py allows it.
    "max_vacuum_tasks": 0,
}
_LOG_BYTES = 16 * 1000**2
"""Opening the file reads all of its log: a tenth of a second for so much."""

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


def look(path: Path) -> None:
    """Open a warehouse's file to read it, and close it again. Raise SyncError if that fails."""
    try:
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.Error as error:
        raise SyncError(
            f"{path} cannot be opened ({str(error).splitlines()[0]}). If a program has it open, close that; else take "
            "it from a backup, or move it away."
        ) from error


class TableError(SyncError):
    """A table cannot take what was to be done with it; `reason` is why, without a row's values."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DatabaseFile:
    """One connection for all threads, one user at a time. DuckDB lets one process write, or many read.

    `mend` is called when the file has been opened, `tidy` before it is closed because nobody uses it.
    """

    def __init__(
        self,
        path: Path,
        scratch: Path,
        mend: Callable[["Connection"], None],
        tidy: Callable[["Connection"], None],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.path = path
        self._scratch = scratch
        self._mend, self._tidy = mend, tidy
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
            # DuckDB's own checkpoint, within COMMIT, leaves the log of a new table as it is.
            if self._log_bytes() > _LOG_BYTES:
                self._maintain(_checkpoint)

    def finish(self) -> None:
        """Bring the log into the file, and close it. Another program may hold it: then the log stays beside it."""
        with self._lock:
            if self._connection is None and self._log_bytes():
                with contextlib.suppress(duckdb.Error):
                    self._connection = self._open()
            self._maintain(self._tidy)
            self._maintain(_checkpoint)
            self.close()

    def close(self) -> None:
        """Close the file; the next use opens it again. What its log holds stays there."""
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
                return self._open()
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

    def _open(self) -> Connection:
        connection = duckdb.connect(str(self.path), config=_CONFIG)
        # One for every idle moment would make a group of a few rows each time; COMMIT makes one per 16 MB of the log.
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET temp_directory = ?", [str(self._scratch)])
        # Quadratic in the expressions: with 2,000 columns it takes longer than all the rest.
        connection.execute("SET disabled_optimizers = 'common_subexpressions'")
        try:
            self._mend(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _close_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(IDLE_SECONDS, self._close_if_idle)
        self._timer.daemon = True
        self._timer.start()

    def _close_if_idle(self) -> None:
        with self._lock:
            if threading.current_thread() is not self._timer:
                return  # the file was used while this waited for the lock
            self._maintain(self._tidy)
            self.close()

    def _maintain(self, work: Callable[[Connection], None]) -> None:
        """Work on the open file. A failure is no request's: the rows are stored, in the log."""
        try:
            if self._connection is not None:
                work(self._connection)
        except duckdb.Error as exc:
            _log.warning("The warehouse's log cannot be brought into its file yet: %s", _reason(exc))
            self.close()  # after some errors the database is unusable until it is opened again

    def _log_bytes(self) -> int:
        try:
            return self.path.with_name(f"{self.path.name}.wal").stat().st_size
        except FileNotFoundError:
            return 0


def _checkpoint(connection: Connection) -> None:
    connection.execute("CHECKPOINT")


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
