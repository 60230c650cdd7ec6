"""The original's defects (docs/reference/contract.md F) that its sidecar has, each with a test named after its number."""

import json
from typing import Any

import pytest

from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.sidecar_process import SidecarProcess, catalog, lines, log, record, state, status, trace_error


def _rows(stream: str, *ids: int) -> list[dict[str, Any]]:
    return [record(stream, {"id": number}) for number in ids]


@pytest.mark.parametrize("exit_code", [1, 137, None])
@pytest.mark.fault(41)
def test_defect_01_mute_death_is_no_success(sidecar: SidecarProcess, bulker: FakeBulker, exit_code: int | None) -> None:
    """A source that dies without a word: not SUCCESS, and its cut full refresh replaces nothing."""
    sidecar.give(catalog=catalog("plants"), config={})
    sidecar.play([status("plants", "STARTED"), *_rows("plants", 1, 2)], exit_code=exit_code)
    assert sidecar.task["status"] == "FAILED"
    assert ("no exit code" if exit_code is None else f"exit code {exit_code}") in sidecar.ours["reason"]
    assert bulker.committed("plants") == []


@pytest.mark.parametrize("command", ["check", "discover", "spec"])
def test_defect_05_without_a_result_the_row_says_why(sidecar: SidecarProcess, command: str) -> None:
    """check, discover and spec that end without a result leave a final row with the connector's last words."""
    sidecar.give(config={})
    sidecar.play([log("about to look")], stderr=b"no route to host\n", COMMAND=command, STORAGE_KEY="k")
    table = {"check": "source_check", "discover": "source_catalog", "spec": "source_spec"}[command]
    [row] = sidecar.database.rows(f"SELECT * FROM {table}")
    text = row["error"] if command == "spec" else row["description"]
    assert "no route to host" in text
    assert row.get("status", "FAILED") == "FAILED"


def test_defect_05_an_error_log_after_the_catalog_changes_nothing(sidecar: SidecarProcess) -> None:
    """A found catalog is a success, whatever is printed after it."""
    sidecar.give(config={})
    found = {"streams": [{"name": "plants", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}]}
    messages = [{"type": "CATALOG", "catalog": found}, log("cleaning up failed", "ERROR")]
    sidecar.play(messages, COMMAND="discover", STORAGE_KEY="k")
    [row] = sidecar.database.rows("SELECT * FROM source_catalog")
    assert (row["status"], row["catalog"]) == ("SUCCESS", found)


def test_defect_06_a_spec_error_makes_way_for_a_spec_and_never_replaces_one(sidecar: SidecarProcess) -> None:
    """Errors do not stick, and a specification that is there stays."""
    spec = {"connectionSpecification": {"type": "object"}}
    sidecar.play([], exit_code=1, COMMAND="spec")
    sidecar.exit_code_file.unlink()
    sidecar.play([{"type": "SPEC", "spec": spec}], COMMAND="spec", TASK_ID="task-2")
    [row] = sidecar.database.rows("SELECT * FROM source_spec")
    assert (row["specs"], row["error"]) == (spec, "")
    sidecar.exit_code_file.unlink()
    sidecar.play([], exit_code=1, COMMAND="spec", TASK_ID="task-3")
    assert sidecar.database.rows("SELECT * FROM source_spec") == [row]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"type": "DEBUG", "message": "x"}, id="unknown type"),
        pytest.param(b'{"type": "RECORD", "record": {"stream": "plants", "data": {"id": 5', id="bad JSON"),
        pytest.param(b"x" * 11_000_000, id="11 MB of noise"),
        pytest.param(json.dumps(record("plants", {"id": "x" * 11_000_000})), id="11 MB record"),
        pytest.param(record("weeds", {"id": 1}), id="stream not in the catalog"),
        pytest.param(b"\xff\xfe\x00 \x80", id="not UTF-8"),
    ],
)
@pytest.mark.fault(42, 44, 45)
def test_defect_08_nothing_that_is_printed_ends_the_run(sidecar: SidecarProcess, bulker: FakeBulker, odd: Any) -> None:
    """Whatever else comes, the rows around it are stored and a final row is written."""
    sidecar.give(catalog=catalog("plants"), config={})
    messages = [status("plants", "STARTED"), *_rows("plants", 1), odd, *_rows("plants", 2)]
    assert sidecar.play([*messages, status("plants", "COMPLETE")]) == 0, sidecar.output
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2]
    assert sidecar.task["status"] in {"SUCCESS", "PARTIAL"}
    if "record" in str(odd)[:60].lower():
        assert sidecar.task["status"] == "PARTIAL"


def test_defect_08_started_after_an_error(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """A stream that starts again after its error goes on."""
    sidecar.give(catalog=catalog("plants"), config={})
    messages = [status("plants", "STARTED"), trace_error("first try failed", "plants", "transient_error")]
    messages += [status("plants", "STARTED"), *_rows("plants", 1), status("plants", "COMPLETE")]
    sidecar.play(messages)
    assert [row["id"] for row in bulker.rows("plants")] == [1]
    assert sidecar.streams["plants"]["error"].startswith("first try failed")


def test_defect_09_an_error_log_fails_nothing(sidecar: SidecarProcess) -> None:
    """LOG ERROR is only a line: streams and later states go on."""
    sidecar.give(catalog=catalog("plants"), config={})
    messages = [status("plants", "STARTED"), *_rows("plants", 1), log("retrying page 2", "ERROR"), *_rows("plants", 2)]
    sidecar.play([*messages, state("plants", {"c": 2}), status("plants", "COMPLETE")])
    assert sidecar.task["status"] == "SUCCESS"
    assert sidecar.states == {"plants": {"c": 2}}


def test_defect_09_incomplete_is_no_success_and_commits_no_cut_refresh(
    sidecar: SidecarProcess, bulker: FakeBulker
) -> None:
    """INCOMPLETE with exit 0: the stream failed, and the table keeps its old rows."""
    sidecar.give(catalog=catalog("plants", "beds"), config={})
    messages = [status("plants", "STARTED"), *_rows("plants", 1), status("plants", "INCOMPLETE")]
    sidecar.play([*messages, status("beds", "STARTED"), *_rows("beds", 1), status("beds", "COMPLETE")])
    assert sidecar.task["status"] == "PARTIAL"
    assert sidecar.streams["plants"]["status"] == "FAILED"
    assert bulker.committed("plants") == []
    assert sidecar.streams["beds"]["status"] == "SUCCESS"


@pytest.mark.fault(56)
def test_defect_09_a_refused_stream_state_does_not_block_the_others(
    sidecar: SidecarProcess, bulker: FakeBulker
) -> None:
    """Bulker refuses one stream: its state stays unsaved, the other stream's is saved."""
    sidecar.give(catalog=catalog("plants", "beds", incremental=True), state=[{"type": "STREAM"}], config={})
    bulker.answer = lambda bulk: (400, {"error": "stream complete error: no space"}) if bulk.table == "plants" else None
    messages = [*_rows("plants", 1), state("plants", {"c": 1}), *_rows("beds", 1), state("beds", {"c": 1})]
    sidecar.play([*messages, status("plants", "COMPLETE"), status("beds", "COMPLETE")])
    assert sidecar.states == {"beds": {"c": 1}}
    assert "no space" in sidecar.streams["plants"]["error"]
    assert sidecar.streams["plants"]["status"] == "FAILED"
    assert sidecar.streams["beds"]["status"] == "SUCCESS"


def test_defect_10_a_second_started_loses_no_rows(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """STARTED, COMPLETE, STARTED again: the second part is added, not put in the place of the first."""
    sidecar.give(catalog=catalog("plants"), config={})
    messages = [status("plants", "STARTED"), *_rows("plants", 1), status("plants", "COMPLETE")]
    messages += [status("plants", "STARTED"), *_rows("plants", 2), status("plants", "COMPLETE")]
    sidecar.play(messages)
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2]


def test_defect_11_digits_and_empty_members_survive(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """Integers over 2^53 in rows and states, and a GLOBAL state's empty members, arrive as they left."""
    sidecar.give(catalog=catalog("plants", incremental=True), config={})
    shared = (
        b'{"shared_state":{"n":9223372036854775807,"e":{}},"stream_states":[{"stream_descriptor":{"name":"plants"}}]}'
    )
    messages = [
        *_rows("plants", 9223372036854775807),
        b'{"type":"STATE","state":{"type":"GLOBAL","global":' + shared + b"}}",
    ]
    sidecar.play([*messages, status("plants", "COMPLETE")])
    assert bulker.requests[0].lines == [b'{"id":9223372036854775807}']
    [row] = sidecar.database.rows("SELECT state::text AS text FROM source_state WHERE stream = '_GLOBAL_STATE'")
    assert json.loads(row["text"]) == json.loads(shared)
    assert "9223372036854775807" in row["text"]


def test_defect_12_percent_signs_survive_and_states_are_not_logged(sidecar: SidecarProcess) -> None:
    """Log lines are stored as they came; catalogs and states stay out of the log."""
    sidecar.give(catalog=catalog("plants"), config={})
    messages = [log("100%s done %d%"), *_rows("plants", 1), state("plants", {"cursor": "planted-cursor"})]
    sidecar.play([*messages, status("plants", "COMPLETE")], stderr=b"50 % of %(x)s\n")
    assert "INFO 100%s done %d%" in sidecar.log
    assert "ERRSTD 50 % of %(x)s" in sidecar.log
    assert not any("planted-cursor" in line or "json_schema" in line for line in sidecar.log)
    assert b"planted-cursor" not in sidecar.output


def test_defect_13_a_final_row_is_never_overwritten(sidecar: SidecarProcess) -> None:
    """A task that was cancelled (or failed by a sweep) in the meantime stays so."""
    sidecar.give(catalog=catalog("plants"), config={})
    sidecar.database.rows("UPDATE syncctl_task SET state = 'CANCELLED'")
    sidecar.database.rows("UPDATE source_task SET status = 'CANCELLED', description = 'stopped'")
    sidecar.play([*_rows("plants", 1), status("plants", "COMPLETE")])
    assert (sidecar.task["status"], sidecar.task["description"]) == ("CANCELLED", "stopped")
    assert sidecar.ours["state"] == "CANCELLED"


def test_defect_13_holds_without_our_tables_too(sidecar: SidecarProcess, database: TestDatabase) -> None:
    """Another controller's database has only the caller's tables: the sidecar works, and respects a final row."""
    database.rows("DROP TABLE syncctl_result, syncctl_task CASCADE")
    database.rows("UPDATE source_task SET status = 'FAILED', description = 'by the console'")
    sidecar.give(catalog=catalog("plants"), config={})
    assert sidecar.play([*_rows("plants", 1), status("plants", "COMPLETE")]) == 0, sidecar.output
    assert (sidecar.task["status"], sidecar.task["description"]) == ("FAILED", "by the console")
    database.rows("DELETE FROM source_task")
    sidecar.exit_code_file.unlink()
    assert sidecar.play([*_rows("plants", 1), status("plants", "COMPLETE")]) == 0, sidecar.output
    assert sidecar.task["status"] == "SUCCESS"


@pytest.mark.fault(44)
def test_defect_15_a_row_over_the_limit_costs_one_row(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """Bulker takes 1,048,575 bytes a row: a longer one is named, events count what is stored."""
    sidecar.give(catalog=catalog("plants"), config={})
    fits = {"id": 2, "name": "x" * (1_048_575 - len('{"id":2,"name":""}'))}
    long = {"id": 3, "name": "x" * 1_048_575}
    sidecar.play(
        lines([*_rows("plants", 1), record("plants", fits), record("plants", long), status("plants", "COMPLETE")])
    )
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2]
    assert sidecar.streams["plants"]["events"] == 2
    assert sidecar.streams["plants"]["status"] == "PARTIAL"
    assert "record 3 of stream plants was refused: it has 1,048,593 bytes" in sidecar.streams["plants"]["error"]


def test_defect_18_rows_that_the_destination_drops_are_not_success(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """A 200 that counts fewer rows than were sent makes the stream PARTIAL, with both numbers."""
    sidecar.give(catalog=catalog("plants"), config={})
    bulker.answer = lambda _: (200, {"message": "ok", "state": {"processedRows": 3, "successfulRows": 2}})
    sidecar.play([*_rows("plants", 1, 2, 3), status("plants", "COMPLETE")])
    assert sidecar.task["status"] == "PARTIAL"
    assert "3 rows were sent and 2 stored" in sidecar.streams["plants"]["error"]
    assert "(3 emitted, 2 stored)" in sidecar.streams["plants"]["error"]
