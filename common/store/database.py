"""One connection to Postgres and transactions on it: with connections.py the only importer of pg8000.

A connection belongs to one thread (pg8000's threadsafety is 1), so each user makes a Database of its own.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from common.errors import Locked, StoreUnavailable, SyncError, TablesMissing, TimedOut
from common.store import dsn, queries

Row = dict[str, Any]
T = TypeVar("T")

_log = logging.getLogger(__name__)
_RETRIED = frozenset({"40001", "40P01"})  # serialization failure, deadlock: run the transaction again
_RECONNECT = frozenset({"25006", "57P01", "57P02", "57P03"})  # read-only after a failover, shutdowns
_MISSING = frozenset({"42P01", "42703", "3F000"})  # undefined table or column, no schema to create in
_NETWORK_WORDS = ("network error", "communication error", "create a connection", "closed", "SSL")
_UNHOLDABLE = ("22", "54")  # data exceptions, and limits of the program such as depth and size
_PAUSE_SECONDS = 0.5
_LOCK_SECONDS = 5.0
"""Before the connection's own time-out: a server process that nobody listens to any more would go on waiting, and hold
what it has locked already. And before the server's for a statement, which would not tell that a row was held.
"""


class _TryAgain(StoreUnavailable):
    """The transaction may be run again as it is."""


class Database:
    """Runs named queries in transactions; reconnects and retries for `patience_seconds`.

    Everything in queries.sql can be repeated safely: an unknown outcome of a COMMIT is settled by doing it again.
    """

    def __init__(self, url: str, *, patience_seconds: float = 0.0, make_tables: bool = True) -> None:
        self._arguments = dsn.parse(url)
        self._patience_seconds = patience_seconds
        self._make_tables = make_tables
        self._connection: Any = None
        given = self._arguments.get("startup_params", {})
        own = any("lock_timeout" in one for one in map(str, given.items()))
        self._longest_wait = min(self._arguments["timeout"], dsn.statement_seconds(given) or math.inf) / 2
        self._lock_seconds = None if own else min(_LOCK_SECONDS, self._longest_wait)

    def transact(self, work: Callable[["Database"], T]) -> T:
        """Runs `work` in one transaction; raises StoreUnavailable or TimedOut when Postgres stays away."""
        deadline = time.monotonic() + self._patience_seconds
        attempts = 0
        while True:
            attempts += 1
            try:
                return self._once(work)
            except TablesMissing:
                if not self._make_tables or attempts > 1:
                    raise
                self.install()
            except (StoreUnavailable, TimedOut) as error:
                again = isinstance(error, _TryAgain) and attempts <= 3
                if not again and time.monotonic() >= deadline:
                    raise
                time.sleep(min(_PAUSE_SECONDS * attempts, 5.0))

    def run(self, name: str, **parameters: Any) -> list[Row]:
        """Runs one named query; values that Postgres has no text for (NUL) must not get here."""
        return self.execute(queries.load("queries.sql")[name], **parameters)

    def refusal(self, name: str, **parameters: Any) -> "StoreError | None":
        """Runs a named query; what Postgres said if it cannot hold one of the values: the transaction goes on."""
        self.execute("SAVEPOINT attempt")
        try:
            self.run(name, **parameters)
        except StoreError as error:
            if not error.code.startswith(_UNHOLDABLE):
                raise
            self.execute("ROLLBACK TO SAVEPOINT attempt")
            return error
        self.execute("RELEASE SAVEPOINT attempt")
        return None

    @contextmanager
    def waiting_for_locks(self, seconds: float) -> Iterator[None]:
        """Transactions in this block give up on a row that another session holds after so long, with Locked."""
        before, self._lock_seconds = self._lock_seconds, min(seconds, self._longest_wait)
        try:
            yield
        finally:
            self._lock_seconds = before

    def install(self) -> None:
        """Makes the tables that are missing and brings our own to the newest version."""
        self._once(_install)

    def close(self) -> None:
        """Ends the connection; the Database can be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with _quietly():
                connection.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _once(self, work: Callable[["Database"], T]) -> T:
        try:
            waits = self._lock_seconds
            self.execute("BEGIN" if waits is None else f"BEGIN; SET LOCAL lock_timeout = {math.ceil(waits * 1000)}")
            result = work(self)
            self.execute("COMMIT")
        except BaseException as error:
            # A connection whose transaction failed in an unknown way is not worth saving.
            if isinstance(error, SyncError) and not isinstance(error, StoreUnavailable | TimedOut):
                with _quietly():
                    self.execute("ROLLBACK")
            else:
                self.close()
            raise
        return result

    def execute(self, sql: str, **parameters: Any) -> list[Row]:
        """Runs one statement from a .sql file (several, where there are no parameters)."""
        with _translated():
            if self._connection is None:
                from common.store.connections import Connection

                self._connection = Connection(**self._arguments)
            rows = self._connection.run(sql, **parameters)
            columns = [column["name"] for column in self._connection.columns or ()]
            return [dict(zip(columns, row, strict=True)) for row in rows or ()]


def _install(database: Database) -> None:
    statements = queries.load("install.sql")

    def run(name: str, **parameters: Any) -> list[Row]:
        return database.execute(statements[name], **parameters)

    run("lock")
    [schema] = run("current_schema")
    if schema["name"] is None:
        # The name is quoted by Postgres itself.
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema['wanted']}")
    made = []
    for table, sql in queries.load("tables.sql").items():
        if run("find_table", table=table)[0]["oid"] is None:
            database.execute(sql)
            made.append(table)
    if made:
        _log.info("Made the missing tables %s.", ", ".join(made))
    run("make_migration_table")
    done = {row["version"] for row in run("applied")}
    missing = {version: sql for version, sql in queries.migrations().items() if version not in done}
    for version, sql in missing.items():
        database.execute(sql)
        run("mark_applied", version=version)
    if missing:
        _log.info("Brought our tables to version %d.", max(missing))


@contextmanager
def _quietly() -> Iterator[None]:
    """For what is done to a connection that may be gone already."""
    try:
        yield
    except Exception:  # noqa: BLE001 - nothing depends on it
        _log.debug("A lost connection could not be ended in order.", exc_info=True)


@contextmanager
def _translated() -> Iterator[None]:
    """Turns the driver's errors into ours: the only place that knows them."""
    from pg8000.exceptions import DatabaseError, InterfaceError  # noqa: TID251 - one of the two places

    try:
        yield
    except DatabaseError as error:
        raise _from_server(error.args[0] if error.args else {}) from error
    except TimeoutError as error:
        raise TimedOut("Postgres did not answer in time; the outcome is unknown, repeating is safe.") from error
    except (InterfaceError, OSError) as error:
        raise _from_network(error) from error


def _from_network(error: Exception) -> SyncError:
    """The driver's InterfaceError hides what the operating system said; without that it is a misuse of ours."""
    cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    if isinstance(cause, TimeoutError):
        return TimedOut("Postgres did not answer in time; repeating is safe.")
    text = str(error)
    if not isinstance(cause, OSError) and not any(word in text for word in _NETWORK_WORDS):
        return StoreError("driver", text)
    reason = (getattr(cause, "strerror", None) if cause else None) or text or "the connection broke"
    return StoreUnavailable(
        f"Postgres cannot be reached ({reason}); check SYNCCTL_DATABASE_URL and that the server runs."
    )


def _from_server(fields: object) -> SyncError:
    """`fields`: the server's error report by its one-letter codes (C: SQLSTATE, M: message)."""
    report = fields if isinstance(fields, dict) else {"M": str(fields)}
    code, message = str(report.get("C", "")), str(report.get("M", ""))
    if code in _MISSING:
        return TablesMissing(f"The database lacks a table or column: {message}.")
    if code in _RETRIED or code in _RECONNECT:
        return _TryAgain(f"Postgres asks to try again: {message}.")
    if code == "55P03":
        return Locked(f"Another session of Postgres holds what is to be written ({message}); repeating is safe.")
    if code == "57014":
        return TimedOut(f"Postgres gave up on a statement: {message}.")
    if code.startswith("28"):
        return StoreUnavailable(f"Postgres refuses our login ({message}); check SYNCCTL_DATABASE_URL.")
    if code.startswith(("08", "53", "3D", "42501", "57", "58")):
        advice = "; check SYNCCTL_DATABASE_URL" if code.startswith("3D") else ""
        return StoreUnavailable(f"Postgres cannot serve us: {message}{advice}.")
    return StoreError(code, message)


class StoreError(SyncError):
    """A statement was refused for what it says: a fault of ours, or a value that Postgres cannot hold."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"Postgres refused a statement ({code}): {message}")
        self.code = code
