"""A connector that changes its configuration (CONTROL): the next read gets it, while the caller's stays the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.airbyte import config_hash
from common.store import Database, states
from tests.support.databases import TestDatabase
from tests.support.recorder import Recorder
from tests.support.rig import catalog
from tests.support.site import PACKAGE, Site, connector, read_task, site

# Each read shows the token that it was given, and renews it twice: refresh tokens that can be used only once.
RENEWS = """
args = dict(zip(sys.argv[2::2], sys.argv[3::2]))
config = json.load(open(args["--config"]))
out(type="RECORD", record={"stream": "plants", "data": {"token": config["token"]}, "emitted_at": 1})
for _ in range(2):
    config["token"] += "'"
    out(type="CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1.5, "connectorConfig": {"config": config}})
out(type="LOG", log={"level": "INFO", "message": "renewed to " + config["token"]})
if config.get("fails"): sys.exit(1)
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})
"""
BODY = {"catalog": catalog("plants")}


@pytest.fixture
def renewing(tmp_path: Path, database: TestDatabase, bulker: Recorder) -> Iterator[Site]:
    with site(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, RENEWS)}) as running:
        yield running


def _run(place: Site, task: str, config: dict[str, Any], sync: str = "sync-1", **query: str) -> dict[str, Any]:
    return place.run(read_task(task, sync, body={**BODY, "config": config}, **query))


def _given(bulker: Recorder) -> list[str]:
    """The tokens that the reads were given, in order."""
    return [row["token"] for bulk in bulker.requests for row in bulk.rows]


def test_the_next_reads_get_the_changed_configuration(renewing: Site, bulker: Recorder, database: TestDatabase) -> None:
    """Also the third: it was derived from what the caller still sends, whatever the order of its members."""
    for number, config in enumerate(
        [{"token": "tok-0001", "a": 1}, {"a": 1, "token": "tok-0001"}, {"token": "tok-0001", "a": 1}]
    ):
        task = _run(renewing, f"t{number}", config)
        assert task["state"] == "SUCCESS"
    assert _given(bulker) == ["tok-0001", "tok-0001''", "tok-0001''''"]
    [row] = database.rows("SELECT * FROM syncctl_config")
    assert (row["sync_id"], row["given_hash"]) == ("sync-1", config_hash(b'{"a":1,"token":"tok-0001"}'))
    assert not any("tok-0001" in line["message"] for line in task["logs"])


def test_a_caller_that_changes_its_configuration_is_obeyed(
    renewing: Site, bulker: Recorder, database: TestDatabase
) -> None:
    """The kept one was derived from another and is forgotten; back to the first one does not revive it."""
    for number, token in enumerate(["tok-0001", "tok-0002", "tok-0002", "tok-0001"]):
        _run(renewing, f"t{number}", {"token": token})
    assert _given(bulker) == ["tok-0001", "tok-0002", "tok-0002''", "tok-0001"]
    [row] = database.rows("SELECT config FROM syncctl_config")
    assert row["config"] == '{"token": "tok-0001\'\'"}'


def test_a_change_outlives_a_run_that_fails_and_a_full_sync(renewing: Site, bulker: Recorder) -> None:
    """A used token is used, whatever came of the run; states have nothing to do with it."""
    failed = _run(renewing, "t0", {"token": "tok-0001", "fails": True})
    assert failed["state"] == "FAILED"
    _run(renewing, "t1", {"token": "tok-0001", "fails": True}, fullSync="true")
    assert _given(bulker) == []
    assert any("The connector changed its configuration" in line["message"] for line in failed["logs"])
    with Database(renewing.settings.require_database_url()) as db:
        kept = db.transact(lambda db: states.kept_config(db, "sync-1", b'{"fails":true,"token":"tok-0001"}'))
    assert b"tok-0001''''" in kept


def test_another_sync_has_its_own(renewing: Site, bulker: Recorder) -> None:
    """The same configuration, another sync: nothing is handed over."""
    _run(renewing, "t0", {"token": "tok-0001"})
    _run(renewing, "t1", {"token": "tok-0001"}, "sync-2")
    assert _given(bulker) == ["tok-0001", "tok-0001"]


def test_the_same_request_again_is_answered_as_before(renewing: Site, bulker: Recorder) -> None:
    """What the connector made of the configuration does not make the caller's request another one."""
    task = read_task("t0", body={**BODY, "config": {"token": "tok-0001"}})
    renewing.run(task)
    assert renewing.start(task).task_id == "t0"
    assert _given(bulker) == ["tok-0001"]


def test_a_message_without_a_configuration_changes_nothing(
    tmp_path: Path, database: TestDatabase, bulker: Recorder
) -> None:
    """Another kind of CONTROL, none, or no object: logged, and the run is a success."""
    odd = """
for control in [{"type": "OTHER", "connectorConfig": {"config": {"a": 1}}}, {"type": "CONNECTOR_CONFIG"}, None, 5,
                {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": None}}, {"type": "CONNECTOR_CONFIG", "connectorConfig": 1}]:
    out(type="CONTROL", control=control)
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})
"""
    with site(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, odd)}) as place:
        task = _run(place, "t0", {"token": "tok-0001"})
    assert task["state"] == "SUCCESS"
    assert len([line for line in task["logs"] if "CONTROL message without a new configuration" in line["message"]]) == 6
    assert database.rows("SELECT * FROM syncctl_config") == []


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
    assert db.transact(lambda db: states.kept_config(db, "s", given)) == given
