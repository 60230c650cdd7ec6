"""One connection to Postgres and transactions on it; connections.py and this module alone import pg8000.

A connection belongs to one thread (pg8000's threadsafety is 1), so each thread makes its own Database.
"""

import contextlib
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from common import DATABASE_SCHEMA
from common.errors import (
    Locked,
    LoginRefused,
    SettingsError,
    StoreRefused,
    StoreUnavailable,
    SyncError,
    TablesMissing,
    TimedOut,
)
from common.store import dsn, queries, session, tls
from common.store.encoding import storable

Row = dict[str, Any]
T = TypeVar("T")

_RETRIED = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_RECONNECT = frozenset({"57P01", "57P02", "57P03"})  # shutdowns
_REFUSED = frozenset({"42501", "3D000", "57P04", "42939"})  # a missing right, no such or a dropped database, a bad name
_MISSING = frozenset({"42P01", "42703", "3F000"})  # undefined table or column, no schema to create in
_POOLERS = frozenset({"08P01", "XX000"})
"""What poolers send for whatever they refuse: their words tell more."""
_LOGIN_WORDS = re.compile(r"authentication failed|\b(user|tenant|role) not found|no such user", re.IGNORECASE)
_NAME_WORDS = re.compile(r"database .*does not exist|no such database", re.IGNORECASE)
_NETWORK_WORDS = ("network error", "communication error", "create a connection", "closed", "SSL")
_UNSTORABLE = ("22", "54")  # data exceptions, and program limits such as depth and size
_RIGHTS = (
    "Grant the database user what docs/how-to/operate.md lists, or use another one (SYNCCTL_DATABASE_URL; task pods: "
    "SYNCCTL_SIDECAR_DATABASE_URL)."
)
_PAUSE_SECONDS = 0.5
_LOCK_SECONDS = 5.0
"""Less than the connection's timeout: a server process without a client would go on waiting, and keep its locks."""


class _TryAgain(StoreUnavailable):
    """The transaction may be retried as it is."""


class _ReadOnly(_TryAgain):
    """The session cannot write: after a failover, on a standby, or because it is set so."""


class Database:
    """Run named queries in transactions; reconnect and retry for `patience_seconds`.

    Everything in queries.sql may be repeated: after a COMMIT with an unknown outcome the transaction runs again.
    """

    def __init__(
        self, url: str, schema: str = DATABASE_SCHEMA, *, patience_seconds: float = 0.0, make_tables: bool = True
    ) -> None:
        self.schema = schema
        """The schema of our own tables; the URL's search_path finds the caller's."""
        self._target = dsn.parse(url)
        self._context = tls.context(self._target.tls)
        self._settings = session.first_statements(self._target.settings)
        self._patience_seconds = patience_seconds
        self._make_tables = make_tables
        self._connection: Any = None
        self._lock_seconds = min(_LOCK_SECONDS, self._target.timeout / 2)

    def transact(self, work: Callable[["Database"], T]) -> T:
        """Run `work` in one transaction; raise StoreUnavailable or TimedOut if Postgres stays away.

        Raise StoreRefused or LoginRefused at once, for what no waiting mends.
        """
        deadline = time.monotonic() + self._patience_seconds
        attempts, installs = 0, False
        while True:
            attempts += 1
            try:
                if installs:
                    self.install()
                return self._once(work)
            except TablesMissing:
                if not self._make_tables or installs:
                    raise
                installs = True
            except LoginRefused:
                raise
            except (StoreUnavailable, TimedOut) as error:
                if isinstance(error, _ReadOnly):
                    self._refuse_for_good(error)
                again = isinstance(error, _TryAgain) and attempts <= 3
                if not again and time.monotonic() >= deadline:
                    raise
                time.sleep(min(_PAUSE_SECONDS * attempts, 5.0))

    def _refuse_for_good(self, error: _ReadOnly) -> None:
        """Raise StoreRefused if a new session of a primary is read-only too; a standby may become the primary."""
        with contextlib.suppress(StoreUnavailable, TimedOut):
            [session] = self._once(lambda db: db.run("session"))
            if session["read_only"] and not session["standby"]:
                raise StoreRefused(f"{error} Its sessions are: see default_transaction_read_only.") from error

    def run(self, name: str, **parameters: Any) -> list[Row]:
        """Run a named query."""
        return self.execute(queries.load("queries.sql", self.schema)[name], **parameters)

    def refusal(self, name: str, **parameters: Any) -> "StoreError | None":
        """Run a named query; return the error if Postgres cannot store a value. The transaction goes on either way."""
        self.execute("SAVEPOINT attempt")
        try:
            self.run(name, **parameters)
        except StoreError as error:
            if not error.code.startswith(_UNSTORABLE):
                raise
            self.execute("ROLLBACK TO SAVEPOINT attempt")
            return error
        self.execute("RELEASE SAVEPOINT attempt")
        return None

    @contextmanager
    def waiting_for_locks(self, seconds: float) -> Iterator[None]:
        """Within the block, raise Locked if another session holds a row for longer than `seconds`."""
        before, self._lock_seconds = self._lock_seconds, min(seconds, self._lock_seconds)
        try:
            yield
        finally:
            self._lock_seconds = before

    def install(self) -> None:
        """Create missing tables, move our own into their schema, and migrate them to the newest version."""
        from common.store.install import install

        self._once(install)

    def close(self) -> None:
        """Close the connection; the Database reconnects when it is used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it may be lost
                connection.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _once(self, work: Callable[["Database"], T]) -> T:
        try:
            self._begin()
            result = work(self)
            self.execute("COMMIT")
        except BaseException as error:
            known = isinstance(error, SyncError) and not isinstance(error, StoreUnavailable | TimedOut)
            if known and self._connection is not None:
                with contextlib.suppress(Exception):
                    self.execute("ROLLBACK")
            else:
                self.close()  # the state of its transaction is unknown
            raise
        return result

    def _begin(self) -> None:
        sql = queries.load("transaction.sql")["begin"]
        try:
            self.execute(sql.format(settings=self._settings, milliseconds=math.ceil(1000 * self._lock_seconds)))
        except StoreError as error:
            raise SettingsError(f"{error}; change or remove that option of the database URL.") from error
        encoding = self._connection.parameter_statuses.get("server_encoding", "UTF8")
        if encoding != "UTF8":
            # What it cannot hold would be lost: states, results, reasons.
            raise StoreRefused(
                f"The database is encoded as {encoding}, which cannot hold every text. Make one with CREATE DATABASE "
                "name ENCODING 'UTF8' TEMPLATE template0, and name it in SYNCCTL_DATABASE_URL."
            )

    def execute(self, sql: str, **parameters: Any) -> list[Row]:
        """Run one statement from a .sql file (or several, without parameters); NUL in texts is shown as ␀."""
        with _translated():
            if self._connection is None:
                from common.store.connections import Connection

                self._connection = Connection(self._target, self._context)
            rows = self._connection.run(sql, **{name: storable(value) for name, value in parameters.items()})
            columns = [column["name"] for column in self._connection.columns or ()]
            return [dict(zip(columns, row, strict=True)) for row in rows or ()]


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the driver's errors into ours."""
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
    """Translate an InterfaceError by the OSError behind it; without one, and by its words, it may be a misuse."""
    cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    if isinstance(cause, TimeoutError):
        return TimedOut("Postgres did not answer in time; repeating is safe.")
    text = str(error)
    if not isinstance(cause, OSError) and not any(word in text for word in _NETWORK_WORDS):
        return StoreError("driver", text)
    if isinstance(cause, FileNotFoundError):
        return StoreUnavailable(
            "Postgres cannot be reached: no Unix socket is where the database URL names its folder. Mount that folder, "
            "or write a URL with a host; task pods lack that folder and need SYNCCTL_SIDECAR_DATABASE_URL with a host."
        )
    reason = getattr(cause, "strerror", None) or text or "the connection broke"
    return StoreUnavailable(
        f"Postgres cannot be reached ({reason}); check that the server runs, and SYNCCTL_DATABASE_URL where it is set."
    )


def _from_server(fields: object) -> SyncError:
    """Translate the server's error fields, by their one-letter codes (C: SQLSTATE, M: message)."""
    report = fields if isinstance(fields, dict) else {"M": str(fields)}
    code, message = str(report.get("C", "")), str(report.get("M", ""))
    if code in _MISSING:
        return TablesMissing(f"The database lacks a table or column, or its user USAGE on their schema: {message}.")
    if code in _REFUSED or (code in _POOLERS and _NAME_WORDS.search(message)):
        return refused(message)
    if code == "25006":
        return _ReadOnly(f"Postgres refuses it: {message}.")
    if code in _RETRIED or code in _RECONNECT:
        return _TryAgain(f"Postgres asks to try again: {message}.")
    if code == "55P03":
        return Locked(f"Another session of Postgres holds what is to be written ({message}); repeating is safe.")
    if code == "57014":
        return TimedOut(f"Postgres gave up on a statement: {message}.")
    if code.startswith("28") or (code in _POOLERS and _LOGIN_WORDS.search(message)):
        return LoginRefused(f"Postgres refuses our login ({message}); check SYNCCTL_DATABASE_URL where it is set.")
    if code.startswith(("08", "53", "57", "58", "XX")):
        return StoreUnavailable(f"Postgres cannot serve us: {message}.")
    return StoreError(code, message)


def refused(message: str) -> StoreRefused:
    """Return the error for a right that a database user lacks, or a name that is wrong; `message` is Postgres's."""
    return StoreRefused(f"Postgres refuses it: {message}. {_RIGHTS}")


class StoreError(SyncError):
    """Postgres refused a statement for its content: a bug, or a value that it cannot store."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"Postgres refused a statement ({code}): {message}")
        self.code = code
