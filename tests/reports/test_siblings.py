"""More siblings of the cases: words that are not quite JSON, messages without content, names that pass for others."""

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
CUT = status("plants", "INCOMPLETE")
DEEP = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH


@pytest.fixture
def make(tmp_path: Path, bulker: FakeBulker) -> Make:
    """A reading of `plants`, incremental where a state is given."""

    def made(state: Any = None, streams: Any = None) -> InProcessSidecar:
        return InProcessSidecar(
            tmp_path, bulker.url, streams or catalog("plants", incremental=state is not None), state=state
        )

    return made


def _row(number: int, stream: str = "plants", namespace: str | None = None) -> dict[str, Any]:
    return record(stream, {"id": number}, namespace)


def _plain(message: Any) -> str:
    return json.dumps(message, ensure_ascii=False)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param(_plain(trace_error("für alle")).encode("latin-1"), "f\ufffdr alle", id="Latin-1"),
        pytest.param(json.dumps(trace_error("cut \ud83d")), "cut \ufffd", id="half a pair"),
        pytest.param(json.dumps(trace_error("no access")).replace("1.5", "NaN"), "no access", id="NaN"),
        pytest.param(_plain(trace_error("a|b")).replace("|", "\t"), "a\tb", id="a control character"),
        pytest.param({"type": "TRACE", "trace": {"error": {"message": "no type"}}}, "no type", id="no type"),
        pytest.param(json.dumps(log("cut \udc00", "FATAL")), "cut \ufffd", id="a fatal log line"),
        *(
            pytest.param(
                json.dumps(words).replace('"message"', f'"internal_message": {number}, "message"'), "no access", id=name
            )
            for name, number in (("beyond a double", "[1e400]"), ("of many digits", "1" * 5000))
            for words in (trace_error("no access"), log("no access", "FATAL"))
        ),
        pytest.param(json.dumps(log("N", "FATAL")).replace('"N"', "[1e400]"), "[null]", id="a message beyond a double"),
    ],
)
@pytest.mark.fault(76)
@pytest.mark.fault(294)
def test_words_that_are_not_quite_json_are_heard(make: Make, line: Any, shown: str) -> None:
    """pods-log-tail-is-not-utf-8, protocol-nan-and-infinity: the reason is the source's own."""
    assert make().feed(_row(1), line).end(exit_code=1).reason.startswith(shown)


@pytest.mark.parametrize("whose", [None, "plants"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line.replace("1.5", "NaN"),
        lambda line: line.replace("1.5", DEEP),
        lambda line: line.replace('{"message"', '{"internal_message": -1e400, "message"'),
        lambda line: line.replace('"type": "ERROR"', '"type": 1e400'),
    ],
)
@pytest.mark.fault(294)
def test_an_error_that_cannot_be_read_is_no_success(
    make: Make, bulker: FakeBulker, whose: str | None, spoil: Callable[[str], str]
) -> None:
    """status-one-stream-fails: the exit code 0 behind it does not make it one."""
    outcome = make().feed(_row(1), spoil(json.dumps(trace_error("no access", whose)))).end()
    assert (outcome.state, bulker.committed("plants")) == ("FAILED", [])
    assert "no access" in outcome.reason or "A TRACE message of the connector could not be read" in outcome.reason


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(json.dumps(CUT).replace("1.5", "NaN"), id="NaN"),
        pytest.param(json.dumps(CUT).replace("1.5", DEEP), id="nested too deep"),
        pytest.param(json.dumps(CUT).replace('"status"', '"reasons": [1e400], "status"'), id="beyond a double"),
        pytest.param(json.dumps(CUT).replace('"STREAM_STATUS"', "1e400"), id="type beyond a double"),
        pytest.param(json.dumps(CUT).replace('{"name": "plants"}', '"plants"'), id="descriptor a string"),
        pytest.param(json.dumps(CUT).replace('{"name": "plants"}', "null"), id="descriptor null"),
        pytest.param(json.dumps(CUT).replace('"type": "STREAM_STATUS", ', ""), id="no type"),
        pytest.param(json.dumps(CUT).replace('"STREAM_STATUS"', '"stream_status"'), id="type in small letters"),
        pytest.param(json.dumps(CUT).replace('"STREAM_STATUS"', '"STATUS"'), id="another type"),
        pytest.param(json.dumps(CUT).replace('"STREAM_STATUS"', "7"), id="type a number"),
        pytest.param(json.dumps(CUT).replace('"INCOMPLETE"', "null"), id="status null"),
        pytest.param(json.dumps(CUT).replace('"INCOMPLETE"', "5"), id="status a number"),
        pytest.param(json.dumps(CUT).replace('"status": "INCOMPLETE"', '"state": "INCOMPLETE"'), id="no status"),
    ],
)
def test_a_cut_stream_replaces_no_table_however_it_is_told(make: Make, bulker: FakeBulker, line: str) -> None:
    """protocol-json-that-is-no-message: an INCOMPLETE in an odd shape is not taken for a source without statuses."""
    assert make().feed(_row(1), line).end().state == "FAILED"
    assert bulker.committed("plants") == []


@pytest.mark.fault(294)
def test_a_status_with_a_number_beyond_a_double_is_read(make: Make, bulker: FakeBulker) -> None:
    """protocol-nan-and-infinity: the number is beside what counts."""
    line = json.dumps(DONE).replace('"status"', '"reasons": [1e400], "status"')
    reading = make().feed(status("plants", "STARTED"), _row(1), line)
    assert (reading.end().state, bulker.rows("plants")) == ("SUCCESS", [{"id": 1}])


@pytest.mark.parametrize("word", ["FAILED", "incomplete", "Incomplete ", "CANCELLED", "COMPLETED?", ""])
def test_a_status_that_is_not_complete_replaces_no_table_whatever_its_word(
    make: Make, bulker: FakeBulker, word: str
) -> None:
    """status-one-stream-fails: no source without statuses; its own word is in the reason."""
    outcome = make().feed(_row(1), status("plants", word)).end()
    assert (outcome.state, bulker.committed("plants")) == ("FAILED", [])
    assert f"(its last word was {word.strip() or 'no status'}" in outcome.reason


@pytest.mark.fault(42)
def test_a_status_in_small_letters_is_heard(make: Make, bulker: FakeBulker) -> None:
    """A word that nobody knows before it spoils nothing."""
    outcome = make().feed(
        status("plants", "started"), _row(1), status("plants", "PAUSED"), status("plants", "complete")
    )
    assert (outcome.end().state, len(bulker.rows("plants"))) == ("SUCCESS", 1)


@pytest.mark.parametrize("kind", ["error", "Error ", "FAILURE", None, 5, ["ERROR"]])
def test_an_error_under_another_type_is_no_success(make: Make, bulker: FakeBulker, kind: Any) -> None:
    """status-one-stream-fails: what has an error in it is one."""
    error = trace_error("no access")
    error["trace"]["type"] = kind
    outcome = make().feed(_row(1), error).end()
    assert (outcome.state, bulker.committed("plants")) == ("FAILED", [])
    assert "no access" in outcome.reason or "A TRACE message of the connector could not be read" in outcome.reason


def test_a_status_that_may_mean_either_of_two_streams(make: Make, bulker: FakeBulker) -> None:
    """INCOMPLETE without the namespace that tells them apart: neither table is replaced."""
    names = catalog("plants", "plants")
    for stream, namespace in zip(names["streams"], ("a", "b"), strict=True):
        stream["stream"]["namespace"] = namespace
    outcome = make(None, names).feed(_row(1, "plants", "a"), _row(1, "plants", "b"), CUT).end()
    assert (outcome.state, [bulk for bulk in bulker.requests if bulk.complete]) == ("FAILED", [])


OTHER_NAMESPACES = [
    pytest.param(["a", "b"], None, id="none where there are two"),
    pytest.param([None], "public", id="one where there is none"),
]


def _named(namespaces: list[str | None], *, incremental: bool) -> dict[str, Any]:
    names = catalog(*["plants"] * len(namespaces), incremental=incremental)
    for stream, namespace in zip(names["streams"], namespaces, strict=True):
        stream["stream"]["namespace"] = namespace
    return names


@pytest.mark.parametrize(("namespaces", "other"), OTHER_NAMESPACES)
@pytest.mark.fault(292)
def test_a_cut_stream_under_another_namespace_replaces_no_table(
    make: Make, bulker: FakeBulker, namespaces: list[str | None], other: str | None
) -> None:
    """The only status that the source sends names its stream otherwise than its catalog and its records do."""
    rows = [_row(1, "plants", namespace) for namespace in namespaces]
    reading = make(None, _named(namespaces, incremental=False)).feed(*rows, status("plants", "INCOMPLETE", other))
    assert (reading.end().state, [bulk for bulk in bulker.requests if bulk.complete]) == ("FAILED", [])


@pytest.mark.parametrize(("namespaces", "other"), OTHER_NAMESPACES)
@pytest.mark.fault(292)
def test_a_state_under_another_namespace_is_not_lost_unsaid(
    make: Make, namespaces: list[str | None], other: str | None
) -> None:
    """The next run would begin from the state before, and add the rows once more."""
    names, given = _named(namespaces, incremental=True), [state("plants", {"c": 1}, namespace=namespaces[0])["state"]]
    rows = [_row(1, "plants", namespace) for namespace in namespaces]
    reading = make(given, names).feed(*rows, state("plants", {"c": 2}, namespace=other))
    outcome = reading.end()
    assert (outcome.state, reading.saves) == ("PARTIAL", [])
    shown = f"{other}.plants" if other else "plants"
    assert f"the state of {shown} was not saved: the catalog has the name plants with" in outcome.reason
    reading = make(given, names).feed(*rows, state("plants", None, namespace=other))
    assert reading.end().state == "SUCCESS"


def test_a_state_of_another_stream_of_that_name_is_none_of_the_catalog_s(make: Make) -> None:
    """Where both have a namespace, they are two streams."""
    reading = make(STARTED, _named(["garden"], incremental=True))
    reading.feed(_row(1, "plants", "garden"), state("plants", {"c": 2}, namespace="park"))
    assert (reading.end().state, reading.saves) == ("SUCCESS", [])


@pytest.mark.parametrize(("incremental", "given"), [(False, None), (True, None), (True, STARTED)])
@pytest.mark.fault(293)
def test_what_follows_a_cut_is_not_stored(make: Make, bulker: FakeBulker, incremental: bool, given: Any) -> None:
    """The rows before it were broken off: a table would have a part, or rows that the next run adds once more."""
    reading = make(given, catalog("plants", incremental=incremental))
    reading.feed(_row(1), CUT, _row(2), state("plants", {"c": 2}), DONE)
    assert (reading.end().state, bulker.committed("plants"), reading.saves) == ("FAILED", [], [])
    assert "called it incomplete, and then sent more of it" in reading.streams["plants"]["error"]
    assert (reading.streams["plants"]["emitted"], reading.streams["plants"]["stored"]) == (2, 0)


@pytest.mark.fault(293)
def test_what_follows_a_cut_behind_a_state_is_stored(make: Make, bulker: FakeBulker) -> None:
    """Nothing was broken off, so nothing is missing, and the source's last word counts."""
    reading = make(STARTED).feed(_row(1), state("plants", {"c": 1}), _row(2), CUT, _row(3), state("plants", {"c": 3}))
    assert reading.feed(DONE).end().state == "SUCCESS"
    assert (reading.states, [row["id"] for row in bulker.rows("plants")]) == ({"plants": {"c": 3}}, [1, 2, 3])


@pytest.mark.parametrize("before", [[], [_row(1)]])
@pytest.mark.fault(293)
def test_a_stream_that_begins_once_more_after_a_cut_is_stored(
    make: Make, bulker: FakeBulker, before: list[Any]
) -> None:
    """STARTED says that it is sent from its beginning; so it is where nothing was sent before the cut."""
    again = [status("plants", "STARTED")] if before else []
    reading = make().feed(*before, CUT, *again, _row(1), _row(2), DONE)
    assert reading.end().state == ("PARTIAL" if before else "SUCCESS")
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2]


@pytest.mark.parametrize("kind", ["LOG", "STATE", "TRACE", "CONTROL"])
@pytest.mark.fault(67)
def test_a_record_beside_another_message_is_refused(make: Make, bulker: FakeBulker, kind: str) -> None:
    """protocol-json-that-is-no-message: the row is counted, and the rest of the line heard."""
    both = log("hello") | state("plants", {"c": 1}) | _row(2) | {"type": kind}
    reading = make(STARTED).feed(_row(1), both, DONE)
    assert reading.end().state == "PARTIAL"
    assert (reading.streams["plants"]["refused"], bulker.rows("plants")) == (1, [{"id": 1}])
    assert ("INFO hello" in reading.log) == (kind == "LOG")
    assert bool(reading.saves) == (kind == "STATE")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_records_in_another_encoding_are_not_taken_for_noise(make: Make, encoding: str) -> None:
    """pods-log-tail-is-not-utf-8: they are counted, and not copied into the log."""
    line = json.dumps(record("plants", {"name": "planted"})).encode(encoding)
    reading = make().feed(line, DONE)
    assert reading.end().state == "PARTIAL"
    assert (reading.streams["plants"]["refused"], "planted" in "".join(reading.log).replace("\0", "")) == (1, False)


EMPTY_STATES = [
    legacy({}), legacy([]), legacy({"plants": None}), shared(None),
    {"type": "STATE", "state": {"type": "GLOBAL", "global": {}}},
    {"type": "STATE", "state": {"type": "GLOBAL", "global": {"shared_state": None}}},
    legacy({"bookmarks": {}}), legacy({"plants": {"c": None}}), shared({}, streams={"plants": {}}),
    shared(None, streams={"plants": None}),
    state("plants", None), state("plants", {}), state("plants", {"c": None}), state("plants", []),
    {"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_descriptor": {"name": "plants"}}}},
]  # fmt: skip


@pytest.mark.parametrize("empty", EMPTY_STATES)
def test_an_empty_state_takes_no_other_s_place(make: Make, empty: Any) -> None:
    """state-quiet-run-keeps-state: it would delete the good ones of every stream."""
    reading = make(STARTED).feed(_row(1), state("plants", {"c": 1}), empty, DONE)
    assert reading.end().state == "SUCCESS"
    assert reading.saves == [("plants", {"c": 1})]


def test_a_quiet_run_that_only_sends_an_empty_state_ended_well(make: Make) -> None:
    """An old connector without anything new: no statuses, exit code 0."""
    reading = make({"plants": {"c": 1}}).feed(legacy({}))
    assert (reading.end().state, reading.saves) == ("SUCCESS", [])


def _stream(value: Any, **more: Any) -> dict[str, Any]:
    part = {"stream": {"stream_descriptor": {"name": "plants"}, "stream_state": value}}
    return {"type": "STATE", "state": part | more}


@pytest.mark.parametrize(
    "message",
    [
        _stream({"c": 1}, type="STREAM", data=None, **{"global": None}),
        _stream({"c": 1}, type=None, data=None, **{"global": None}),
        _stream({"c": 1}, data=None),
        _stream({"c": 1}, type="stream"),
    ],
)
def test_a_state_with_nulls_beside_it_is_saved(make: Make, message: Any) -> None:
    """As a library writes it that knows all members."""
    reading = make(STARTED).feed(_row(1), message, DONE)
    assert (reading.end().state, reading.saves) == ("SUCCESS", [("plants", {"c": 1})])


@pytest.mark.parametrize(
    "body",
    [
        _stream({"c": 1}, type="LEGACY")["state"],
        _stream({"c": 1}, type="NEWER")["state"],
        [_stream({"c": 1}, type="STREAM")["state"]],
        {"type": "STREAM", "stream": {"stream_descriptor": "plants", "stream_state": {"c": 1}}},
        {"type": "STREAM", "stream": [{"stream_descriptor": {"name": "plants"}, "stream_state": {"c": 1}}]},
        {"type": "STREAM", "data": {"c": 1}},
        {"type": 5, "data": {"c": 1}},
    ],
)
def test_a_state_of_an_unknown_shape_is_told(make: Make, bulker: FakeBulker, body: Any) -> None:
    """protocol-json-that-is-no-message: the rows are there, but the next run reads them again."""
    reading = make(STARTED).feed(_row(1), {"type": "STATE", "state": body}, DONE)
    outcome = reading.end()
    assert (outcome.state, reading.saves, len(bulker.rows("plants"))) == ("PARTIAL", [], 1)
    assert "a STATE message could not be read, so it was not saved" in outcome.reason


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(_row(2)).replace('{"type":', '{"type"{'),
        json.dumps(_row(2)).replace('{"type"', '{type"'),
        json.dumps(_row(2)).replace('"type"', "type"),
        json.dumps(_row(2)).replace('"type": "RECORD", ', "'type': 'RECORD', "),
    ],
)
def test_a_record_whose_own_type_is_broken_is_not_lost_unsaid(make: Make, bulker: FakeBulker, line: str) -> None:
    """protocol-json-that-is-no-message: as two writers leave it that write at once."""
    outcome = make().feed(_row(1), line, DONE).end()
    assert (outcome.state, bulker.rows("plants")) == ("PARTIAL", [{"id": 1}])


@pytest.mark.parametrize("kind", ["trace", "Trace", "ERROR", None, 5, ["TRACE"], "tra\rce"])
@pytest.mark.parametrize("told", [CUT, trace_error("no access")])
def test_a_failure_under_another_type_is_no_success(make: Make, bulker: FakeBulker, told: Any, kind: Any) -> None:
    """protocol-json-that-is-no-message: a cut stream replaces no table, whatever its message is called."""
    assert make().feed(_row(1), told | {"type": kind}).end().state == "FAILED"
    assert bulker.committed("plants") == []


@pytest.mark.parametrize("trace", [None, {}, [], "boom", {"type": 5, "error": None}])
def test_a_trace_that_tells_nothing_hides_no_reason(make: Make, trace: Any) -> None:
    """protocol-json-that-is-no-message: what the source said last is still why it ended."""
    reading = make().feed(_row(1), {"type": "TRACE", "trace": trace}, "ValueError: no such table")
    assert "ValueError: no such table" in reading.end(exit_code=1).reason


@pytest.mark.parametrize(("value", "ends"), [({"c": 1}, "PARTIAL"), ({}, "SUCCESS")])
def test_a_state_under_another_type_is_told(make: Make, value: Any, ends: str) -> None:
    """It is not saved; where it says nothing, nothing is lost."""
    reading = make(STARTED).feed(_row(1), state("plants", value) | {"type": "state"}, DONE)
    assert (reading.end().state, reading.saves) == (ends, [])


def test_an_empty_state_s_count_counts(make: Make) -> None:
    """The next one's is of the records since."""
    reading = make(STARTED).feed(_row(1), shared(None, 1), _row(2), shared({"c": 2}, 1), DONE)
    assert (reading.end().state, reading.states["_GLOBAL_STATE"]["shared_state"]) == ("SUCCESS", {"c": 2})


@pytest.mark.parametrize("value", [None, {}, {"c": ""}])
def test_a_run_from_nothing_keeps_no_state_of_before(make: Make, value: Any) -> None:
    """Its source began anew and says nothing to go on from: the next run begins anew too."""
    reading = make(None, catalog("plants", incremental=True)).feed(_row(1), state("plants", value), DONE)
    assert (reading.end().state, reading.saves) == ("SUCCESS", [("plants", value)])


def _message(value: Any) -> dict[str, Any]:
    message: dict[str, Any] = state("plants", value)["state"]
    return message


@pytest.mark.parametrize(
    "given",
    [
        [], {}, {"plants": None}, {"plants": {}}, {"bookmarks": {}}, [_message({})], [_message(None)],
        [shared({}, streams={"plants": {}})["state"]], [{"type": "LEGACY", "data": {}}],
    ],
)  # fmt: skip
def test_a_run_with_an_empty_state_begins_anew(make: Make, bulker: FakeBulker, given: Any) -> None:
    """Its source reads everything: added to the old rows, they would all be there twice."""
    make(given).feed(_row(1), DONE).end()
    assert bulker.requests[0].mode == "replace_table"


def test_an_empty_configuration_takes_no_good_one_s_place(make: Make) -> None:
    """state-quiet-run-keeps-state: the next run would be given no credentials at all."""
    control = {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": {}}}
    reading = make().feed(_row(1), {"type": "CONTROL", "control": control}, DONE)
    assert (reading.end().state, reading.configs) == ("SUCCESS", [])


def test_a_stranger_does_not_hide_the_stream_whose_key_it_has(make: Make) -> None:
    """status-one-stream-fails: a.b the name, and b in the namespace a, are two streams with one key."""
    reading = make(None, catalog("garden.plants"))
    reading.feed(_row(1, "garden.plants"), _row(2, "plants", "garden"), status("garden.plants", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    assert {key: (one["status"], one["emitted"]) for key, one in reading.streams.items()} == {
        "garden.plants": ("SUCCESS", 1),
        "(other streams)": ("FAILED", 1),
    }


@pytest.mark.parametrize("given", [_message({"page": 5}), shared(None, streams={"plants": {"page": 5}})["state"]])
@pytest.mark.fault(78)
def test_a_full_refresh_that_is_told_to_go_on_does_not_replace_what_it_had_read(
    make: Make, bulker: FakeBulker, given: Any
) -> None:
    """state-full-refresh-done-marker: a caller that hands back the page where it had ended gets the pages behind."""
    streams = catalog("plants")
    streams["streams"][0]["stream"]["is_resumable"] = True
    reading = make([given], streams).feed(_row(6), state("plants", {"page": 6}), DONE)
    assert (reading.end().state, [bulk.mode for bulk in bulker.committed("plants")]) == ("SUCCESS", ["batch"])
    assert "went on from the state" in reading.streams["plants"]["note"]
    assert reading.saves == [("plants", {"page": 6})]


@pytest.mark.parametrize("value", [None, {}, {"__ab_full_refresh_sync_complete": True}, {"page": 5}])
@pytest.mark.parametrize("resumable", [True, False, None, "true"])
def test_any_other_full_refresh_replaces(make: Make, bulker: FakeBulker, value: Any, resumable: Any) -> None:
    """A source that does not go on reads everything, whatever it is given; from a marker or from nothing none does."""
    streams = catalog("plants")
    streams["streams"][0]["stream"]["is_resumable"] = resumable
    reading = make([_message(value)], streams).feed(_row(1), DONE)
    assert reading.end().state == "SUCCESS"
    goes_on = resumable is True and value == {"page": 5}
    assert bulker.requests[0].mode == ("batch" if goes_on else "replace_table")
    assert reading.streams["plants"].get("resumed", False) == goes_on
