"""Connector output that other systems choked on."""

import pytest

from tests.reports.conftest import CASES, Replay
from tests.support.databases import TestDatabase
from tests.support.recorder import Recorder
from tests.support.rig import SYNC


@pytest.mark.fault(67)
def test_protocol_nan_and_infinity(replay: Replay, bulker: Recorder) -> None:
    """NaN costs one record, named by stream and number; the neighbours and the other stream are whole."""
    rig = replay("protocol-nan-and-infinity")
    assert rig.task["status"] == "PARTIAL"
    assert rig.streams["plants"] == {"events": 2, "bytes": rig.streams["plants"]["bytes"], "status": "SUCCESS"}
    assert rig.streams["beds"]["status"] == "PARTIAL"
    assert "record 2 of stream beds was refused: NaN is not JSON" in rig.streams["beds"]["error"]
    assert "(3 emitted, 2 stored)" in rig.streams["beds"]["error"]
    assert [row["id"] for row in bulker.rows("beds")] == [1, 3]
    assert rig.states == {"plants": {"c": 2}, "beds": {"c": 3}}
    assert not any("-Infinity" in line for line in rig.log)


@pytest.mark.fault(42)
def test_protocol_json_that_is_no_message(replay: Replay, bulker: Recorder) -> None:
    """null, numbers, arrays and unknown types are odd lines, not errors of a stream."""
    rig = replay("protocol-json-that-is-no-message")
    assert rig.task["status"] == "SUCCESS", rig.task
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2]
    assert rig.states == {"plants": {"c": 2}}
    odd = [line for line in rig.log if "it was ignored" in line]
    assert len(odd) == 11
    assert not any(line.startswith("ERROR") for line in rig.log)
    assert not any("Error" in line for line in rig.log)


@pytest.mark.fault(67)
def test_protocol_deep_nesting(replay: Replay, bulker: Recorder) -> None:
    """A record nested too deep is refused alone; those around it in the same chunk are stored."""
    rig = replay("protocol-deep-nesting")
    assert [row["id"] for row in bulker.rows("trees")] == [1, 2, 4]
    assert rig.task["status"] == "PARTIAL"
    assert "(4 emitted, 3 stored)" in rig.streams["trees"]["error"]
    told = "record 3 of stream trees was refused: nested deeper than 1,000 levels"
    assert told in rig.streams["trees"]["error"]
    assert b"RecursionError" not in rig.output


def test_state_quiet_run_keeps_state(replay: Replay, bulker: Recorder, database: TestDatabase) -> None:
    """A run that finds nothing leaves the saved state and the table alone."""
    database.rows((CASES / "state-quiet-run-keeps-state/preload.sql").read_text().replace("sync-quiet", SYNC))
    [before] = database.rows("SELECT state, timestamp FROM source_state")
    rig = replay("state-quiet-run-keeps-state")
    assert rig.task["status"] == "SUCCESS"
    assert rig.streams["visits"]["events"] == 0
    assert database.rows("SELECT state, timestamp FROM source_state") == [before]
    assert bulker.requests == []


def test_status_one_stream_fails(replay: Replay, bulker: Recorder) -> None:
    """One stream fails with its own words; the other is a success with its state."""
    rig = replay("status-one-stream-fails")
    assert rig.task["status"] == "PARTIAL"
    assert rig.streams["plants"]["status"] == "SUCCESS"
    assert rig.streams["plants"]["events"] == 3
    assert rig.streams["orders"]["status"] == "FAILED"
    assert rig.streams["orders"]["error"].startswith("The orders report needs the scope read_orders")
    assert rig.states == {"plants": {"c": 3}}
    assert bulker.committed("orders") == []


def test_catalog_nested_and_composite_keys(replay: Replay, bulker: Recorder) -> None:
    """A composite key is two columns, a nested key is one column with the path as its name."""
    rig = replay("catalog-nested-and-composite-keys")
    assert rig.task["status"] == "SUCCESS"
    keys = {bulk.table: bulk.query["pk"] for bulk in bulker.requests}
    assert keys == {"plants": ["meta_id"], "beds": ["region", "id"]}
    assert {bulk.mode for bulk in bulker.requests} == {"batch"}


@pytest.mark.fault(46, 77)
def test_postgres_nul_in_state_and_log(replay: Replay, database: TestDatabase) -> None:
    """A cursor with a NUL is kept byte for byte, beside jsonb; logs show it; the other stream is not concerned."""
    rig = replay("postgres-nul-in-state-and-log")
    assert rig.task["status"] == "SUCCESS", rig.task
    assert rig.states == {"plants": {"c": 1}}
    kept = database.rows("SELECT stream, state::text AS state FROM syncctl_state")
    assert kept == [{"stream": "codes", "state": r'{"cursor":"A\u0000B"}'}]
    assert "INFO page token was x\u2400y" in rig.log


@pytest.mark.fault(41)
def test_sigkill_while_sidecar_waits(replay: Replay, bulker: Recorder) -> None:
    """No exit code is not success: what was acknowledged counts, a cut full refresh does not."""
    rig = replay("protocol-json-that-is-no-message", exit_code=None)
    assert rig.task["status"] != "SUCCESS"
    assert "no exit code" in rig.ours["reason"]
