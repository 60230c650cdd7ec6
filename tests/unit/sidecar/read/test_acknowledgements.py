"""Bulker's answers to complete streams: late, never, by turns, and while more of the stream comes."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.bulker import client
from sidecar.bulker.upload import Answer, Upload
from tests.support.fake_bulker import Bulk, FakeBulker, fake_bulker, wait_for
from tests.support.in_process_sidecar import InProcessSidecar, shared
from tests.support.sidecar_process import catalog, record, state, status

STARTED = [{"type": "STREAM"}]
"""Some state to resume from: rows are then added, not put in the place of others."""
Make = Callable[..., InProcessSidecar]


@pytest.fixture
def bulker() -> Iterator[FakeBulker]:
    with fake_bulker() as running:
        yield running


class Held:
    """Answers of these tables wait until they are let go."""

    def __init__(self, *tables: str) -> None:
        self._let = {table: threading.Event() for table in tables}

    def __call__(self, bulk: Bulk) -> tuple[int, dict[str, Any]] | None:
        let = self._let.get(bulk.table)
        return None if let is None or let.wait(30) else (500, {"error": "nobody let it go"})

    def let(self, *tables: str) -> None:
        """Let answers go: of these tables, or all."""
        for table in tables or self._let:
            self._let[table].set()


@pytest.fixture
def make(tmp_path: Path, bulker: FakeBulker) -> Make:
    """`make("beds", "plants")`: streams that go on from a state, unless they are not incremental."""

    def made(*names: str, incremental: bool = True, **settings: Any) -> InProcessSidecar:
        streams = catalog(*names, incremental=incremental)
        return InProcessSidecar(tmp_path, bulker.url, streams, state=STARTED, **settings)

    return made


def _row(stream: str, number: int = 1) -> dict[str, Any]:
    return record(stream, {"id": number})


def _whole(stream: str) -> list[dict[str, Any]]:
    return [_row(stream), state(stream, {"c": 1}), status(stream, "COMPLETE")]


def _await_answers(reading: InProcessSidecar, *streams: str) -> None:
    known = [one for one in reading.read._streams.known if one.id.key in streams]
    wait_for(lambda: all(one.is_acked or not one.awaits_ack for one in known), what="the answers")


def test_more_of_a_complete_stream_does_not_hold_a_state_of_all_streams_up(make: Make) -> None:
    """A stream that goes on is not being stored any more."""
    reading = make("beds", "plants", commit_bytes=1)
    reading.feed(_row("beds"), status("beds", "COMPLETE"), _row("beds", 2), _row("plants"), shared({"c": 1}))
    assert [value["shared_state"] for _, value in reading.saves] == [{"c": 1}]
    assert reading.end().state == "PARTIAL"


def test_a_state_is_saved_when_more_of_its_complete_stream_comes(make: Make, bulker: FakeBulker) -> None:
    """The wait for the acknowledgement has an end there: were the sidecar killed next, the rows would come twice."""
    bulker.answer = held = Held("plants")
    reading = make("plants")
    reading.feed(_row("plants"), status("plants", "COMPLETE"), state("plants", {"c": 1}))
    assert reading.saves == []
    held.let()
    assert reading.feed(_row("plants", 2)).saves == [("plants", {"c": 1})]
    reading.end()


def test_a_record_with_a_file_behind_a_complete_stream_costs_no_state(make: Make) -> None:
    """The rows before it are stored, and would come twice."""
    reading = make("plants")
    refused = _row("plants", 2)
    refused["record"]["file"] = {"file_url": "/tmp/leaf.png"}
    reading.feed(*_whole("plants"), refused)
    assert reading.saves == [("plants", {"c": 1})]
    assert reading.end().state == "PARTIAL"
    assert "files are not kept" in reading.streams["plants"]["error"]


def test_an_answer_that_has_come_counts_although_another_one_did_not(make: Make, bulker: FakeBulker) -> None:
    """A stop leaves little time, and a table that takes all of it takes nothing from the others."""
    bulker.answer = held = Held("beds")
    limit = time.monotonic() + 1
    reading = make("beds", "plants", cap_deadline=lambda deadline: min(deadline, limit))
    reading.feed(*_whole("beds"), *_whole("plants"))
    reading.end(stopped=True, exit_code=None)
    held.let()
    assert reading.saves == [("plants", {"c": 1})]
    assert (reading.streams["beds"]["stored"], reading.streams["plants"]["stored"]) == (0, 1)
    assert "did not answer in time" in reading.streams["beds"]["error"]


def test_what_has_to_end_yet_comes_before_what_is_only_waited_for(make: Make, bulker: FakeBulker) -> None:
    """A stop leaves little time: rows that are stored when it is over, without their state, would come twice."""
    bulker.answer = held = Held("beds")
    limit = time.monotonic() + 1
    reading = make("beds", "plants", cap_deadline=lambda deadline: min(deadline, limit))
    reading.feed(*_whole("beds"), _row("plants"), state("plants", {"c": 1}))
    reading.end(stopped=True, exit_code=None)
    held.let()
    assert reading.saves == [("plants", {"c": 1})]


def test_a_table_that_takes_long_holds_no_other_stream_up(make: Make, bulker: FakeBulker) -> None:
    """Those that are stored make room, and their states are saved."""
    bulker.answer = held = Held("s0")
    names = [f"s{number}" for number in range(6)]
    reading = make(*names)
    for name in names[:4]:
        reading.feed(*_whole(name))
    _await_answers(reading, "s1", "s2", "s3")
    source = threading.Thread(target=lambda: reading.feed(*_whole("s4"), *_whole("s5")), daemon=True)
    source.start()
    try:
        wait_for(lambda: not source.is_alive(), what="the last stream")
        assert {key for key, _ in reading.saves} >= {"s1", "s2", "s3"}
    finally:
        held.let()
        source.join()
    assert reading.end().state == "SUCCESS"


def test_an_answer_that_never_comes_is_given_up_while_other_streams_are_read(
    make: Make, bulker: FakeBulker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time runs from the end of its request, whatever else is waited for."""
    monkeypatch.setattr(client, "_ANSWER_SECONDS", 0.2)
    bulker.answer = held = Held("beds")
    reading = make("beds", "plants")
    reading.feed(*_whole("beds")).tick_until_acknowledged()
    assert reading.feed(*_whole("plants")).end().state == "PARTIAL"
    held.let()
    assert "did not answer in time" in reading.streams["beds"]["error"]
    assert reading.saves == [("plants", {"c": 1})]


def test_answers_that_never_come_are_awaited_together(
    make: Make, bulker: FakeBulker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one after the other: a Bulker that hangs would hold a task up for hours."""
    monkeypatch.setattr(client, "_ANSWER_SECONDS", 3.0)
    bulker.answer = held = Held("beds", "plants")
    reading = make("beds", "plants")
    reading.feed(*_whole("beds"), *_whole("plants"))
    waits: list[float] = []
    answer = Upload.answer

    def timed(upload: Upload, seconds: float) -> Answer:
        waits.append(seconds)
        return answer(upload, seconds)

    monkeypatch.setattr(Upload, "answer", timed)
    assert reading.end().state == "FAILED"
    held.let()
    first, second = waits
    assert (first > 2, second < 1) == (True, True), waits


@pytest.mark.parametrize("incremental", [True, False])
def test_a_state_of_all_streams_waits_no_longer_than_its_time(
    make: Make, bulker: FakeBulker, incremental: bool
) -> None:
    """Where each table takes longer than the next stream, one of them is always being stored."""
    bulker.answer = held = Held("beds")
    reading = make("beds", "plants", incremental=incremental, commit_seconds=0)
    reading.feed(_row("beds"), status("beds", "COMPLETE"))
    threading.Timer(0.5, held.let).start()
    reading.feed(shared({"c": 1}))
    assert [value["shared_state"] for _, value in reading.saves] == [{"c": 1}]
    reading.end()
