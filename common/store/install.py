"""Make the missing tables, and migrate our own to the newest version."""

import logging

from common.store import queries
from common.store.database import Database, Row

_log = logging.getLogger(__name__)


def install(database: Database) -> None:
    """Run within a transaction of `Database.install`."""
    statements = queries.load("install.sql")

    def run(name: str, **parameters: object) -> list[Row]:
        return database.execute(statements[name], **parameters)

    run("lock")
    [schema] = run("current_schema")
    if schema["name"] is None:
        # Postgres itself has quoted the name.
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema['wanted']}")
    tables = queries.load("tables.sql")
    created = [table for table in tables if run("find_table", table=table)[0]["oid"] is None]
    for table in created:
        database.execute(tables[table])
    if created:
        _log.info("Made the missing tables %s.", ", ".join(created))
    run("make_migration_table")
    applied = {row["version"] for row in run("applied")}
    missing = {version: sql for version, sql in queries.migrations().items() if version not in applied}
    for version, sql in missing.items():
        database.execute(sql)
        run("mark_applied", version=version)
    if missing:
        _log.info("Brought our tables to version %d.", max(missing))
