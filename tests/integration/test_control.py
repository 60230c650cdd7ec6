"""A connector that changes its configuration (CONTROL): the next task gets it, while the caller's stays the same."""

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import Refused
from common.protocol import sizes
from common.protocol.commands import Command
from common.protocol.messages import config_hash
from common.store import Database, Task, states, tasks
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import SidecarProcess, catalog, record, status

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
RENEW = 'config["token"] += "\'"'
ATTACKER: tuple[str, dict[str, Any]] = "sync-1", {"token": "tok-0001", "names": {"token": "tok-0002"}}
VICTIM: tuple[str, dict[str, Any]] = "sync-2", {"token": "tok-0002"}


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


def _task(db: Database, task_id: str, config: bytes, package: str = "p") -> Task:
    """A check that was accepted with this configuration of its caller's."""
    task = Task(Command.CHECK, task_id, package, "1", storage_key=task_id)
    given = {"pod_name": task_id, "request_hash": "h", "given_hash": config_hash(config)}
    assert db.transact(lambda db: tasks.begin(db, task, **given))[1]
    return task


def _keep(db: Database, task: Task, config: bytes) -> None:
    db.transact(lambda db: states.keep_config(db, task, config))


def test_a_task_that_overlaps_another_changes_the_same(db: Database) -> None:
    """Both are of one configuration of the caller's: who writes last has the newest for it."""
    first, second = (_task(db, name, b'{"n":0}') for name in ("t1", "t2"))
    for config, task in ((b'{"n":1}', first), (b'{"n":2}', second), (b'{"n":3}', first)):
        _keep(db, task, config)
    assert db.transact(lambda db: states.kept_config(db, "p", b'{"n":0}')) == b'{"n":3}'
    assert db.transact(lambda db: states.kept_config(db, "another", b'{"n":0}')) == b'{"n":0}'


def test_what_nobody_uses_is_forgotten(db: Database, database: TestDatabase) -> None:
    """Unused secrets are deleted; a configuration in use stays, however old it is."""
    for n in (1, 2):
        _keep(db, _task(db, f"t{n}", b'{"n":%d}' % n), b'{"changed":%d}' % n)
    database.rows("UPDATE syncctl_changed_config SET used_at = now() - interval '100 days'")
    assert db.transact(lambda db: states.kept_config(db, "p", b'{"n":1}')) == b'{"changed":1}'
    _keep(db, _task(db, "t3", b'{"n":3}', "q"), b"{}")
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
    """Digits, order and an escaped NUL stay, for the caller's configuration, however that is written."""
    given = b'{"n":9223372036854775808}'
    first = rb'{ "n":9223372036854775808, "z":"\u0000", "a":1E400 }'
    task = _task(db, "t1", given, "s")
    _keep(db, task, first)
    assert db.transact(lambda db: states.kept_config(db, "s", given)) == first
    _keep(db, task, b'{"n":2}')
    assert db.transact(lambda db: states.kept_config(db, "s", b'{ "n" : 9223372036854775808 }')) == b'{"n":2}'
    assert db.transact(lambda db: states.kept_config(db, "s", b'{"n":1}')) == b'{"n":1}'


@pytest.mark.fault(205)
def test_a_task_whose_row_tells_nothing_keeps_nothing(db: Database, database: TestDatabase) -> None:
    """Of another controller, whose pods let a connector write what it was given: it might be another sync's."""
    _keep(db, _task(db, "t1", b'{"n":0}'), b'{"n":1}')
    database.rows("UPDATE syncctl_task SET given_hash = NULL")
    for elsewhere in (Task(Command.CHECK, "t1", "p", "1"), Task(Command.READ, "t9", "p", "1", "s9")):
        with pytest.raises(Refused, match="does not tell what its caller had sent"):
            _keep(db, elsewhere, b'{"n":2}')
        assert db.transact(lambda db, task=elsewhere: states.changed_config(db, task)) is None  # type: ignore[misc] # the loop's own
    assert db.transact(lambda db: states.kept_config(db, "p", b'{"n":0}')) == b'{"n":1}'


@pytest.mark.fault(205)
def test_a_configuration_never_crosses_to_the_sync_whose_it_names(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker
) -> None:
    """A connector makes of one sync's configuration the very one of another sync: neither gets what is the other's."""
    names = RENEWS.replace("range(2)", "range(1)").replace(
        RENEW, f"if 'names' in config: config = config['names']\n    else: {RENEW}"
    )
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, names)}) as place:
        for number, (sync, config) in enumerate([ATTACKER, VICTIM, ATTACKER, VICTIM]):
            assert _run(place, f"t{number}", config, sync)["state"] == "SUCCESS"
    assert _given(bulker) == ["tok-0001", "tok-0002", "tok-0002", "tok-0002'"]


@pytest.mark.fault(205)
def test_an_attempt_resumes_with_its_own_configuration(db: Database) -> None:
    """Not with what another sync's connector made after it had made this one's."""
    attacker = _task(db, "t1", b'{"n":1}')
    for config in (b'{"n":2}', b'{"theirs":1}'):
        _keep(db, attacker, config)
    victim = _task(db, "t2", b'{"n":2}')
    assert db.transact(lambda db: states.changed_config(db, victim)) is None
    _keep(db, victim, b'{"n":3}')
    assert db.transact(lambda db: states.changed_config(db, victim)) == b'{"n":3}'
    assert db.transact(lambda db: states.kept_config(db, "p", b'{"n":1}')) == b'{"theirs":1}'


@pytest.mark.fault(206)
@pytest.mark.parametrize(
    ("size", "beside", "why"),
    [
        (sizes.CONFIG_BYTES, 0, f"at most {sizes.CONFIG_BYTES:,} are kept"),
        (900_000, 900_000, "does not fit into a task's Secret"),
    ],
    ids=["alone", "beside the catalog"],
)
def test_a_configuration_that_no_secret_holds_is_not_kept(
    sidecar: SidecarProcess, database: TestDatabase, size: int, beside: int, why: str
) -> None:
    """The log names its size; the one before stays, and the run is a success."""
    chosen = catalog("plants")
    chosen["streams"][0]["stream"]["json_schema"]["description"] = _noise(beside)
    sidecar.give(catalog=chosen, config={"n": 0})
    small, large = {"n": 1}, {"text": _noise(size)}
    sidecar.play(
        [*(_control(config) for config in (small, large)), record("plants", {"id": 1}), status("plants", "COMPLETE")]
    )
    assert sidecar.task["status"] == "SUCCESS"
    rows = database.rows("SELECT config FROM syncctl_changed_config")
    assert [json.loads(row["config"]) for row in rows] == [small]
    [line] = [line for line in sidecar.log if line.startswith("WARN The configuration that the connector changed")]
    assert why in line


@pytest.mark.fault(206)
@pytest.mark.parametrize(("size", "beside"), [(3_000_000, 0), (900_000, 900_000)], ids=["alone", "beside the catalog"])
def test_a_caller_is_not_refused_for_what_a_connector_has_made(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, size: int, beside: int
) -> None:
    """A kept configuration that a task cannot be given, of an older version or of a check: the caller's own is used."""
    given = {"token": "tok-0001"}
    with Database(database.url) as db:
        _keep(db, _task(db, "older", json.dumps(given).encode(), PACKAGE), json.dumps({"x": _noise(size)}).encode())
    chosen = catalog("plants")
    chosen["streams"][0]["stream"]["json_schema"]["description"] = _noise(beside)
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, RENEWS)}) as place:
        task = place.run(read_task("t0", body={"config": given, "catalog": chosen}))
    assert task["state"] == "SUCCESS"
    assert _given(bulker) == ["tok-0001"]


def _control(config: Any) -> dict[str, Any]:
    return {"type": "CONTROL", "control": {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": config}}}


def _noise(size: int) -> str:
    """A text that hardly compresses."""
    return base64.b85encode(random.Random(size).randbytes(size * 4 // 5)).decode()
