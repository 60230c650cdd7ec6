"""A connector that changes its configuration (CONTROL): the next task gets it, while the caller's stays the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.protocol.messages import config_hash
from common.store import Database, states
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import catalog

# Each read shows the token that it was given, and renews it twice: refresh tokens that can be used only once.
RENEWS = """
args = dict(zip(sys.argv[2::2], sys.argv[3::2]))
config = json.load(open(args["--config"]))
if sys.argv[1] == "read":
    out(type="RECORD", record={"stream": "plants", "data": {"token": config["token"]}, "emitted_at": 1})
elif sys.argv[1] == "check":
    out(type="CONNECTION_STATUS", connectionStatus={"status": "FAILED", "message": str(len(config["token"]))})
else:
    out(type="CATALOG", catalog={"streams": [{"name": "n" * len(config["token"])}]})
for _ in range(2):
    config["token"] += "'"
    out(type="CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1.5, "connectorConfig": {"config": config}})
out(type="LOG", log={"level": "INFO", "message": "renewed to " + config["token"]})
if config.get("fails"): sys.exit(1)
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})
"""
BODY = {"catalog": catalog("plants")}


@pytest.fixture
def renewing(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, RENEWS)}) as running:
        yield running


def _run(place: LocalSystem, task: str, config: dict[str, Any], sync: str = "sync-1", **query: str) -> dict[str, Any]:
    return place.run(read_task(task, sync, body={**BODY, "config": config}, **query))


def _given(bulker: FakeBulker) -> list[str]:
    """The tokens that the reads were given, in order."""
    return [row["token"] for bulk in bulker.requests for row in bulk.rows]


def test_the_next_reads_get_the_changed_configuration(
    renewing: LocalSystem, bulker: FakeBulker, database: TestDatabase
) -> None:
    """Also the third: it was derived from what the caller still sends, whatever the order of its members."""
    for number, config in enumerate(
        [{"token": "tok-0001", "a": 1}, {"a": 1, "token": "tok-0001"}, {"token": "tok-0001", "a": 1}]
    ):
        task = _run(renewing, f"t{number}", config)
        assert task["state"] == "SUCCESS"
    assert _given(bulker) == ["tok-0001", "tok-0001''", "tok-0001''''"]
    [row] = database.rows("SELECT * FROM syncctl_changed_config")
    assert (row["package"], row["given_hash"]) == (PACKAGE, config_hash(b'{"a":1,"token":"tok-0001"}'))
    assert len(row["derived"]) == 6
    assert not any("tok-0001" in line["message"] for line in task["logs"])


def test_a_caller_that_changes_its_configuration_is_obeyed(
    renewing: LocalSystem, bulker: FakeBulker, database: TestDatabase
) -> None:
    """The kept one was derived from another; back at the first one, what was made of that is the newest."""
    for number, token in enumerate(["tok-0001", "tok-0002", "tok-0002", "tok-0001"]):
        _run(renewing, f"t{number}", {"token": token})
    assert _given(bulker) == ["tok-0001", "tok-0002", "tok-0002''", "tok-0001''"]
    rows = database.rows("SELECT config FROM syncctl_changed_config ORDER BY config")
    assert [row["config"] for row in rows] == ["{\"token\": \"tok-0001''''\"}", "{\"token\": \"tok-0002''''\"}"]


def test_a_change_outlives_a_run_that_fails_and_a_full_sync(renewing: LocalSystem, bulker: FakeBulker) -> None:
    """A used token is used, whatever came of the run; states have nothing to do with it."""
    failed = _run(renewing, "t0", {"token": "tok-0001", "fails": True})
    assert failed["state"] == "FAILED"
    _run(renewing, "t1", {"token": "tok-0001", "fails": True}, fullSync="true")
    assert _given(bulker) == []
    assert any("The connector changed its configuration" in line["message"] for line in failed["logs"])
    with Database(renewing.settings.require_database_url()) as db:
        kept = db.transact(lambda db: states.kept_config(db, PACKAGE, b'{"fails":true,"token":"tok-0001"}'))
    assert b"tok-0001''''" in kept


def test_another_sync_of_the_same_source_gets_it_too(renewing: LocalSystem, bulker: FakeBulker) -> None:
    """The same connector with the same configuration: the token that this holds is used, even if another task has changed it."""
    _run(renewing, "t0", {"token": "tok-0001"})
    _run(renewing, "t1", {"token": "tok-0001"}, "sync-2")
    assert _given(bulker) == ["tok-0001", "tok-0001''"]


def test_a_check_and_a_discover_renew_for_the_next_task(renewing: LocalSystem, bulker: FakeBulker) -> None:
    """In whatever order they come, also where the check is refused: each is given what the one before has left."""
    given = []
    for number in range(2):
        for command in ("check", "discover"):
            task = other_task(command, config={"token": "tok-0001"})
            done = renewing.run(task)
            assert not any("tok-0001" in line["message"] for line in done["logs"])
            result = done["result"]
            given.append(int(result["message"]) if command == "check" else len(result["streams"][0]["name"]))
        _run(renewing, f"t{number}", {"token": "tok-0001"})
        given.append(len(_given(bulker)[-1]))
    assert given == [8, 10, 12, 14, 16, 18]


def test_a_task_that_overlaps_another_changes_the_same(db: Database) -> None:
    """Both were given one configuration: who writes last has the newest, for what the caller sends."""
    given = config_hash(b'{"n":0}')
    for config, before in ((b'{"n":1}', b'{"n":0}'), (b'{"n":2}', b'{"n":1}'), (b'{"n":3}', b'{"n":1}')):
        found = db.transact(lambda db: states.keep_config(db, "p", config, config_hash(before)))  # noqa: B023 - runs at once
        assert found == given
    assert db.transact(lambda db: states.kept_config(db, "p", b'{"n":0}')) == b'{"n":3}'
    assert db.transact(lambda db: states.kept_config(db, "another", b'{"n":0}')) == b'{"n":0}'


def test_what_nobody_uses_is_forgotten(db: Database, database: TestDatabase) -> None:
    """Unused secrets are deleted; a configuration in use stays, however old it is."""
    for n in (1, 2):
        db.transact(lambda db: states.keep_config(db, "p", b'{"changed":%d}' % n, config_hash(b'{"n":%d}' % n)))  # noqa: B023 - runs at once
    database.rows("UPDATE syncctl_changed_config SET used_at = now() - interval '100 days'")
    assert db.transact(lambda db: states.kept_config(db, "p", b'{"n":1}')) == b'{"changed":1}'
    db.transact(lambda db: states.keep_config(db, "q", b"{}", "h"))
    assert db.transact(lambda db: states.kept_config(db, "p", b'{"n":1}')) == b'{"changed":1}'
    assert db.transact(lambda db: states.kept_config(db, "p", b'{"n":2}')) == b'{"n":2}'


def test_what_was_kept_by_sync_is_taken_over(empty_database: TestDatabase) -> None:
    """The migration finds the connector by the sync's last read."""
    empty_database.make_older(3)
    empty_database.rows(
        "INSERT INTO syncctl_config (sync_id, config, config_hash, given_hash) VALUES ('s', '{\"n\":1}', 'k', :h)",
        h=config_hash(b'{"n":0}'),
    )
    empty_database.rows(
        "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash)"
        " VALUES ('t', 'read', 's', 'p', '1', 'pod', 'h')"
    )
    with Database(empty_database.url) as db:
        assert db.transact(lambda db: states.kept_config(db, "p", b'{"n":0}')) == b'{"n":1}'


def test_the_same_request_again_is_answered_as_before(renewing: LocalSystem, bulker: FakeBulker) -> None:
    """What the connector made of the configuration does not make the caller's request another one."""
    task = read_task("t0", body={**BODY, "config": {"token": "tok-0001"}})
    renewing.run(task)
    assert renewing.start(task).task_id == "t0"
    assert _given(bulker) == ["tok-0001"]


def test_a_message_without_a_configuration_changes_nothing(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker
) -> None:
    """Another kind of CONTROL, none, or no object: logged, and the run is a success."""
    odd = """
for control in [{"type": "OTHER", "connectorConfig": {"config": {"a": 1}}}, {"type": "CONNECTOR_CONFIG"}, None, 5,
                {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": None}}, {"type": "CONNECTOR_CONFIG", "connectorConfig": 1}]:
    out(type="CONTROL", control=control)
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})
"""
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, odd)}) as place:
        task = _run(place, "t0", {"token": "tok-0001"})
    assert task["state"] == "SUCCESS"
    assert len([line for line in task["logs"] if "CONTROL message without a new configuration" in line["message"]]) == 6
    assert database.rows("SELECT * FROM syncctl_changed_config") == []


def test_a_configuration_is_kept_byte_for_byte(db: Database) -> None:
    """Digits, order and an escaped NUL stay; two runs that change one after another keep the caller's hash."""
    given = b'{"n":9223372036854775808}'
    first = rb'{ "n":9223372036854775808, "z":"\u0000", "a":1E400 }'
    hashed = db.transact(lambda db: states.keep_config(db, "s", first, config_hash(given)))
    assert hashed == config_hash(given)
    assert db.transact(lambda db: states.kept_config(db, "s", given)) == first
    assert db.transact(lambda db: states.keep_config(db, "s", b'{"n":2}', config_hash(first))) == hashed
    assert db.transact(lambda db: states.kept_config(db, "s", b'{ "n" : 9223372036854775808 }')) == b'{"n":2}'
    assert db.transact(lambda db: states.kept_config(db, "s", b'{"n":1}')) == b'{"n":1}'
