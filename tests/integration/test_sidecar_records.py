"""Records that reach the table with less than the source had, or not at all: each is counted, and none is lost unsaid."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_bulker import Bulk, FakeBulker
from tests.support.in_process_sidecar import InProcessSidecar
from tests.support.sidecar_process import catalog, record, state, status, trace_error
from tests.support.warehouse import TOKEN, running_warehouse

HUGE = 10**21


def _refuses_huge(bulk: Bulk) -> tuple[int, dict[str, Any]] | None:
    """Bulker's answer to a number that neither 64 bits nor a double hold: the whole request."""
    values = [json.loads(bulk.lines[-1])]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += value.values()
        elif (isinstance(value, int) and not -(2**63) <= value < 2**63) or value in (math.inf, -math.inf):
            return 400, {"error": f"stream consume error: Error getting type of field: {value}"}
    return None


@pytest.mark.fault(67)
@pytest.mark.parametrize(
    "data", [{"id": HUGE}, {"id": 2**63}, {"id": 2, "o": {"n": {"m": -HUGE}}}, f'{{"id":\r{HUGE}}}']
)
def test_an_integer_that_bulker_cannot_load_costs_one_record(tmp_path: Path, bulker: FakeBulker, data: Any) -> None:
    """It is refused by stream, number and member; its neighbours are stored and the state is saved."""
    bulker.on_line = _refuses_huge
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants", incremental=True))
    kept = [{"id": 1}, {"id": 2**63 - 1}, {"id": 3, "list": [HUGE, {"n": HUGE}]}, {"id": 4, "name": f"no: {HUGE}"}]
    odd = f'{{"type":"RECORD","record":{{"stream":"plants","data":{data if isinstance(data, str) else json.dumps(data)}}}}}'
    rows = [*(record("plants", row) for row in kept[:2]), odd, *(record("plants", row) for row in kept[2:])]
    reading.feed(*rows, state("plants", {"c": 1}, 5), status("plants", "COMPLETE"))
    outcome = reading.end()
    assert bulker.rows("plants") == kept
    assert outcome.state == "PARTIAL"
    assert "record 3 of stream plants was refused: its " in outcome.reason
    assert "Bulker takes those of 64 bits" in outcome.reason
    assert (reading.streams["plants"]["stored"], reading.streams["plants"]["refused"]) == (4, 1)
    assert reading.states == {"plants": {"c": 1}}


@pytest.mark.fault(252)
@pytest.mark.parametrize("number", ["1e400", "-1E+309", "18" + "0" * 307 + ".5", "0.1e0000000000000400"])
def test_a_number_beyond_a_double_costs_one_record(tmp_path: Path, bulker: FakeBulker, number: str) -> None:
    """As an integer beyond 64 bits; the same digits in a text, and the largest double, are sent."""
    bulker.on_line = _refuses_huge
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants", incremental=True))
    kept = [{"id": 1.7976931348623157e308}, {"id": f'x": {number},'}]
    odd = f'{{"type":"RECORD","record":{{"stream":"plants","data":{{"o":{{"n":{number}}}}}}}}}'
    reading.feed(*(record("plants", row) for row in kept), odd, state("plants", {"c": 1}, 3))
    outcome = reading.feed(status("plants", "COMPLETE")).end()
    assert bulker.rows("plants") == kept
    assert outcome.state == "PARTIAL"
    assert "record 3 of stream plants was refused: its o.n is beyond the range of a double" in outcome.reason
    assert reading.states == {"plants": {"c": 1}}


@pytest.mark.parametrize("number", ["1e400", "1" + "0" * 400])
def test_any_number_is_sent_if_bulker_takes_it(tmp_path: Path, bulker: FakeBulker, number: str) -> None:
    """Byte for byte."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"), bulker_any_number=True)
    odd = f'{{"type":"RECORD","record":{{"stream":"plants","data":{{"n":{number}}}}}}}'
    assert reading.feed(odd, status("plants", "COMPLETE")).end().state == "SUCCESS"
    assert [line for bulk in bulker.requests for line in bulk.lines] == [f'{{"n":{number}}}'.encode()]


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


def _changed(data: Any, *changes: Any, **more: Any) -> dict[str, Any]:
    message = record("plants", data)
    message["record"] |= {"meta": {"changes": list(changes)}} | more
    return message


@pytest.mark.fault(112)
def test_values_that_the_source_changed_are_counted_and_noted(tmp_path: Path, bulker: FakeBulker) -> None:
    """By stream and the source's word; the rows are stored, and the run is a success all the same."""
    nulled = {"field": "name", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}
    cut = {"field": "bio", "change": "TRUNCATED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"}
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants", "beds"))
    reading.feed(record("beds", {"id": 1}), _changed({"id": 1}, nulled), _changed({"id": 2}, nulled, cut))
    reading.feed(_changed({"id": 3}), record("plants", {"id": 4}) | {"meta": 1})
    assert reading.end().state == "SUCCESS"
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2, 3, 4]
    assert reading.streams["plants"]["note"] == "the source changed values before it sent them: 2 NULLED, 1 TRUNCATED"
    assert "note" not in reading.streams["beds"]
    assert any("2 NULLED, 1 TRUNCATED" in line for line in reading.log)


@pytest.mark.parametrize(
    "meta", [7, {"changes": "cut"}, {"changes": [5]}, {"changes": [{}]}, {"changes": {"change": None}}]
)
def test_a_change_of_any_shape_counts(tmp_path: Path, bulker: FakeBulker, meta: Any) -> None:
    """Rather one too many than none."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"))
    reading.feed(_changed({"id": 1}, meta=meta)).end()
    assert reading.streams["plants"]["note"].endswith(": 1 UNKNOWN")
    assert bulker.rows("plants") == [{"id": 1}]


@pytest.mark.parametrize("meta", [None, {}, {"changes": None}, {"changes": []}, {"sync_id": 3}])
def test_a_record_without_changes_has_no_note(tmp_path: Path, bulker: FakeBulker, meta: Any) -> None:
    """Many sources always send `meta`."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"))
    reading.feed(_changed({"id": 1}, meta=meta, file=None, file_reference=None))
    assert reading.end().state == "SUCCESS"
    assert "note" not in reading.streams["plants"]


def test_changes_of_a_stream_that_fails_are_noted_too(tmp_path: Path, bulker: FakeBulker) -> None:
    """However many words a source has for them; a secret in such a word is hidden."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"), config={"password": "planted-1"})
    words = ["planted-1", *(f"WORD {number}" for number in range(30))]
    reading.feed(_changed({"id": 1}, *({"change": word} for word in words)), trace_error("broken", "plants"))
    assert reading.end(1).state != "SUCCESS"
    note = reading.streams["plants"]["note"]
    assert "21 OTHERS" in note
    assert "planted-1" not in note


@pytest.mark.fault(113)
@pytest.mark.parametrize(
    "part", [{"file_reference": {"staging_file_url": "/tmp/a"}}, {"file": {"file_url": "/tmp/a"}, "data": {}}]
)
def test_a_stream_whose_records_come_with_files_is_refused(
    tmp_path: Path, bulker: FakeBulker, part: dict[str, Any]
) -> None:
    """By name, with what to do: its table stays as it was, no state passes its files, and the others are read."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants", "beds", incremental=True), commit_seconds=0)
    plain, filed = record("plants", {"id": 1}), record("plants", {"id": 2})
    filed["record"] |= part
    reading.feed(plain, filed, plain, state("plants", {"c": 1}), record("beds", {"id": 1}), state("beds", {"c": 1}))
    outcome = reading.end()
    assert outcome.state == "PARTIAL"
    assert reading.streams["plants"]["status"] == "FAILED"
    assert "plants: its records come with files (file" in outcome.reason
    assert outcome.failure
    assert outcome.failure.kind == "config_error"
    assert (bulker.rows("plants"), bulker.rows("beds")) == ([], [{"id": 1}])
    assert reading.states == {"beds": {"c": 1}}


def test_a_stream_that_is_to_send_files_is_refused(tmp_path: Path, bulker: FakeBulker) -> None:
    """Before its first record, whoever made the pod."""
    selected = catalog("plants", "beds")
    selected["streams"][0]["include_files"] = True
    reading = InProcessSidecar(tmp_path, bulker.url, selected)
    outcome = reading.feed(record("plants", {"id": 1}), record("beds", {"id": 1})).end()
    assert (reading.streams["plants"]["status"], reading.streams["beds"]["status"]) == ("FAILED", "SUCCESS")
    assert "plants: its include_files is set" in outcome.reason
    assert bulker.rows("plants") == []
