"""A database per test, cloned from a template: 30 ms instead of creating every table."""

from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from pg8000.native import Error  # noqa: TID251 - tests look past the product's own store

from common import DATABASE_SCHEMA
from common.store import Database, dsn, queries
from common.store.connections import Connection
from tests.support import canaries

_TEMPLATE = "sync_template"
_TABLES = """SELECT table_schema, table_name FROM information_schema.tables
WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"""
_OWNED = {"syncctl_changed_config": "t.package || t.given_hash || t.derived::text"}
"""What is not a secret's own of a table where one belongs: a configuration that a connector changed is kept as it is."""


class TestDatabase:
    """One database; `rows` runs any SQL on it, apart from the product's own code."""

    __test__ = False

    def __init__(self, server_url: str, name: str) -> None:
        self._server_url, self.name = server_url, name
        self.url = f"{_named(server_url, name)}?search_path=newjitsu&sslmode=disable"
        self._both = self.url.replace("newjitsu", f"newjitsu,{DATABASE_SCHEMA}")
        self._kept: Connection | None = None

    @classmethod
    def make_template(cls, server_url: str) -> None:
        """Makes the database that the others are copies of."""
        _admin(server_url, f"CREATE DATABASE {_TEMPLATE}")
        with Database(cls(server_url, _TEMPLATE).url) as db:
            db.install()

    @classmethod
    def clone(cls, server_url: str, template: str = _TEMPLATE) -> Self:
        """A new database."""
        name = f"test_{uuid4().hex}"
        _admin(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
        return cls(server_url, name)

    def make_older(self, version: int) -> None:
        """Makes our tables as that version had them, in the caller's schema, before they had their own."""
        sql = [queries.load("install.sql", "newjitsu")["make_migration_table"]]
        for number in range(1, version + 1):
            sql += [queries.migrations()[number], f"INSERT INTO syncctl_migration (version) VALUES ({number})"]
        self.rows(";\n".join(["CREATE SCHEMA IF NOT EXISTS newjitsu", *sql]))

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Runs one statement on a connection of its own, which finds our tables as well as the caller's."""
        with closing(_connect(self._both)) as connection:
            return _rows(connection, sql, **parameters)

    def refuse_secrets(self, *secrets: str, owned: Mapping[str, str] = _OWNED) -> None:
        """Fails if a table holds a secret (the planted one by default), in any column but those that own it."""
        wanted = canaries.pattern(*(secrets or (canaries.MARK,)))
        with closing(_connect(self.url)) as connection:
            parts = [
                f"SELECT '{name}' AS place, line FROM (SELECT {owned.get(name, 't::text')} AS line FROM "
                f'"{schema}"."{name}" t) AS lines WHERE line ~ :wanted'
                for schema, name in (row.values() for row in _rows(connection, _TABLES))
            ]
            found = _rows(connection, " UNION ALL ".join(parts), wanted=wanted.pattern.decode()) if parts else []
        for row in found:
            canaries.refuse(f"the table {row['place']}", row["line"], search=wanted)

    def poll(self, sql: str, **parameters: Any) -> list[dict[str, Any]] | None:
        """The same on a connection that is kept, for those who ask often; None while the server is away."""
        for _ in range(2):  # it may have been away and come back
            try:
                self._kept = self._kept or _connect(self._both)
                return _rows(self._kept, sql, **parameters)
            except (Error, OSError):
                self._let_go()
        return None

    def _let_go(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(Error, OSError):
                kept.close()

    def drop(self) -> None:
        """Removes it, whoever is still connected, once no secret is seen in it."""
        self._let_go()
        self.refuse_secrets()
        _admin(self._server_url, f"DROP DATABASE {self.name} WITH (FORCE)")


def _connect(url: str) -> Connection:
    """A session with the URL's settings, as the product has them in each transaction."""
    target = dsn.parse(url)
    connection = Connection(target, None)
    for name, value in target.settings.items():
        connection.run("SELECT set_config(:name, :value, false)", name=name, value=value)
    return connection


def _named(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}", query=""))


def plant_password(server_url: str) -> str:
    """Gives the server's role the planted password; the URL that is right from then on."""
    _admin(server_url, f"ALTER ROLE {urlsplit(server_url).username} PASSWORD '{canaries.DATABASE}'")
    return server_url.replace(f":{urlsplit(server_url).password}@", f":{canaries.DATABASE}@")


def _rows(connection: Connection, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    rows = connection.run(sql, **parameters) or []
    columns = [column["name"] for column in connection.columns or ()]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _admin(server_url: str, sql: str) -> None:
    connection = _connect(f"{_named(server_url, 'postgres')}?sslmode=disable")
    try:
        connection.run(sql)
    finally:
        connection.close()
