"""The DuckDB file, open only while it is used, so that its user can look into it while the edition runs."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb  # noqa: TID251 - the one place

from common.errors import SyncError

IDLE_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_MEMORY = "1GB"

Connection = duckdb.DuckDBPyConnection


class DatabaseFile:
    """One connection for all threads, one user at a time. DuckDB lets one process write, or many read."""

    def __init__(
        self,
        path: Path,
        scratch: Path,
        idle_seconds: float = IDLE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.path = path
        self._scratch = scratch
        self._idle_seconds = idle_seconds
        self._patience_seconds = patience_seconds
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._timer: threading.Timer | None = None
        self._last_use = 0.0

    @contextlib.contextmanager
    def use(self) -> Iterator[Connection]:
        """The open connection; waits for other threads. Raises SyncError for whatever DuckDB does not do."""
        with self._lock:
            try:
                yield self._open()
            except duckdb.Error as exc:
                # Some errors leave the database unusable until it is opened again.
                self.close()
                raise SyncError(_sentence(exc)) from exc
            finally:
                self._last_use = time.monotonic()
                self._close_later()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing: what is done with the connection counts at the end of the block."""
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
        """Lets go of the file; the next use opens it again."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> Connection:
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                connection = duckdb.connect(
                    str(self.path),
                    config={"autoinstall_known_extensions": False, "memory_limit": _MEMORY},
                )
                break
            except (duckdb.IOException, duckdb.ConnectionException) as exc:
                if not _is_taken(exc):
                    raise
                if time.monotonic() >= deadline:
                    raise SyncError(
                        f"The warehouse file {self.path} is open in another program; close it there, then try again."
                    ) from exc
                time.sleep(_PAUSE_SECONDS)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET temp_directory = ?", [str(self._scratch)])
        return connection

    def _close_later(self) -> None:
        if self._connection is None or self._timer is not None:
            return
        self._timer = threading.Timer(self._idle_seconds, self._close_if_idle)
        self._timer.daemon = True
        self._timer.start()

    def _close_if_idle(self) -> None:
        with self._lock:
            if threading.current_thread() is not self._timer:
                return
            self._timer = None
            if time.monotonic() - self._last_use >= self._idle_seconds:
                self.close()
            else:
                self._close_later()


def _is_taken(exc: duckdb.Error) -> bool:
    # Another process holds it, or this one does with other settings.
    return "Could not set lock" in str(exc) or isinstance(exc, duckdb.ConnectionException)


def _sentence(exc: duckdb.Error) -> str:
    """DuckDB's own words only where they cannot hold a row's values."""
    if isinstance(exc, duckdb.IOException | duckdb.OutOfMemoryException | duckdb.CatalogException):
        reason = str(exc).splitlines()[0]
    else:
        reason = type(exc).__name__
    return f"The warehouse could not do it, the tables are as they were: {reason}"
