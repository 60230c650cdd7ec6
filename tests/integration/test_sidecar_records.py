"""Records that reach the table with less than the source had, or not at all: each is counted, and none is lost unsaid."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_bulker import Bulk, FakeBulker
from tests.support.in_process_sidecar import InProcessSidecar
from tests.support.sidecar_process import catalog, record, state, status
from tests.support.warehouse import TOKEN, running_warehouse

HUGE = 10**21


def _refuses_huge(bulk: Bulk) -> tuple[int, dict[str, Any]] | None:
    """Bulker's answer to an integer that 64 bits do not hold: the whole request."""
    values = [json.loads(bulk.lines[-1])]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += value.values()
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            return 400, {"error": f"stream consume error: Error getting type of field: {value}"}
    return None


@pytest.mark.fault(111)
@pytest.mark.parametrize("data", [{"id": HUGE}, {"id": 2**63}, {"id": 2, "o": {"n": {"m": -HUGE}}}])
def test_an_integer_that_bulker_cannot_load_costs_one_record(tmp_path: Path, bulker: FakeBulker, data: Any) -> None:
    """It is refused by stream, number and member; its neighbours are stored and the state is saved."""
    bulker.on_line = _refuses_huge
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants", incremental=True))
    kept = [{"id": 1}, {"id": 2**63 - 1}, {"id": 3, "list": [HUGE, {"n": HUGE}]}, {"id": 4, "name": f"no: {HUGE}"}]
    rows = [record("plants", row) for row in (*kept[:2], data, *kept[2:])]
    reading.feed(*rows, state("plants", {"c": 1}, 5), status("plants", "COMPLETE"))
    outcome = reading.end()
    assert bulker.rows("plants") == kept
    assert outcome.state == "PARTIAL"
    assert "record 3 of stream plants was refused: its " in outcome.reason
    assert "Bulker takes those of 64 bits" in outcome.reason
    assert (reading.streams["plants"]["stored"], reading.streams["plants"]["refused"]) == (4, 1)
    assert reading.states == {"plants": {"c": 1}}


def test_a_bulker_that_takes_any_number_gets_it(tmp_path: Path) -> None:
    """Such as the embedded warehouse, digit by digit."""
    with running_warehouse(tmp_path / "w.duckdb") as warehouse:
        given: dict[str, Any] = {"bulker_any_number": True, "bulker_auth_token": TOKEN}
        reading = InProcessSidecar(tmp_path, warehouse.server.url, catalog("plants"), **given)
        outcome = reading.feed(record("plants", {"id": HUGE}), status("plants", "COMPLETE")).end()
        assert outcome.state == "SUCCESS", outcome
        assert warehouse.sql("SELECT id FROM plants") == [(HUGE,)]


def test_columns_of_a_wide_schema_come_to_be(tmp_path: Path) -> None:
    """Those that no row has, too, with the types of the schema: it is sent up to what Bulker's server takes."""
    wide = catalog("plants")
    names = [f"{'column_' * 12}{number}" for number in range(1500)]
    wide["streams"][0]["stream"]["json_schema"]["properties"] |= {name: {"type": "number"} for name in names}
    with running_warehouse(tmp_path / "w.duckdb") as warehouse:
        reading = InProcessSidecar(tmp_path, warehouse.server.url, wide, bulker_auth_token=TOKEN)
        assert reading.feed(record("plants", {"id": 1}), status("plants", "COMPLETE")).end().state == "SUCCESS"
        types = warehouse.types("plants")
    assert {types[name] for name in names} == {"DOUBLE"}
