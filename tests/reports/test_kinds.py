"""Siblings of the cases: the same kind of fault in another message, another field, or at another moment."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.nesting import MAX_DEPTH
from tests.support.fake_bulker import FakeBulker
from tests.support.in_process_sidecar import InProcessSidecar, legacy, shared
from tests.support.sidecar_process import catalog, log, record, state, status, trace_error

Make = Callable[..., InProcessSidecar]
STARTED = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "plants"}, "stream_state": {"c": 0}}}]
DONE = status("plants", "COMPLETE")


@pytest.fixture
def make(tmp_path: Path, bulker: FakeBulker) -> Make:
    """A reading of `plants`, incremental where a state is given."""

    def made(state: Any = None, *streams: str) -> InProcessSidecar:
        names = streams or ("plants",)
        return InProcessSidecar(tmp_path, bulker.url, catalog(*names, incremental=state is not None), state=state)

    return made


def _row(number: int, stream: str = "plants") -> dict[str, Any]:
    return record(stream, {"id": number})


def _as_type(kind: Any) -> str:
    return json.dumps(_row(2) | {"type": kind})


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(_as_type("record"), id="type in lower case"),
        pytest.param(_as_type(None), id="type null"),
        pytest.param(json.dumps({"record": _row(2)["record"]}), id="no type"),
        pytest.param(_as_type(5), id="type a number"),
        pytest.param(json.dumps([_row(2), _row(3)]), id="an array of records"),
        pytest.param(json.dumps({"type": "RECORD", "record": [_row(2)["record"]]}), id="record an array"),
        pytest.param(json.dumps({"type": "RECORD", "record": json.dumps(_row(2)["record"])}), id="record a string"),
        pytest.param(json.dumps(_row(2)) + ",", id="a comma behind"),
    ],
)
@pytest.mark.fault(67)
def test_a_record_in_odd_clothes_is_never_lost_unsaid(make: Make, bulker: FakeBulker, line: str) -> None:
    """protocol-json-that-is-no-message: what holds a row is refused by name or counted as lost, not shrugged off."""
    reading = make().feed(_row(1), line, DONE)
    outcome = reading.end()
    assert outcome.state == "PARTIAL"
    assert "was refused" in outcome.reason or "record lines could not be read" in outcome.reason
    assert bulker.rows("plants") == [{"id": 1}]


def test_each_refused_record_has_its_own_reason_in_the_log(make: Make) -> None:
    """protocol-nan-and-infinity: three records with three faults are three different lines."""
    reading = make().feed(_row(1), record("plants", None), json.dumps(_row(3)).replace("3}", "NaN}"))
    reading.feed({"type": "RECORD", "record": {"stream": "plants"}}, DONE).end()
    lines = [line for line in reading.log if "was refused" in line]
    assert ["not a JSON object" in lines[0], "NaN is not JSON" in lines[1], "has no data" in lines[2]] == [True] * 3


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param("NaN", "NaN is not JSON", id="NaN"),
        pytest.param('{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH, "nested deeper than 1,000 levels", id="deep"),
        pytest.param('"cut', "not valid JSON", id="cut"),
        pytest.param('"' + "x" * 65 * 1024 * 1024 + '"', "bytes", id="too long"),
    ],
)
@pytest.mark.fault(67)
def test_a_state_that_cannot_be_read_is_told(make: Make, bulker: FakeBulker, value: str, why: str) -> None:
    """protocol-nan, -deep-nesting: the rows are stored, the state before stays, and the run is no plain success."""
    reading = make(STARTED).feed(_row(1), state("plants", {"c": 1}), _row(2))
    outcome = reading.feed(json.dumps(state("plants", "?")).replace('"?"', value), DONE).end()
    assert (outcome.state, len(bulker.rows("plants"))) == ("PARTIAL", 2)
    assert "a STATE message could not be read" in outcome.reason
    assert why in outcome.reason
    assert reading.states == {"plants": {"c": 1}}


def test_what_cannot_be_read_is_called_by_its_name(make: Make) -> None:
    """A TRACE ERROR nested too deep: the run fails with that for a reason, not with "printed nothing"."""
    for levels, told in (
        (MAX_DEPTH - 2, "no access"),
        (MAX_DEPTH - 1, "A TRACE message of the connector could not be read (nested deeper than 1,000 levels)"),
    ):
        line = json.dumps(trace_error("no access")).replace("1.5", '{"a":' * levels + "1" + "}" * levels)
        assert told in make().feed(_row(1), line).end(exit_code=1).reason


@pytest.mark.parametrize("empty", [legacy(None), {"type": "STATE", "state": {"type": "GLOBAL", "global": None}}])
def test_an_empty_state_of_all_streams_takes_no_other_s_place(make: Make, empty: Any) -> None:
    """state-quiet-run-keeps-state: a null for all streams says nothing, so nothing is saved over the good one."""
    reading = make(STARTED).feed(state("plants", {"c": 1}), empty, DONE)
    reading.end()
    assert reading.saves == [("plants", {"c": 1})]
    assert any("a STATE message without the state of its type" in line for line in reading.log)


ERROR = "The orders report needs the scope read_orders"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param({"message": ERROR, "internal_message": 5, "stack_trace": ["a"]}, id="odd other members"),
        pytest.param({"message": {"text": ERROR}}, id="message an object"),
        pytest.param({"message": " ", "internal_message": ERROR}, id="message blank"),
        pytest.param({"message": ERROR, "stream_descriptor": {"name": None}}, id="descriptor without a name"),
        pytest.param(ERROR, id="error a string"),
        pytest.param([ERROR], id="error an array"),
    ],
)
def test_an_error_of_any_shape_is_the_reason(make: Make, bulker: FakeBulker, error: Any) -> None:
    """status-one-stream-fails: an odd member does not cost the words that the user needs."""
    outcome = make().feed(_row(1), {"type": "TRACE", "trace": {"type": "ERROR", "error": error}}).end(exit_code=1)
    assert (outcome.state, bulker.rows("plants")) == ("FAILED", [])
    assert ERROR in outcome.reason


@pytest.mark.parametrize("error", [{}, None, {"message": None}])
def test_an_error_without_words_is_an_error_all_the_same(make: Make, error: Any) -> None:
    """The reason says that there were none."""
    outcome = make().feed(_row(1), {"type": "TRACE", "trace": {"type": "ERROR", "error": error}}).end(exit_code=1)
    assert "reported an error without a text" in outcome.reason


@pytest.mark.parametrize("whose", [None, "plants"], ids=["of all", "of one stream"])
def test_an_error_with_exit_code_0_is_no_success(make: Make, bulker: FakeBulker, whose: str | None) -> None:
    """Without statuses an error leaves the old table; the other stream goes on if the error names one."""
    reading = make(None, "plants", "beds").feed(_row(1), _row(1, "beds"), trace_error(ERROR, whose))
    outcome = reading.end()
    assert outcome.state == ("PARTIAL" if whose else "FAILED")
    assert ERROR in reading.streams["plants"]["error"]
    assert (bulker.committed("plants"), len(bulker.committed("beds"))) == ([], 1 if whose else 0)


def test_an_error_with_every_stream_complete_is_told(make: Make, bulker: FakeBulker) -> None:
    """The rows are whole and stay; what the source complained of is the reason."""
    outcome = make().feed(_row(1), DONE, trace_error(ERROR)).end()
    assert (outcome.state, outcome.reason, len(bulker.rows("plants"))) == ("PARTIAL", ERROR, 1)


def test_a_streams_own_words_go_before_ours(make: Make) -> None:
    """A refused record does not hide why the stream failed; both are there."""
    reading = make().feed(_row(1), record("plants", None), trace_error(ERROR, "plants"), trace_error("2nd", "plants"))
    reading.feed(status("plants", "INCOMPLETE")).end(exit_code=1)
    assert reading.streams["plants"]["error"].startswith(f"{ERROR}; record 2 of stream plants was refused")
    assert "2nd" not in reading.streams["plants"]["error"]


def test_a_trace_of_an_unknown_type_is_told(make: Make) -> None:
    """It may be something that a later protocol brings: ignored, but not silently."""
    reading = make().feed(_row(1), {"type": "TRACE", "trace": {"type": "newer", "newer": {"message": "x"}}}, DONE)
    reading.feed({"type": "TRACE", "trace": {"type": "ESTIMATE"}}, log("x")).end()
    assert [line for line in reading.log if "TRACE" in line] == [
        "WARN The connector wrote a TRACE message of the unknown type 'newer'; it was ignored."
    ]


def test_names_of_streams_that_nobody_selected_are_not_kept_without_end(make: Make) -> None:
    """Very long ones are counted together."""
    reading = make()
    for number in range(3):
        reading.feed(_row(1, f"{number}" * 100_000))
    outcome = reading.feed(_row(1), DONE).end()
    assert list(reading.streams) == ["plants", "(other streams)"]
    assert len(outcome.reason) < 1000


def test_mixed_kinds_in_one_run_are_never_ahead(make: Make, bulker: FakeBulker) -> None:
    """A GLOBAL and a STREAM state side by side: both are saved with their rows, also where the source then fails."""
    reading = make(STARTED).feed(_row(1), shared({"c": 1}), _row(2), state("plants", {"c": 2}), _row(3))
    reading.end(exit_code=1)
    assert len(bulker.rows("plants")) == 3
    assert {key for key, _ in reading.saves} == {"plants", "_GLOBAL_STATE"}
