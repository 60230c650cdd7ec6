"""Connector output that other systems choked on."""

import pytest

from tests.reports.conftest import CASES, Replay
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.sidecar_process import SYNC


@pytest.mark.fault(67)
def test_protocol_nan_and_infinity(replay: Replay, bulker: FakeBulker) -> None:
    """NaN costs one record, named by stream and number; the neighbours and the other stream are whole."""
    sidecar = replay("protocol-nan-and-infinity")
    assert sidecar.task["status"] == "PARTIAL"
    assert sidecar.streams["plants"] == {"events": 2, "bytes": sidecar.streams["plants"]["bytes"], "status": "SUCCESS"}
    assert sidecar.streams["beds"]["status"] == "PARTIAL"
    assert "record 2 of stream beds was refused: NaN is not JSON" in sidecar.streams["beds"]["error"]
    assert "(3 emitted, 2 stored)" in sidecar.streams["beds"]["error"]
    assert [row["id"] for row in bulker.rows("beds")] == [1, 3]
    assert sidecar.states == {"plants": {"c": 2}, "beds": {"c": 3}}
    assert not any("-Infinity" in line for line in sidecar.log)


@pytest.mark.fault(42)
def test_protocol_json_that_is_no_message(replay: Replay, bulker: FakeBulker) -> None:
    """null, numbers, arrays and unknown types are odd lines, not errors of a stream."""
    sidecar = replay("protocol-json-that-is-no-message")
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2]
    assert sidecar.states == {"plants": {"c": 2}}
    odd = [line for line in sidecar.log if "it was ignored" in line]
    assert len(odd) == 11
    assert not any(line.startswith("ERROR") for line in sidecar.log)
    assert not any("Error" in line for line in sidecar.log)


@pytest.mark.fault(67)
def test_protocol_deep_nesting(replay: Replay, bulker: FakeBulker) -> None:
    """A record nested too deep is refused alone; those around it in the same chunk are stored."""
    sidecar = replay("protocol-deep-nesting")
    assert [row["id"] for row in bulker.rows("trees")] == [1, 2, 4]
    assert sidecar.task["status"] == "PARTIAL"
    assert "(4 emitted, 3 stored)" in sidecar.streams["trees"]["error"]
    told = "record 3 of stream trees was refused: nested deeper than 1,000 levels"
    assert told in sidecar.streams["trees"]["error"]
    assert b"RecursionError" not in sidecar.output


def test_state_quiet_run_keeps_state(replay: Replay, bulker: FakeBulker, database: TestDatabase) -> None:
    """A run that finds nothing leaves the saved state and the table alone."""
    database.rows((CASES / "state-quiet-run-keeps-state/preload.sql").read_text().replace("sync-quiet", SYNC))
    [before] = database.rows("SELECT state, timestamp FROM source_state")
    sidecar = replay("state-quiet-run-keeps-state")
    assert sidecar.task["status"] == "SUCCESS"
    assert sidecar.streams["visits"]["events"] == 0
    assert database.rows("SELECT state, timestamp FROM source_state") == [before]
    assert bulker.requests == []


def test_status_one_stream_fails(replay: Replay, bulker: FakeBulker) -> None:
    """One stream fails with its own words; the other is a success with its state."""
    sidecar = replay("status-one-stream-fails")
    assert sidecar.task["status"] == "PARTIAL"
    assert sidecar.streams["plants"]["status"] == "SUCCESS"
    assert sidecar.streams["plants"]["events"] == 3
    assert sidecar.streams["orders"]["status"] == "FAILED"
    assert sidecar.streams["orders"]["error"].startswith("The orders report needs the scope read_orders")
    assert sidecar.states == {"plants": {"c": 3}}
    assert bulker.committed("orders") == []


def test_catalog_nested_and_composite_keys(replay: Replay, bulker: FakeBulker) -> None:
    """A composite key is two columns, a nested key is one column with the path as its name."""
    sidecar = replay("catalog-nested-and-composite-keys")
    assert sidecar.task["status"] == "SUCCESS"
    keys = {bulk.table: bulk.query["pk"] for bulk in bulker.requests}
    assert keys == {"plants": ["meta_id"], "beds": ["region", "id"]}
    assert {bulk.mode for bulk in bulker.requests} == {"batch"}


@pytest.mark.fault(46, 77)
def test_postgres_nul_in_state_and_log(replay: Replay, database: TestDatabase) -> None:
    """A cursor with a NUL is kept byte for byte, beside jsonb; logs show it; the other stream is not concerned."""
    sidecar = replay("postgres-nul-in-state-and-log")
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    assert sidecar.states == {"plants": {"c": 1}}
    kept = database.rows("SELECT stream, state::text AS state FROM syncctl_state")
    assert kept == [{"stream": "codes", "state": r'{"cursor":"A\u0000B"}'}]
    assert "INFO page token was x\u2400y" in sidecar.log


@pytest.mark.fault(41)
def test_sigkill_while_sidecar_waits(replay: Replay, bulker: FakeBulker) -> None:
    """No exit code is not success: what was acknowledged counts, a cut full refresh does not."""
    sidecar = replay("protocol-json-that-is-no-message", exit_code=None)
    assert sidecar.task["status"] != "SUCCESS"
    assert "no exit code" in sidecar.ours["reason"]
