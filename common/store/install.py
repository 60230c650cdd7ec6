"""Make the missing tables, and migrate our own to the newest version."""

import logging
from collections.abc import Callable

from common.errors import SettingsError, StoreRefused
from common.store import queries
from common.store.database import Database, Row, refused

_log = logging.getLogger(__name__)


def install(database: Database) -> None:
    """Run within a transaction of `Database.install`; raise SettingsError if the user may not make or move tables."""
    statements = queries.load("install.sql", database.schema)

    def run(name: str, **parameters: object) -> list[Row]:
        return database.execute(statements[name], **parameters)

    run("lock")
    _make_callers(database, run)
    try:
        _make_ours(database, run)
    except StoreRefused as error:
        raise SettingsError(
            f"SYNCCTL_DATABASE_SCHEMA: our own tables cannot be made in the schema {database.schema}, or moved there. "
            f'{error} Either run CREATE SCHEMA "{database.schema}" AUTHORIZATION with this user\'s name, or set '
            f"SYNCCTL_DATABASE_SCHEMA to a schema in which this user may make tables."
        ) from error


def _make_callers(database: Database, run: Callable[..., list[Row]]) -> None:
    tables = queries.load("tables.sql")
    created = [table for table in tables if run("find_table", table=table)[0]["oid"] is None]
    [schema] = run("current_schema")
    if schema["name"] is None or (schema["name"] != schema["wanted"] and len(created) == len(tables)):
        if schema["hidden"]:
            raise refused(f"permission denied for schema {schema['wanted']}")
        # Postgres itself has quoted the name.
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema['quoted']}")
    for table in created:
        database.execute(tables[table])
    if created:
        _log.info("Made the missing tables %s.", ", ".join(created))


def _make_ours(database: Database, run: Callable[..., list[Row]]) -> None:
    if run("find_schema")[0]["oid"] is None:
        run("make_schema")
    run("move")
    if run("find_table", table=f'"{database.schema}".syncctl_migration')[0]["oid"] is None:
        run("make_migration_table")
    run("search_ours")
    applied = {row["version"] for row in run("applied")}
    missing = {version: sql for version, sql in queries.migrations().items() if version not in applied}
    for version, sql in missing.items():
        database.execute(sql)
        run("mark_applied", version=version)
    if missing:
        _log.info("Brought our tables in schema %s to version %d.", database.schema, max(missing))
