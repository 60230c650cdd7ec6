"""A configuration that its connector changes is encrypted in Postgres where a key is set."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from common import DATABASE_SCHEMA
from common.store import Database, queries, states
from common.store.encryption import KeyMissing, Keys
from common.sweep.sweep import sweep
from tests.integration.test_control import RENEWS
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, read_task
from tests.support.sidecar_process import catalog

FIRST, SECOND = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
GIVEN = b'{"token":"tok-0001"}'


@pytest.fixture
def encrypting(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    given = {"SYNCCTL_ENCRYPTION_KEY": f"{FIRST},{SECOND}"}
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, RENEWS)}, **given) as running:
        yield running


def _read(place: LocalSystem, task: str) -> str:
    body = {"catalog": catalog("plants"), "config": {"token": "tok-0001"}}
    return str(place.run(read_task(task, body=body))["state"])


def _kept(database: TestDatabase) -> list[str]:
    return [row["config"] for row in database.rows("SELECT config FROM syncctl_changed_config ORDER BY package")]


@pytest.mark.fault(372)
def test_a_changed_configuration_is_in_no_table_in_the_clear(
    encrypting: LocalSystem, bulker: FakeBulker, database: TestDatabase
) -> None:
    """The next read gets it all the same. The sidecar has the first key alone, from the task's Secret."""
    for task in ("t0", "t1"):
        assert _read(encrypting, task) == "SUCCESS"
    assert [bulk.rows[0]["token"] for bulk in bulker.requests] == ["tok-0001", "tok-0001''"]
    [kept] = _kept(database)
    assert b"tok-0001''''" in Keys(FIRST).decrypt(kept)
    database.refuse_secrets("tok-0001", FIRST, owned={})


def test_a_sweep_does_not_read_what_the_first_key_has_encrypted(database: TestDatabase, db: Database) -> None:
    """However many configurations are kept, each of them long: it looks at how they begin, in an index."""
    keys = Keys(f"{FIRST},{SECOND}")
    database.rows(
        "INSERT INTO syncctl_changed_config (package, given_hash, config) "
        "SELECT 'p', n, :begins || repeat('x', 500) FROM generate_series(1, 1000) AS n",
        begins=keys.current,
    )  # fmt: skip
    database.rows("ANALYZE syncctl_changed_config")
    sql = queries.load("queries.sql", DATABASE_SCHEMA)["configs_to_encrypt"]
    parameters = {"current": keys.current, "older": keys.older}
    plan = db.transact(lambda db: db.execute(f"EXPLAIN {sql}", **parameters))
    assert "syncctl_changed_config_key" in str(plan)
    assert db.transact(lambda db: db.execute(sql, **parameters)) == []


@pytest.mark.fault(372)
def test_what_is_kept_moves_to_the_first_key(database: TestDatabase, encrypting: LocalSystem) -> None:
    """What was in the clear, or of an older key; what no key reads stays, and does not stop the others."""
    strange = Keys(base64.b64encode(b"3" * 32).decode()).encrypt(GIVEN)
    for package, config in (("a", GIVEN.decode()), ("b", Keys(SECOND).encrypt(GIVEN)), ("c", strange)):
        database.rows(
            "INSERT INTO syncctl_changed_config (package, given_hash, config) VALUES (:p, 'h', :c)", p=package, c=config
        )
    encrypting.sweep()
    first, second, third = _kept(database)
    assert Keys(FIRST).decrypt(first) == Keys(FIRST).decrypt(second) == GIVEN
    assert third == strange
    encrypting.sweep()
    assert _kept(database) == [first, second, third]


@pytest.mark.fault(373)
def test_a_missing_key_stops_the_task_in_words(encrypting: LocalSystem, database: TestDatabase) -> None:
    """A connector whose token is used up would fail without a reason; the caller's own is not used instead."""
    _read(encrypting, "t0")
    for other in (SECOND, ""):
        settings = encrypting.settings.model_copy(update={"encryption_key": SecretStr(other)})
        place = LocalSystem(settings, encrypting.pods, database)
        body = {"catalog": catalog("plants"), "config": {"token": "tok-0001"}}
        with pytest.raises(KeyMissing, match=r"has no key [0-9a-f]{8}"):
            place.start(read_task("t1", body=body))
        sweep(settings)
    assert [row["task_id"] for row in database.rows("SELECT task_id FROM syncctl_task")] == ["t0"]


def test_a_large_configuration_finds_room_although_it_is_longer(db: Database, database: TestDatabase) -> None:
    keys, large = Keys(FIRST), b'{"n":"%s"}' % (b"x" * (1024 * 1024 - 8))
    database.rows(
        "INSERT INTO syncctl_changed_config (package, given_hash, config) VALUES ('p', :h, :c)",
        h="44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", c=keys.encrypt(large),
    )  # fmt: skip
    assert len(large) == 1024 * 1024
    assert db.transact(lambda db: states.kept_config(db, "p", b"{}", keys)) == large
