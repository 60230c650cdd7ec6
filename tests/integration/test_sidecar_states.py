"""States and Postgres: what it cannot hold, and when it is not there."""

import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from common.errors import StoreUnavailable, SyncError
from common.failures import POSTGRES_AWAY_EXIT
from common.protocol.catalogs import decode_catalog
from common.protocol.resume import resume_states
from common.store import Database, StoreError, states
from sidecar.report import outbox
from sidecar.report.outbox import Outbox
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.proxy import Proxy, proxy
from tests.support.sidecar_process import SYNC, SidecarProcess, catalog, lines, log, record, state, status


def _refused(reasons: list[str]) -> Callable[[SyncError], None]:
    return lambda error: reasons.append(error.message)


def _save(key: str, value: bytes) -> Callable[[Database], None]:
    return lambda db: states.save(db, SYNC, key, value)


@pytest.fixture
def gate(database: TestDatabase) -> Iterator[Proxy]:
    """The way to Postgres."""
    with proxy(database.url + "&connect_timeout=1") as running:
        yield running


def _saved(database: TestDatabase) -> dict[str, Any]:
    return {row["stream"]: row["state"] for row in database.rows("SELECT stream, state FROM source_state")}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b'{"c":"\xff"}', "UTF-8"),
        (b'{"c":' * 20_000 + b"1" + b"}" * 20_000, "depth"),
        (b"", "22P02"),
        (b'{"c":1', "22P02"),
    ],
)
@pytest.mark.fault(77)
def test_a_state_that_postgres_cannot_hold_is_never_changed(
    db: Database, database: TestDatabase, value: bytes, why: str
) -> None:
    """Refused with the reason; the one before stays, and the connection works on."""
    db.transact(_save("plants", b'{"c":1}'))
    with pytest.raises(StoreError, match=why):
        db.transact(_save("plants", value))
    db.transact(_save("beds", b'{"c":2}'))
    assert _saved(database) == {"plants": {"c": 1}, "beds": {"c": 2}}


RAW = [rb'{ "c":"a\u0000b", "n":9007199254740993 }', rb'{"c":"\ud800"}', b'{"c":1E400000}', rb'"\u0000"']
"""What jsonb refuses."""


@pytest.mark.parametrize("value", RAW)
def test_a_state_that_jsonb_refuses_is_kept_byte_for_byte(db: Database, database: TestDatabase, value: bytes) -> None:
    """In our table alone; the next one of its key takes its place, of whatever sort it is; clearing forgets it."""
    db.transact(_save("beds", b'{"c":0}'))
    for saved, back in ((b'{"c":1}', b'{"c": 1}'), (value, value), (b" " + value, b" " + value), (value, value)):
        db.transact(_save("plants", saved))
        assert dict(db.transact(lambda db: states.load(db, SYNC)))["plants"] == back
        rows = database.rows("SELECT stream FROM source_state UNION ALL SELECT stream FROM syncctl_state")
        assert sorted(row["stream"] for row in rows) == ["beds", "plants"]
    configured = decode_catalog(json.dumps(catalog("plants", incremental=True)).encode())
    given = resume_states(configured, db.transact(lambda db: states.load(db, SYNC)))
    assert given is not None
    assert b'"stream_state":' + value + b"}}]" in given
    db.transact(lambda db: states.clear(db, SYNC, ["plants", "beds"]))
    assert db.transact(lambda db: states.load(db, SYNC)) == []


@pytest.mark.parametrize("value", RAW[:2])
def test_a_raw_state_is_one_of_its_kind(db: Database, database: TestDatabase, value: bytes) -> None:
    """A sync has one live kind, wherever its states are kept."""
    for key, saved in (
        ("plants", value), ("_GLOBAL_STATE", b'{"shared_state":' + value + b"}"), ("_LEGACY_STATE", b"{}"),
        ("_LEGACY_STATE", b"[" + value + b"]"), ("plants", b"{}"), ("_LEGACY_STATE", b"[" + value + b"]"),
    ):  # fmt: skip
        db.transact(_save(key, saved))
        assert db.transact(lambda db: states.load(db, SYNC)) == [(key, saved)]
        rows = database.rows("SELECT stream FROM source_state UNION ALL SELECT stream FROM syncctl_state")
        assert [row["stream"] for row in rows] == [key]


def test_of_a_state_in_both_tables_the_newer_one_counts(db: Database, database: TestDatabase) -> None:
    """Another sidecar on the same database does not know this one."""
    db.transact(_save("plants", RAW[0]))
    database.rows("INSERT INTO source_state (sync_id, stream, state) VALUES (:s, 'plants', '{\"c\": 2}')", s=SYNC)
    assert db.transact(lambda db: states.load(db, SYNC)) == [("plants", b'{"c": 2}')]
    database.rows("UPDATE source_state SET timestamp = now() - interval '1 day'")
    assert db.transact(lambda db: states.load(db, SYNC)) == [("plants", RAW[0])]


def test_without_our_tables_a_state_that_jsonb_refuses_is_not_saved(database: TestDatabase) -> None:
    """Another controller's database: others are saved as ever, this one's owner hears why it is not."""
    database.rows("DROP TABLE syncctl_state")
    reasons: list[str] = []
    with Database(database.url, make_tables=False) as plain:
        keep = Outbox(plain)
        keep.put("plants", _save("plants", b'{"c":1}'), _refused(reasons))
        keep.put("plants", _save("plants", RAW[0]), _refused(reasons))
    assert _saved(database) == {"plants": {"c": 1}}
    assert len(reasons) == 1
    assert "22P05" in reasons[0]


@pytest.mark.parametrize(
    "value",
    [
        rb'{"c":"\\u0000"}',
        b'{"c":9223372036854775808,"f":0.10,"e":1E400,"s":"50% of :name $1","n":null,"l":[[],{}]}',
        b'{"c":9007199254740993,"m":-9007199254740993,"d":0.1000000000000000055511151231257827,"x":1e-400}',
        '{"c":"é\\u00e9日"}'.encode(),
        b'{"c":"' + b"x" * 3_000_000 + b'"}',
        b"[1,2]",
        b'"text"',
    ],
)
def test_a_state_comes_back_as_it_went(db: Database, value: bytes) -> None:
    """Every digit and letter, whatever the state is."""
    db.transact(_save("plants", value))
    [(key, back)] = db.transact(lambda db: states.load(db, SYNC))
    assert key == "plants"
    assert json.loads(back, parse_float=Decimal, parse_int=Decimal) == json.loads(
        value, parse_float=Decimal, parse_int=Decimal
    )


def test_of_a_key_that_a_state_repeats_the_last_value_counts(db: Database) -> None:
    """As connectors read it; the order of keys is jsonb's."""
    db.transact(_save("plants", b'{"long":1,"c":1,"c":2}'))
    assert db.transact(lambda db: states.load(db, SYNC)) == [("plants", b'{"c": 2, "long": 1}')]


@pytest.mark.fault(78)
def test_a_sync_has_one_kind_of_state(db: Database) -> None:
    """The newest; what is handed back is of this kind alone."""
    configured = decode_catalog(json.dumps(catalog("plants", "beds", incremental=True)).encode())
    for key, value, left in (
        ("plants", b'{"c":1}', ["plants"]),
        ("beds", b'{"c":1}', ["plants", "beds"]),
        ("_GLOBAL_STATE", b'{"shared_state":{"c":2}}', ["_GLOBAL_STATE"]),
        ("_LEGACY_STATE", b'{"c":3}', ["_LEGACY_STATE"]),
        ("plants", b'{"c":4}', ["plants"]),
    ):
        db.transact(_save(key, value))
        saved = db.transact(lambda db: states.load(db, SYNC))
        assert [key for key, _ in saved] == left
        assert resume_states(configured, saved) is not None


def test_the_keeper_saves_at_once_and_only_the_newest_later(gate: Proxy, database: TestDatabase) -> None:
    """While Postgres is away a state waits, a newer one takes its place, and both come in order afterwards."""
    reasons: list[str] = []
    with Database(gate.url) as db:
        keep = Outbox(db)
        keep.put("plants", _save("plants", b'{"c":1}'), _refused(reasons))
        assert _saved(database) == {"plants": {"c": 1}}
        gate.cut()
        for number in (2, 3):
            keep.put("plants", _save("plants", b'{"c":%d}' % number), _refused(reasons))
        keep.put("beds", _save("beds", b'{"c":1}'), _refused(reasons))
        assert _saved(database) == {"plants": {"c": 1}}
        gate.heal()
        keep.retry()
        assert _saved(database) == {"plants": {"c": 1}}
        keep._not_before = 0.0
        keep.retry()
        assert _saved(database) == {"plants": {"c": 3}, "beds": {"c": 1}}
        assert (keep.written, reasons) == (3, [])


def test_a_flood_of_states_is_not_written_one_by_one(
    db: Database, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands without a row between them must not hold the connector up: the newest is what counts."""
    monkeypatch.setattr(outbox, "_BURST_SECONDS", 0.0)
    keep = Outbox(db)
    for number in range(1000):
        keep.put("plants", _save("plants", b'{"c":%d}' % number), _refused([]))
    assert 0 < keep.written < 900
    keep.finish(db)
    assert _saved(database) == {"plants": {"c": 999}}


def test_the_keeper_insists_at_the_end_and_then_tells(
    gate: Proxy, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With patience it waits for Postgres; if that stays away every state's owner gets the reason."""
    reasons: list[str] = []
    monkeypatch.setattr(outbox, "_PAUSE_SECONDS", 1000.0)
    with Database(gate.url) as db:
        keep = Outbox(db)
        gate.cut()
        keep.put("plants", _save("plants", b'{"c":1}'), _refused(reasons))
        healing = threading.Timer(0.3, gate.heal)
        healing.start()
        with Database(gate.url, patience_seconds=60) as patient:
            keep.finish(patient)
        healing.join()
        assert (_saved(database), reasons) == ({"plants": {"c": 1}}, [])
        gate.cut()
        keep._not_before = 0.0
        for name in ("a", "b"):
            keep.put(name, _save(name, b"{}"), _refused(reasons))
        keep.finish(db)
        assert ["Postgres cannot be reached" in reason for reason in reasons] == [True, True]


def test_what_postgres_will_never_take_does_not_keep_others_waiting(db: Database, database: TestDatabase) -> None:
    """Its owner gets the reason; the next one is saved. So with a table that is not there."""
    reasons: list[str] = []
    keep = Outbox(db)
    keep.put("plants", _save("plants", b"{"), _refused(reasons))
    keep.put("beds", _save("beds", b"{}"), _refused(reasons))
    assert _saved(database) == {"beds": {}}
    database.rows("DROP TABLE source_state")
    with Database(database.url, make_tables=False) as plain:
        keep = Outbox(plain)
        keep.put("beds", _save("beds", b"{}"), _refused(reasons))
        keep.finish(plain)
    assert len(reasons) == 2
    assert "source_state" in reasons[1]


@pytest.mark.parametrize("how", ["cut", "hang"])
@pytest.mark.fault(48)
def test_postgres_away_in_the_middle_holds_no_row_up(
    sidecar: SidecarProcess, bulker: FakeBulker, gate: Proxy, how: str
) -> None:
    """Rows go on to Bulker; states, log lines and the outcome come when it is back."""
    sidecar.environment["DATABASE_URL"] = gate.url
    sidecar.give(catalog=catalog("plants", incremental=True), config={}, state=[{}])
    with sidecar.start(COMMIT_SECONDS="0", STORE_PATIENCE_SECONDS="60") as process:
        sidecar.stderr.open("wb").close()
        with sidecar.stdout.open("wb", buffering=0) as out:
            out.write(lines([record("plants", {"id": 1}), state("plants", {"c": 1}), log("before")]))
            wait_for(lambda: "INFO before" in sidecar.log, what="the first line")
            assert sidecar.states == {"plants": {"c": 1}}
            gate.cut() if how == "cut" else gate.hang()
            for number in range(2, 12):
                out.write(
                    lines([record("plants", {"id": number}), state("plants", {"c": number}), log(f"{number} %s")])
                )
            wait_for(lambda: len(bulker.rows("plants")) == 11, what="all rows")
            assert sidecar.states == {"plants": {"c": 1}}
            gate.heal()
            out.write(lines([status("plants", "COMPLETE")]))
        sidecar.leave(0)
        assert process.wait(80) == 0, sidecar.output
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    assert sidecar.states == {"plants": {"c": 11}}
    assert [line for line in sidecar.log if line.endswith(" %s")] == [f"INFO {number} %s" for number in range(2, 12)]


@pytest.mark.fault(48)
def test_postgres_away_for_good_ends_the_run_without_a_row(
    sidecar: SidecarProcess, bulker: FakeBulker, gate: Proxy
) -> None:
    """Exit code 3 in time: the sweep concludes, and knows why; nothing waits without end."""
    sidecar.environment["DATABASE_URL"] = gate.url
    sidecar.give(catalog=catalog("plants", incremental=True), config={}, state=[{}])
    with sidecar.start(STORE_PATIENCE_SECONDS="1", GRACE_SECONDS="2") as process:
        sidecar.stderr.open("wb").close()
        with sidecar.stdout.open("wb", buffering=0) as out:
            out.write(lines([record("plants", {"id": 1}), log("before")]))
            wait_for(lambda: "INFO before" in sidecar.log, what="the first line")
            gate.cut()
            out.write(lines([state("plants", {"c": 1}), status("plants", "COMPLETE")]))
        sidecar.leave(0)
        assert process.wait(60) == POSTGRES_AWAY_EXIT
    assert sidecar.task["status"] == "RUNNING"
    assert bulker.rows("plants") == [{"id": 1}]


@pytest.mark.fault(48)
def test_postgres_away_at_the_start_is_waited_for(sidecar: SidecarProcess, bulker: FakeBulker, gate: Proxy) -> None:
    """Nothing is read before it is there; then the run goes its way."""
    gate.cut()
    sidecar.environment["DATABASE_URL"] = gate.url
    sidecar.give(catalog=catalog("plants"), config={})
    healing = threading.Timer(1.0, gate.heal)
    healing.start()
    sidecar.play([record("plants", {"id": 1}), status("plants", "COMPLETE")], STORE_PATIENCE_SECONDS="60")
    healing.join()
    assert sidecar.task["status"] == "SUCCESS"


def test_a_database_that_is_not_there_is_named(gate: Proxy) -> None:
    """The sentence that a sidecar's log has."""
    gate.cut()
    with Database(gate.url) as db, pytest.raises(StoreUnavailable, match="Postgres cannot be reached"):
        db.transact(lambda db: db.run("ours_exist"))
