"""Bulker's answers to complete streams: late, never, by turns, and while more of the stream comes."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.bulker import client
from sidecar.bulker.upload import Answer, Upload
from tests.support.fake_bulker import Bulk, FakeBulker, fake_bulker
from tests.support.in_process_sidecar import InProcessSidecar
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
