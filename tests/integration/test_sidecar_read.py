"""The sidecar on a healthy day: rows, states and the outcome."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_bulker import FakeBulker
from tests.support.in_process_sidecar import InProcessSidecar
from tests.support.sidecar_process import SidecarProcess, catalog, log, record, state, status


def test_full_refresh_of_two_interleaved_streams_is_one_request_each(
    sidecar: SidecarProcess, bulker: FakeBulker
) -> None:
    """Rows, counts, states and SUCCESS; interleaving never reopens a request."""
    sidecar.give(catalog=catalog("plants", "beds"), config={})
    messages = [status("plants", "STARTED"), status("beds", "STARTED")]
    for number in range(200):
        messages += [record("plants", {"id": number, "name": "fern"}), record("beds", {"id": number})]
    messages += [state("plants", {"c": 1}, 200.0), state("beds", {"c": 2}, 200.0)]
    messages += [status("plants", "COMPLETE"), status("beds", "COMPLETE")]
    assert sidecar.play(messages) == 0, sidecar.output
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    assert {name: s["events"] for name, s in sidecar.streams.items()} == {"plants": 200, "beds": 200}
    assert sidecar.states == {"plants": {"c": 1}, "beds": {"c": 2}}
    # Each on a connection of its own, so the order of their arrival is nobody's.
    assert sorted((b.table, b.mode, len(b.lines)) for b in bulker.requests) == [
        ("beds", "replace_table", 200),
        ("plants", "replace_table", 200),
    ]
    assert sidecar.ours["state"] == "SUCCESS"
    account = {"status": "SUCCESS", "emitted": 200, "sent": 200, "stored": 200, "refused": 0, "error": ""}
    assert account.items() <= sidecar.ours["streams"]["plants"].items()


def test_record_data_passes_through_as_the_bytes_that_came(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """Digits, spacing, key order and escapes leave as they came."""
    sidecar.give(catalog=catalog("plants"), config={})
    data = b'{"id": 9223372036854775807, "b":[1E400] ,"c":1E300 ,"a": "\\u00e9\\/", "n": 0.10}'
    line = b'{"type": "RECORD", "record": {"stream": "plants", "data": ' + data + b', "emitted_at": 1}}'
    sidecar.play([line, status("plants", "COMPLETE")])
    assert bulker.requests[0].lines == [data]
    assert sidecar.task["status"] == "SUCCESS"


def test_log_lines_are_stored_in_order_with_their_levels(sidecar: SidecarProcess) -> None:
    """LOG, stderr and noise all reach task_log."""
    sidecar.give(catalog=catalog("plants"), config={})
    messages = [log("one"), "noise of a library", "WARN careful", log("two", "DEBUG"), status("plants", "COMPLETE")]
    sidecar.play(messages, stderr=b"from stderr\n")
    assert "INFO one" in sidecar.log
    assert "ERRSTD from stderr" in sidecar.log
    assert "ERROR noise of a library" in sidecar.log
    assert "WARN WARN careful" in sidecar.log
    assert "DEBUG two" in sidecar.log
    assert sidecar.task["status"] == "SUCCESS"


def test_log_messages_that_come_together_are_logged_one_by_one(tmp_path: Path, bulker: FakeBulker) -> None:
    """In order with the messages between them; one that cannot be read costs itself, and secrets are hidden."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"), config={"password": "planted-1"})
    broken: list[object] = [{"type": "LOG", "log": {"level": 1}}, {"type": "LOG"}]
    reading.feed(log("one"), record("plants", {"id": 1}), log("two planted-1", "DEBUG"), "noise", log("three", "ODD"))
    reading.feed(log("four", "FATAL"), *broken, record("plants", 7), log("five\nof two lines"), status("plants", "X"))
    reading.feed({"type": "LOG"}, log("six"), log("x" * 40_000 + "planted-1"))
    first = ["INFO one", "DEBUG two ********", "ERROR noise", "INFO [ODD] three", "FATAL four"]
    odd = ["WARN The connector wrote a LOG message without level and message; it was ignored."]
    assert reading.log[:9] == [
        *first, *odd * 2, "INFO five\nof two lines",
        "ERROR record 2 of stream plants was refused: its data is not a JSON object. (1 refused so far)",
    ]  # fmt: skip
    assert reading.log[9] == "WARN The connector wrote an unknown stream status 'X'; it was ignored."
    assert reading.log[10:12] == [*odd, "INFO six"]
    assert reading.log[12].endswith("xxx ... (40,008 characters)")
    assert reading.end(1).reason.startswith("four")


def test_a_log_line_of_odd_types_is_logged_all_the_same(tmp_path: Path, bulker: FakeBulker) -> None:
    """Whatever library wrote it: a level that is null or a number, a message that is an object."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"), config={"password": "planted-1"})
    for log_of in ({"level": None, "message": "one"}, {"level": 20, "message": {"event": "two", "key": "planted-1"}}):
        reading.feed({"type": "LOG", "log": log_of})
    assert reading.log == ["INFO one", 'INFO {"event":"two","key":"********"}']


def test_a_stream_runs_from_its_first_record(tmp_path: Path, bulker: FakeBulker) -> None:
    """Whether or not the connector says that it has begun; the others wait."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants", "beds", "trees"), config={})
    reading.feed(record("plants", {"id": 1}), status("trees", "STARTED"))
    shown = {name: stream["status"] for name, stream in (reading.read.progress() or {}).items()}
    assert shown == {"plants": "RUNNING", "beds": "PENDING", "trees": "RUNNING"}
    reading.end(1)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([("plants", None), ("plants", None)], "would share the table 'raw_plants'"),
        ([("a.b", None), ("b", "a")], "'a.b' (no namespace) and 'b' (namespace 'a') would share the table 'raw_a.b'"),
        ([("b", ""), ("b", None)], "would share the table 'raw_b'"),
        ([("plants", None), ("beds", None, "raw_plants")], "would share the table 'raw_plants'"),
        ([("plants", None, "one"), ("plants", None, "two")], "would share the state key 'plants'; select only one."),
        ([("_GLOBAL_STATE", None)], "a stream cannot be called '_GLOBAL_STATE'"),
    ],
)
@pytest.mark.fault(79)
def test_streams_that_cannot_be_told_apart_are_refused(
    sidecar: SidecarProcess, bulker: FakeBulker, names: list[Any], why: str
) -> None:
    """Under a controller that does not check its catalogs: no row is sent, and the blame is the request's."""
    streams = catalog(*(name for name, *_ in names))
    for stream, (_, namespace, *table) in zip(streams["streams"], names, strict=True):
        stream["stream"] |= {"namespace": namespace} | ({"table_name": table[0]} if table else {})
    sidecar.give(catalog=streams, config={})
    with sidecar.start(TABLE_NAME_PREFIX="raw_") as process:
        process.wait(60)
    assert (sidecar.task["status"], bulker.requests) == ("FAILED", [])
    assert why in sidecar.ours["reason"]
    assert (sidecar.ours["failure"]["kind"], sidecar.ours["failure"]["origin"]) == ("config_error", "user")


def test_streams_whose_tables_differ_are_read(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """One name in two namespaces, and names that differ in case alone."""
    streams = catalog("plants", "plants", "Plants")
    streams["streams"][0]["stream"]["namespace"] = "garden"
    sidecar.give(catalog=streams, config={})
    sidecar.play([record("plants", {"id": 1}), record("Plants", {"id": 2}), record("plants", {"id": 3}, "garden")])
    assert sorted(bulk.table for bulk in bulker.requests) == ["Plants", "garden.plants", "plants"]
