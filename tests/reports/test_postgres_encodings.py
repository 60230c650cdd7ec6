"""Text that a database, or the driver, cannot take as it is."""
# ruff: noqa: RUF001 - dashes that no Latin-1 has are the case

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from common.errors import StoreRefused
from common.store import Database, states
from common.tasks.query import get_task, list_tasks
from common.tasks.requests import TaskQuery
from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.local_system import PACKAGE, REPLAY, local_system, other_task, python, read_task

CASE = CASES / "postgres-encoding-of-the-database"
PLAYS = {PACKAGE: python(REPLAY, str(CASE))}


@pytest.fixture(params=["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"])
def other(request: pytest.FixtureRequest, database: TestDatabase) -> Iterator[tuple[TestDatabase, str]]:
    """A database that is not UTF-8."""
    name = f"test_{uuid4().hex}"
    encoding = request.param
    database.rows(f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    made = TestDatabase(database._server_url, name)
    yield made, encoding
    database.rows(f"DROP DATABASE {name} WITH (FORCE)")


def _install(database: TestDatabase) -> None:
    with Database(database.url) as db:
        db.install()


@pytest.mark.fault(122)
def test_postgres_encoding_of_the_database(tmp_path: Path, other: tuple[TestDatabase, str], bulker: FakeBulker) -> None:
    """Each request, and the start of `syncctl serve`, names the encoding and what to do; nothing is made or started."""
    database, encoding = other
    body = {"catalog": json.loads((CASE / "catalog.json").read_text())}
    with local_system(tmp_path, database, bulker.url, PLAYS) as place:
        for ask in (
            lambda: place.start(read_task(body=body)),
            lambda: place.start(other_task("spec")),
            lambda: list_tasks(place.settings, TaskQuery()),
            place.sweep,
            lambda: _install(database),
        ):
            with pytest.raises(StoreRefused, match=f"is encoded as {encoding}.*ENCODING 'UTF8'"):
                ask()
        assert list(place.pods.list_pods()) == []
    assert database.rows("SELECT count(*) AS n FROM pg_tables WHERE schemaname IN ('newjitsu', 'syncctl')") == [
        {"n": 0}
    ]


@pytest.mark.fault(122)
def test_a_server_that_expects_another_encoding_of_clients(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker
) -> None:
    """Set for the database or its users: what is sent and read is UTF-8 all the same."""
    database.rows(f"ALTER DATABASE {database.name} SET client_encoding = 'LATIN1'")
    body = {"catalog": json.loads((CASE / "catalog.json").read_text())}
    with local_system(tmp_path, database, bulker.url, PLAYS) as place:
        spec, check = (place.run(other_task(command)) for command in ("spec", "check"))
        assert spec["result"]["connectionSpecification"]["properties"]["town"]["title"] == "Größe – 東京"
        assert check["reason"] == "Accès refusé – 權限不足 🌱"
        assert place.run(read_task(body=body))["state"] == "SUCCESS"
        assert any(
            "reading beds – 🌱 2 rows" in line["message"] for line in get_task(place.settings, "task-1")["task"]["logs"]
        )
    with Database(database.url) as db:
        [(_, saved)] = db.transact(lambda db: states.load(db, "sync-1"))
    assert json.loads(saved) == {"last": "東京 🌱"}


@pytest.mark.fault(122)
def test_what_no_text_may_hold_is_replaced_in_every_statement(db: Database) -> None:
    """NUL, and half of a surrogate pair: alone and in lists."""
    sql = "SELECT :one::text AS one, :many::text[] AS many"
    rows = db.transact(lambda db: db.execute(sql, one="a\0\ud800b – 東京", many=["\udfff", "c\0", None]))
    assert rows == [{"one": "a\u2400?b – 東京", "many": ["?", "c\u2400", None]}]
