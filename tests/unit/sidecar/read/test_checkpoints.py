"""Which states are saved when: never ahead of their rows, and never lost without a word."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import SyncError
from common.failures import Failure, FailureKind
from common.protocol.catalogs import decode_catalog
from common.protocol.messages import config_hash
from common.protocol.resume import resume_states
from sidecar.read import stream as stream_module
from tests.support.fake_bulker import FakeBulker, fake_bulker, wait_for
from tests.support.in_process_sidecar import InProcessSidecar, legacy, shared
from tests.support.sidecar_process import catalog, record, state, status, trace_error

STARTED = [{"type": "STREAM"}]
"""Some state to resume from: rows are then added, not put in the place of others."""
Make = Callable[..., InProcessSidecar]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeBulker]:
    with fake_bulker() as running:
        yield running


@pytest.fixture
def bulker(server: FakeBulker) -> FakeBulker:
    server.requests.clear()
    server.answer = server.on_line = lambda _: None
    return server


@pytest.fixture
def make(tmp_path: Path, bulker: FakeBulker) -> Make:
    """`make(catalog(...), state=..., commit_seconds=...)`."""
    return lambda streams, **settings: InProcessSidecar(tmp_path, bulker.url, streams, **settings)


def _rows(stream: str, *ids: int) -> list[dict[str, Any]]:
    return [record(stream, {"id": number}) for number in ids]


def _mixed() -> dict[str, Any]:
    """`beds` is incremental, `plants` a full refresh."""
    return {"streams": catalog("beds", incremental=True)["streams"] + catalog("plants")["streams"]}


def _refuse(table: str) -> Callable[[Any], Any]:
    return lambda bulk: (400, {"error": "stream complete error: disk full"}) if bulk.table == table else None


def test_states_are_coalesced_and_the_last_one_is_saved(make: Make, bulker: FakeBulker) -> None:
    """A request goes on across states; the newest is saved, once."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    for number in range(50):
        reading.feed(*_rows("plants", number), state("plants", {"c": number}, 1.0))
    assert reading.saves == []
    reading.feed(status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert reading.saves == [("plants", {"c": 49})]
    assert [len(bulk.lines) for bulk in bulker.requests] == [50]


def test_a_request_ends_at_a_state_after_enough_bytes(make: Make, bulker: FakeBulker) -> None:
    """Not before a state comes, and at once when it does."""
    reading = make(catalog("plants", incremental=True), state=STARTED, commit_bytes=40)
    reading.feed(*_rows("plants", 1, 2, 3, 4, 5))
    assert bulker.requests == []
    reading.feed(state("plants", {"c": 5}), *_rows("plants", 6), state("plants", {"c": 6}))
    assert reading.saves == [("plants", {"c": 5})]
    reading.feed(status("plants", "COMPLETE")).end()
    assert reading.saves[1:] == [("plants", {"c": 6})]


def test_a_request_ends_after_enough_time_however_few_its_rows(make: Make, bulker: FakeBulker) -> None:
    """The clock runs from the first row that waits, also while it waits here; a later tick is enough."""
    reading = make(catalog("plants", incremental=True), state=STARTED, commit_seconds=0)
    reading.feed(*_rows("plants", 1), state("plants", {"c": 1}))
    assert reading.saves == [("plants", {"c": 1})]
    late = make(catalog("plants", incremental=True), state=STARTED, commit_seconds=1)
    late.feed(*_rows("plants", 1), state("plants", {"c": 1}))
    [writer] = late.read._streams.known
    writer._since -= 5
    late.read.tick()
    assert late.saves == [("plants", {"c": 1})]


def test_a_full_refresh_goes_on_to_its_end(make: Make, bulker: FakeBulker) -> None:
    """However many bytes and states: one request, so that the table changes at once; its end is COMPLETE."""
    reading = make(catalog("plants"), commit_bytes=1, commit_seconds=0)
    for number in range(5):
        reading.feed(*_rows("plants", number), state("plants", {"c": number}))
        reading.read.tick()
    assert bulker.requests == []
    reading.feed(status("plants", "COMPLETE")).tick_until_acknowledged()
    assert [(bulk.mode, len(bulk.lines)) for bulk in bulker.committed("plants")] == [("replace_table", 5)]
    assert reading.saves == [("plants", {"c": 4})]


def test_a_state_after_complete_is_saved(make: Make, bulker: FakeBulker) -> None:
    """Current connectors send COMPLETE before the last STATE, with no row between them."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1), status("plants", "COMPLETE"), state("plants", {"c": 1}, 1.0))
    assert reading.end().state == "SUCCESS"
    assert reading.states == {"plants": {"c": 1}}


def _answered_by(*tables: str) -> tuple[threading.Event, Callable[[Any], Any]]:
    """An event, and answers that wait for it where they are about these tables."""
    let = threading.Event()
    return let, lambda bulk: None if bulk.table not in tables or let.wait(10) else (500, {"error": "nobody let it"})


def test_a_complete_stream_is_stored_while_the_next_one_is_read(make: Make, bulker: FakeBulker) -> None:
    """Its table may take long; its state waits for the answer, and nothing else does."""
    let, bulker.answer = _answered_by("beds")
    reading = make(_mixed(), state=STARTED)
    reading.feed(*_rows("beds", 1), state("beds", {"c": 1}), status("beds", "COMPLETE"))
    reading.feed(*_rows("plants", 1), status("plants", "COMPLETE"))
    wait_for(lambda: bulker.committed("plants"))
    reading.read.tick()
    assert (reading.saves, bulker.committed("beds")) == ([], [])
    let.set()
    assert reading.tick_until_acknowledged().saves == [("beds", {"c": 1})]
    assert reading.end().state == "SUCCESS"


def test_an_acknowledgement_that_comes_at_the_end_is_awaited(make: Make, bulker: FakeBulker) -> None:
    """The outcome counts what it says, in the order of the streams' ends."""
    let, bulker.answer = _answered_by("beds")
    reading = make(_mixed(), state=STARTED)
    reading.feed(*_rows("beds", 1), state("beds", {"c": 1}), status("beds", "COMPLETE"), *_rows("plants", 1))
    threading.Timer(0.1, let.set).start()
    assert reading.feed(status("plants", "COMPLETE")).end().state == "SUCCESS"
    assert reading.saves == [("beds", {"c": 1})]
    assert reading.streams["beds"]["stored"] == 1


@pytest.mark.parametrize("refusal", ["answer", "hang up"])
def test_a_refusal_after_the_end_is_its_streams_alone(make: Make, bulker: FakeBulker, refusal: str) -> None:
    """It comes while another stream is read, and its state is never saved."""

    def refuse(bulk: Any) -> Any:
        if bulk.table == "beds" and refusal == "hang up":
            raise ConnectionError
        return _refuse("beds")(bulk)

    bulker.answer = refuse
    reading = make(_mixed(), state=STARTED)
    reading.feed(*_rows("beds", 1), state("beds", {"c": 1}), status("beds", "COMPLETE")).tick_until_acknowledged()
    reading.feed(*_rows("plants", 1), status("plants", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    assert (reading.saves, reading.streams["beds"]["status"]) == ([], "FAILED")
    assert reading.streams["plants"]["status"] == "SUCCESS"


def test_few_requests_wait_for_their_acknowledgements(make: Make, bulker: FakeBulker) -> None:
    """However many streams are complete: each is a transaction there, and the first is waited for."""
    names = [f"s{number}" for number in range(8)]
    let, bulker.answer = _answered_by(*names[:5])
    reading = make({"streams": [one for name in names for one in catalog(name)["streams"]]})
    ended: list[str] = []

    def read() -> None:
        for name in names:
            reading.feed(*_rows(name, 1), status(name, "COMPLETE"))
            ended.append(name)

    source = threading.Thread(target=read)
    source.start()
    wait_for(lambda: any(bulk.table == "s4" and bulk.lines for bulk in bulker.requests))
    source.join(0.5)
    assert ended == names[:4]
    let.set()
    source.join()
    assert (ended, reading.end().state) == (names, "SUCCESS")


def test_rows_after_an_end_wait_for_its_acknowledgement(make: Make, bulker: FakeBulker) -> None:
    """They are another request's: the answer to the first covers nothing of them."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1), state("plants", {"c": 1}), status("plants", "COMPLETE"), *_rows("plants", 2))
    assert reading.end().state == "PARTIAL"
    assert [bulk.rows for bulk in bulker.committed("plants")] == [[{"id": 1}], [{"id": 2}]]
    assert reading.saves == [("plants", {"c": 1})]


def test_what_has_ended_is_not_broken_off(make: Make, bulker: FakeBulker) -> None:
    """A source that takes its COMPLETE back, or a fault of ours, changes nothing of rows that are Bulker's."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1), state("plants", {"c": 1}), status("plants", "COMPLETE"))
    reading.feed(status("plants", "INCOMPLETE"))
    assert reading.saves == [("plants", {"c": 1})]
    reading.end()
    broken = make(catalog("plants"))
    broken.feed(*_rows("plants", 1), status("plants", "COMPLETE"))
    outcome = broken.read.break_off(Failure(FailureKind.SIDECAR_FAILED, "the sidecar itself failed (ValueError)"))
    assert (outcome.streams or {})["plants"]["stored"] == 1
    assert not any(bulk.aborted for bulk in bulker.requests)


def test_a_state_of_all_streams_waits_for_a_stream_that_has_ended(make: Make, bulker: FakeBulker) -> None:
    """It covers its rows, too."""
    let, bulker.answer = _answered_by("plants")
    reading = make(_mixed(), state=STARTED, commit_bytes=1)
    reading.feed(*_rows("plants", 1), status("plants", "COMPLETE"), *_rows("beds", 1), shared({"c": 1}))
    reading.read.tick()
    assert reading.saves == []
    let.set()
    reading.tick_until_acknowledged().feed(status("beds", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert reading.states["_GLOBAL_STATE"]["shared_state"] == {"c": 1}


def test_a_limit_of_bulker_cuts_a_full_refresh_and_the_row_says_so(
    make: Make, bulker: FakeBulker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replace, then add; should the rest fail, the row says what the table holds now."""
    monkeypatch.setattr(stream_module, "ROTATE_SECONDS", -1.0)
    for ending, expected in ((status("plants", "COMPLETE"), "SUCCESS"), (status("plants", "INCOMPLETE"), "PARTIAL")):
        reading = make(catalog("plants"))
        reading.feed(record("plants", {"id": 1, "name": "x" * 300_000}))
        reading.read.tick()
        reading.feed(record("plants", {"id": 2, "name": "x" * 300_000}), ending)
        reading.end()
        assert reading.streams["plants"]["status"] == expected
        if expected == "SUCCESS":
            assert "filled by 2 requests" in reading.streams["plants"]["note"]
            assert any("filled by 2 requests" in line for line in reading.log)
            assert [bulk.mode for bulk in bulker.committed("plants")] == ["replace_table", "batch"]
        else:
            assert "old rows are replaced by the 1 stored so far" in reading.streams["plants"]["error"]
            assert "(2 emitted, 1 stored)" in reading.streams["plants"]["error"]


def test_what_follows_a_state_is_committed_with_it_where_the_source_fails(make: Make, bulker: FakeBulker) -> None:
    """Rows behind the last state come again in the next run; the state that the request covers is kept."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1), state("plants", {"c": 1}), *_rows("plants", 2), status("plants", "INCOMPLETE"))
    assert reading.end(1).state == "PARTIAL"
    assert reading.states == {"plants": {"c": 1}}
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2]


@pytest.mark.parametrize("resumed", [STARTED, {}])
def test_rows_that_no_state_covers_are_broken_off_where_the_source_fails(
    make: Make, bulker: FakeBulker, resumed: Any
) -> None:
    """They come again, so they are not added twice; the table of a first run keeps its old rows."""
    reading = make(catalog("plants", incremental=True), state=resumed)
    reading.feed(record("plants", {"id": 1, "name": "x" * 300_000}), status("plants", "INCOMPLETE"))
    reading.end(1)
    assert bulker.committed("plants") == []
    assert reading.saves == []


def test_a_first_run_that_fails_behind_a_state_says_that_it_replaced_the_table(make: Make, bulker: FakeBulker) -> None:
    """What the state covers is committed although it replaces: the next run adds the rest. The row says so."""
    reading = make(catalog("plants", incremental=True))
    reading.feed(*_rows("plants", 1), state("plants", {"c": 1}), *_rows("plants", 2))
    reading.end(137)
    assert [bulk.mode for bulk in bulker.committed("plants")] == ["replace_table"]
    assert reading.states == {"plants": {"c": 1}}
    error = reading.streams["plants"]["error"]
    assert "old rows are replaced by the 2 stored so far, the next run adds the rest" in error


@pytest.mark.fault(47)
def test_a_shared_state_is_saved_only_with_its_rows_when_the_source_dies(make: Make, bulker: FakeBulker) -> None:
    """The rows before it are committed first, also those of a stream that will not complete."""
    for message in (shared({"lsn": 1}), legacy({"lsn": 1})):
        bulker.requests.clear()
        reading = make(catalog("beds", "plants", incremental=True), state=STARTED)
        reading.feed(*_rows("beds", 1), *_rows("plants", 1), message, *_rows("plants", 2)).end(1)
        assert [row["id"] for row in bulker.rows("beds")] == [1]
        assert [row["id"] for row in bulker.rows("plants")][:1] == [1]
        assert len(reading.saves) == 1


@pytest.mark.fault(47)
def test_a_shared_state_waits_for_a_full_refresh(make: Make, bulker: FakeBulker) -> None:
    """It covers rows that only the end of the table's replacement makes safe."""
    reading = make(_mixed(), state=STARTED, commit_seconds=0, commit_bytes=1)
    reading.feed(*_rows("beds", 1), *_rows("plants", 1), shared({"lsn": 1}, 2.0))
    reading.read.tick()
    assert (reading.saves, bulker.requests) == ([], [])
    reading.feed(*_rows("plants", 2), status("plants", "COMPLETE"), status("beds", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert reading.states["_GLOBAL_STATE"]["shared_state"] == {"lsn": 1}


@pytest.mark.parametrize("fails", ["source", "bulker"])
@pytest.mark.fault(60)
def test_a_shared_state_is_held_back_for_good_by_lost_rows(make: Make, bulker: FakeBulker, fails: str) -> None:
    """A stream's rows are lost: neither this state nor a later one is saved, and the reason says why."""
    reading = make(_mixed(), state=STARTED)
    if fails == "bulker":
        bulker.answer = _refuse("plants")
    reading.feed(*_rows("beds", 1), *_rows("plants", 1), shared({"lsn": 1}))
    reading.feed(status("plants", "INCOMPLETE" if fails == "source" else "COMPLETE"))
    reading.feed(*_rows("beds", 2), shared({"lsn": 2}), status("beds", "COMPLETE"))
    outcome = reading.end()
    assert reading.saves == []
    assert outcome.state == "PARTIAL"
    assert "state of all streams was not saved, because rows of plants before it are not stored" in outcome.reason
    assert [row["id"] for row in bulker.rows("beds")] == [1, 2]


@pytest.mark.parametrize("message", [shared({"lsn": 1}), legacy({"lsn": 1})])
@pytest.mark.fault(431)
def test_a_state_of_one_stream_is_saved_after_an_older_one_of_all(
    make: Make, bulker: FakeBulker, message: dict[str, Any]
) -> None:
    """Each replaces the other kind's: the next run would read rows again that a saved state had covered."""
    reading = make(_mixed(), commit_seconds=0, commit_bytes=1)
    reading.feed(*_rows("beds", 1), *_rows("plants", 1), message, *_rows("beds", 2), state("beds", {"c": 2}))
    reading.read.tick()
    assert [row["id"] for row in bulker.rows("beds")] == [1, 2]
    assert reading.saves == []
    reading.feed(status("plants", "COMPLETE"), status("beds", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert [key for key, _ in reading.saves] == [_key(message), "beds"]


@pytest.mark.fault(431)
def test_a_state_of_all_streams_is_saved_after_older_ones_of_one(make: Make, bulker: FakeBulker) -> None:
    """However many come in turn, the last one is the last that is saved."""
    reading = make(_mixed())
    reading.feed(*_rows("beds", 1), state("beds", {"c": 1}), shared({"lsn": 1}), *_rows("beds", 2))
    reading.feed(state("beds", {"c": 2}), *_rows("plants", 1), shared({"lsn": 2}))
    reading.feed(status("plants", "COMPLETE"), status("beds", "COMPLETE")).end()
    assert [key for key, _ in reading.saves] == ["beds", "_GLOBAL_STATE"]
    assert reading.states["_GLOBAL_STATE"]["shared_state"] == {"lsn": 2}


@pytest.mark.fault(431)
def test_a_state_that_waits_behind_one_of_all_streams_is_saved_without_it(make: Make, bulker: FakeBulker) -> None:
    """The older one is held back for good, since rows of another stream are lost: the newer one stands."""
    reading = make(_mixed(), state=STARTED)
    reading.feed(*_rows("beds", 1), *_rows("plants", 1), shared({"lsn": 1}), *_rows("beds", 2))
    reading.feed(state("beds", {"c": 2}), status("plants", "INCOMPLETE"), status("beds", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    assert reading.saves == [("beds", {"c": 2})]


@pytest.mark.parametrize(
    "given", [None, [{"type": "GLOBAL", "global": {"shared_state": {"lsn": 1}}}], {"beds": {"c": 1}}]
)
@pytest.mark.fault(431)
def test_a_full_refresh_does_not_replace_the_state_of_all_streams(make: Make, bulker: FakeBulker, given: Any) -> None:
    """No run is ever given its state; some sources send those of CDC as GLOBAL, and of a full refresh as STREAM."""
    reading = make(_mixed(), state=given)
    reading.feed(*_rows("beds", 1), *([] if given else [shared({"lsn": 2}, 1)]), *_rows("plants", 1))
    reading.feed(state("plants", {"id": 1}, 1), status("plants", "COMPLETE"), status("beds", "COMPLETE"))
    outcome = reading.end()
    assert (outcome.state, outcome.reason) == ("SUCCESS", "")
    assert [key for key, _ in reading.saves] == ([] if given else ["_GLOBAL_STATE"])


def _key(message: dict[str, Any]) -> str:
    return "_GLOBAL_STATE" if "global" in message["state"] else "_LEGACY_STATE"


def test_a_shared_state_before_the_lost_rows_is_saved(make: Make, bulker: FakeBulker) -> None:
    """What it covers is there; what came later comes again."""
    reading = make(_mixed(), state=STARTED)
    reading.feed(*_rows("beds", 1), shared({"lsn": 1}), *_rows("plants", 1), status("plants", "INCOMPLETE"))
    reading.feed(status("beds", "COMPLETE")).end()
    assert reading.states["_GLOBAL_STATE"]["shared_state"] == {"lsn": 1}


def test_one_incremental_stream_that_fails_does_not_stop_the_shared_state(make: Make, bulker: FakeBulker) -> None:
    """Its rows so far are committed, so the states of the streams that go on can be saved."""
    reading = make(catalog("beds", "plants", incremental=True), state=STARTED)
    reading.feed(*_rows("beds", 1), *_rows("plants", 1), shared({"lsn": 1}), *_rows("plants", 2))
    reading.feed(status("plants", "INCOMPLETE"), *_rows("beds", 2), shared({"lsn": 2}), status("beds", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    assert reading.states["_GLOBAL_STATE"]["shared_state"] == {"lsn": 2}
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2]


def test_a_state_never_leaps_over_rows_that_were_given_up(make: Make, bulker: FakeBulker) -> None:
    """INCOMPLETE, then the stream goes on: a later state covers the broken-off rows too, so it is not saved."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1), status("plants", "INCOMPLETE"), status("plants", "STARTED"))
    reading.feed(*_rows("plants", 2), state("plants", {"c": 2}), status("plants", "COMPLETE"))
    reading.end()
    assert reading.saves == []
    assert reading.streams["plants"]["status"] == "PARTIAL"
    assert "rows before it were given up" in reading.streams["plants"]["error"]
    assert "(2 emitted, 1 stored)" in reading.streams["plants"]["error"]


@pytest.mark.fault(60)
def test_a_refused_stream_keeps_its_old_state_and_the_others_go_on(make: Make, bulker: FakeBulker) -> None:
    """After Bulker's refusal no state of that stream is saved any more."""
    bulker.answer = _refuse("plants")
    reading = make(catalog("beds", "plants", incremental=True), state=STARTED, commit_seconds=0)
    for number in (1, 2):
        reading.feed(*_rows("plants", number), state("plants", {"c": number}))
        reading.feed(*_rows("beds", number), state("beds", {"c": number}))
    reading.feed(status("plants", "COMPLETE"), status("beds", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    assert reading.states == {"beds": {"c": 2}}
    assert "disk full" in reading.streams["plants"]["error"]
    assert "(2 emitted, 0 stored)" in reading.streams["plants"]["error"]


_FEWER = {"processedRows": 3, "successfulRows": 1}


@pytest.mark.parametrize(
    ("counts", "saved"),
    [
        ({**_FEWER, "refusedRows": 2, "refusal": "row 2: too deep"}, True),
        (_FEWER, False),
        ({**_FEWER, "refusedRows": 1}, False),
        ({"processedRows": 1, "successfulRows": 1}, False),
        ({"processedRows": 0, "successfulRows": 0}, False),
    ],
)
def test_fewer_rows_stored_is_said_with_both_numbers(
    make: Make, bulker: FakeBulker, counts: dict[str, Any], saved: bool
) -> None:
    """A destination would refuse the rows that it names again, so the state goes on; others are lost: it does not."""
    bulker.answer = lambda _: (200, {"message": "ok", "state": counts})
    for message in (state("plants", {"c": 3}), shared({"c": 3})):
        reading = make(catalog("plants", incremental=True), state=STARTED)
        reading.feed(*_rows("plants", 1, 2, 3), message, status("plants", "COMPLETE")).end()
        assert len(reading.saves) == saved
        told = reading.streams["plants"]
        stored = counts["successfulRows"]
        assert {k: told[k] for k in ("emitted", "stored", "refused")} == {
            "emitted": 3, "stored": stored, "refused": 3 - stored,
        }  # fmt: skip
        assert told["status"] == "PARTIAL"
        assert f"(3 emitted, {stored} stored)" in told["error"]
        assert ("too deep" in told["error"]) == saved


@pytest.mark.parametrize(("arrived", "stored"), [(4, 4), (1, 2), (3, 2)])
def test_counts_that_make_no_sense_are_told_and_the_state_goes_on(
    make: Make, bulker: FakeBulker, arrived: int, stored: int
) -> None:
    """Something between repeated the request, or miscounted: nothing is lost."""
    bulker.answer = lambda _: (200, {"message": "ok", "state": {"processedRows": arrived, "successfulRows": stored}})
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1, 2), state("plants", {"c": 2}), status("plants", "COMPLETE")).end()
    assert reading.states == {"plants": {"c": 2}}
    assert (
        f"2 rows were sent and {stored} stored, of {arrived} that arrived there" in reading.streams["plants"]["error"]
    )


@pytest.mark.parametrize("count", [1, 1.5, 0, -1, 3, 3.0, 2.5, 9007199254740993])
def test_a_source_that_counted_otherwise_is_no_plain_success(make: Make, bulker: FakeBulker, count: float) -> None:
    """Both numbers are reported, for a stream's state and for a shared one; a state that counts more is not saved."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1, 2), state("plants", {"c": 2}, count), status("plants", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    assert (
        f"counted {float(count):.15g} records up to its checkpoint, and 2 arrived" in reading.streams["plants"]["error"]
    )
    assert reading.states == ({"plants": {"c": 2}} if count < 2 else {})
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2]
    for message in (shared({"c": 2}, count), legacy({"c": 2}, count)):
        reading = make(catalog("plants", incremental=True), state=STARTED)
        reading.feed(*_rows("plants", 1, 2), message, status("plants", "COMPLETE"))
        outcome = reading.end()
        assert outcome.state == "PARTIAL"
        assert "and 2 arrived" in outcome.reason
        assert len(reading.saves) == (count < 2)


@pytest.mark.parametrize("arrived", [0, 1])
def test_no_state_leaps_over_rows_that_never_came(make: Make, bulker: FakeBulker, arrived: int) -> None:
    """The state before the gap is saved, later ones are not, however right their own counts are, and of any kind."""
    for later in (state("plants", {"c": 5}, 1.0), shared({"c": 5}, 1.0), legacy({"c": 5})):
        reading = make(catalog("plants", incremental=True), state=STARTED)
        reading.feed(*_rows("plants", 1), state("plants", {"c": 1}, 1))
        reading.feed(*_rows("plants", *range(2, 2 + arrived)), state("plants", {"c": 4}, arrived + 1))
        reading.feed(*_rows("plants", 5), later, status("plants", "COMPLETE"))
        assert reading.end().state == "PARTIAL"
        assert reading.saves == [("plants", {"c": 1})]
        error = reading.streams["plants"]["error"]
        assert f"counted {arrived + 1} records up to its checkpoint, and {arrived} arrived: no state from" in error
        assert reading.streams["plants"]["stored"] == 2 + arrived


def test_a_gap_of_all_streams_holds_every_state_back(make: Make, bulker: FakeBulker) -> None:
    """Which stream lacks rows is not known; the shared state before it is saved."""
    for later in ([shared({"c": 3}, 0)], [state("beds", {"c": 3}), state("plants", {"c": 3})], [legacy({"c": 3})]):
        reading = make(catalog("beds", "plants", incremental=True), state=STARTED)
        reading.feed(*_rows("beds", 1), shared({"c": 1}, 1), *_rows("plants", 2), shared({"c": 2}, 2.0), *later)
        reading.feed(status("beds", "COMPLETE"), status("plants", "COMPLETE"))
        outcome = reading.end()
        assert outcome.state == "PARTIAL"
        assert "counted 2 records up to its checkpoint, and 1 arrived" in outcome.reason
        assert [key for key, _ in reading.saves] == ["_GLOBAL_STATE"]
        assert reading.saves[0][1]["shared_state"] == {"c": 1}


def test_a_streams_gap_holds_back_its_own_states_alone(make: Make, bulker: FakeBulker) -> None:
    """The other streams go on; so does this one in the next run, from where it was."""
    reading = make(catalog("beds", "plants", incremental=True), state=STARTED)
    reading.feed(*_rows("beds", 1), state("beds", {"c": 1}, 2), *_rows("plants", 1), state("plants", {"c": 1}, 1))
    reading.feed(status("beds", "COMPLETE"), status("plants", "COMPLETE"))
    reading.end()
    assert reading.states == {"plants": {"c": 1}}
    assert {name: told["status"] for name, told in reading.streams.items()} == {"beds": "PARTIAL", "plants": "SUCCESS"}


def test_refused_and_unselected_records_count_as_arrived(make: Make, bulker: FakeBulker) -> None:
    """They arrived, and are reported by name: the source's count, of a stream or of all, is right."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1), record("plants", []), state("plants", {"c": 2}, 2), *_rows("plants", 3))
    reading.feed(*_rows("weeds", 1), shared({"c": 3}, 2), status("plants", "COMPLETE")).end()
    assert [key for key, _ in reading.saves][-1] == "_GLOBAL_STATE"
    assert not any("counted" in told["error"] for told in reading.streams.values())


@pytest.mark.parametrize(
    "stats", [{"recordCount": "two"}, {"recordCount": None}, {}, None, [], {"recordCount": 10**400}]
)
def test_a_count_that_cannot_be_read_costs_no_state(make: Make, bulker: FakeBulker, stats: Any) -> None:
    """The count is a help, the state is the thing."""
    message = state("plants", {"c": 1})
    message["state"]["sourceStats"] = stats
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1), message, status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert reading.states == {"plants": {"c": 1}}


@pytest.mark.parametrize(
    "body",
    [
        {"type": "STREAM"},
        {"type": "STREAM", "data": {}},
        {"type": "GLOBAL"},
        {"type": "GLOBAL", "stream": {"stream_descriptor": {"name": "plants"}, "stream_state": {}}},
        {"type": "LEGACY"},
        {"type": "NEWER", "data": {}},
        {},
        None,
        5,
        {"type": "STREAM", "stream": {"stream_state": {}}},
    ],
)
def test_a_state_without_its_content_is_odd_and_saves_nothing(make: Make, bulker: FakeBulker, body: Any) -> None:
    """It is logged, once, and neither saved nor mistaken for another kind."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1), {"type": "STATE", "state": body}, status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert reading.saves == []
    assert len([line for line in reading.log if "a STATE message" in line]) == 1


def test_kinds_that_change_within_a_run_are_each_saved_with_their_rows(make: Make, bulker: FakeBulker) -> None:
    """STREAM, untyped with a stream, GLOBAL, LEGACY: what is saved last is the newest."""
    reading = make(catalog("plants", incremental=True), state=STARTED, commit_seconds=0)
    untyped = state("plants", {"c": 2})
    del untyped["state"]["type"]
    reading.feed(*_rows("plants", 1), state("plants", {"c": 1}), *_rows("plants", 2), untyped)
    reading.feed(*_rows("plants", 3), shared({"c": 3}), *_rows("plants", 4), legacy({"c": 4}))
    reading.feed(status("plants", "COMPLETE")).end()
    assert [key for key, _ in reading.saves] == ["plants", "plants", "_GLOBAL_STATE", "_LEGACY_STATE"]
    assert reading.saves[-1][1] == {"c": 4}


def test_states_of_streams_that_the_catalog_lacks_are_not_saved(make: Make, bulker: FakeBulker) -> None:
    """Nor do they or a mere status of such a stream spoil the run; its records do."""
    reading = make(catalog("plants"))
    reading.feed(state("weeds", {"c": 1}), status("weeds", "STARTED"), status("weeds", "INCOMPLETE"))
    reading.feed(*_rows("plants", 1), status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert (reading.saves, list(reading.streams)) == ([], ["plants"])
    reading = make(catalog("plants"))
    reading.feed(*_rows("weeds", 1, 2), status("weeds", "COMPLETE"), *_rows("plants", 1), status("plants", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    assert reading.streams["weeds"]["status"] == "FAILED"
    assert (
        "does not select this stream: its records were dropped (2 emitted, 0 stored)"
        in reading.streams["weeds"]["error"]
    )


def test_records_after_complete_are_stored_and_told(make: Make, bulker: FakeBulker) -> None:
    """They are added to what was there already; the stream is not a plain success."""
    reading = make(catalog("plants"))
    reading.feed(*_rows("plants", 1), status("plants", "COMPLETE"), *_rows("plants", 2, 3)).end()
    assert [row["id"] for row in bulker.rows("plants")] == [1, 2, 3]
    assert "2 records came after the source had called the stream complete" in reading.streams["plants"]["error"]
    assert reading.streams["plants"]["status"] == "PARTIAL"


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_stranger_that_is_given_up_stops_no_shared_state(make: Make, bulker: FakeBulker, exit_code: int) -> None:
    """An unselected stream may report INCOMPLETE while a state of all streams waits."""
    reading = make(catalog("plants", incremental=True), state=STARTED)
    reading.feed(*_rows("plants", 1), shared({"c": 1}), status("weeds", "INCOMPLETE"), *_rows("plants", 2))
    outcome = reading.feed(status("plants", "COMPLETE")).end(exit_code)
    assert outcome.state == ("PARTIAL" if exit_code else "SUCCESS")
    assert (len(bulker.rows("plants")), reading.states["_GLOBAL_STATE"]["shared_state"]) == (2, {"c": 1})


@pytest.mark.parametrize("value", [None, {}])
def test_an_empty_state_is_never_handed_back(make: Make, bulker: FakeBulker, value: Any) -> None:
    """It says that there is nothing to go on from; with it, a run would only add all rows once more."""
    selected = catalog("plants", incremental=True)
    reading = make(selected, state=None)
    reading.feed(*_rows("plants", 1), state("plants", value), status("plants", "COMPLETE")).end()
    assert reading.saves == [("plants", value)]
    saved = [("plants", json.dumps(value).encode())]
    assert resume_states(decode_catalog(json.dumps(selected).encode()), saved) is None


@pytest.mark.parametrize("incremental", [True, False])
def test_a_stream_without_records_makes_no_request(make: Make, bulker: FakeBulker, incremental: bool) -> None:
    """Bulker empties no table: log and row say that a full refresh has left the old rows; a resumed stream is quiet."""
    reading = make(catalog("plants", incremental=incremental), state=STARTED)
    reading.feed(status("plants", "STARTED"), status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert bulker.requests == []
    assert reading.streams["plants"]["status"] == "SUCCESS"
    warned = [line for line in reading.log if line.startswith("WARN") and "keeps its old rows" in line]
    assert (bool(warned), "note" in reading.streams["plants"]) == (not incremental, not incremental)


@pytest.mark.fault(77)
def test_a_state_that_cannot_be_kept_makes_its_stream_partial(tmp_path: Path, bulker: FakeBulker) -> None:
    """The rows are there; the row says that the next run reads from the state before."""
    reading = InProcessSidecar(
        tmp_path, bulker.url, catalog("plants", incremental=True), state=STARTED,
        save=lambda _key, _state, refused: refused(SyncError("no room")),
    )  # fmt: skip
    reading.feed(*_rows("plants", 1), state("plants", {"c": 1}), status("plants", "COMPLETE")).end()
    assert reading.streams["plants"]["status"] == "PARTIAL"
    assert (
        "state could not be saved, the next run reads from the one before: no room"
        in reading.streams["plants"]["error"]
    )


def test_a_fault_of_ours_saves_and_commits_nothing_more(make: Make, bulker: FakeBulker) -> None:
    """What was acknowledged stays in the accounting, what was open is broken off, and every stream says why."""
    reading = make(catalog("beds", "plants"))
    reading.feed(*_rows("beds", 1), status("beds", "COMPLETE"), *_rows("plants", 1), state("plants", {"c": 1}))
    outcome = reading.read.break_off(Failure(FailureKind.SIDECAR_FAILED, "the sidecar itself failed (ValueError)"))
    assert outcome.state == "PARTIAL"
    assert outcome.streams is not None
    assert [(s["status"], s["stored"]) for s in outcome.streams.values()] == [("PARTIAL", 1), ("FAILED", 0)]
    assert "the sidecar itself failed" in outcome.reason
    assert bulker.committed("plants") == []
    assert reading.saves == []


def test_an_error_of_one_stream_is_its_own(make: Make, bulker: FakeBulker) -> None:
    """A TRACE ERROR that names a stream spoils this one only."""
    reading = make(catalog("beds", "plants"))
    reading.feed(trace_error("no scope", "plants"), *_rows("plants", 1), *_rows("beds", 1))
    reading.feed(status("plants", "COMPLETE"), status("beds", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    assert {name: s["status"] for name, s in reading.streams.items()} == {"beds": "SUCCESS", "plants": "PARTIAL"}


_CATALOG = decode_catalog(json.dumps(_mixed()).encode())


def _global(parts: dict[str, Any], value: Any = None) -> bytes:
    return json.dumps(shared(value, streams=parts)["state"]["global"]).encode()


@pytest.mark.parametrize(
    ("saved", "handed"),
    [
        ([("_GLOBAL_STATE", _global({"beds": {"c": 1}}, {"lsn": 1}))], ["beds"]),
        ([("_GLOBAL_STATE", _global({"beds": {"c": 1}, "plants": {"c": 1}}, {"lsn": 1}))], ["beds"]),
        ([("_GLOBAL_STATE", _global({"beds": None, "other": {"c": 1}}, {"lsn": 1}))], ["other"]),
        ([("_GLOBAL_STATE", _global({"beds": {"__ab_no_cursor_state_message": True}}, {"lsn": 1}))], []),
        ([("_GLOBAL_STATE", _global({"plants": {"c": 1}}))], None),
        ([("_GLOBAL_STATE", b"null")], None),
        ([("beds", b'{"c":' + b"1" * 400 + b"}"), ("plants", b'{"c":1}')], ["beds"]),
        ([("beds", b'{"__ab_full_refresh_sync_complete":true}')], None),
    ],
)
@pytest.mark.fault(78)
def test_what_is_handed_back_on_a_resume(saved: list[tuple[str, bytes]], handed: list[str] | None) -> None:
    """Nothing for a stream that starts over, no null, no "done" marker, in a GLOBAL state either."""
    given = resume_states(_CATALOG, saved)
    if handed is None:
        assert given is None
        return
    assert given is not None
    [message] = json.loads(given)
    parts = message["global"]["stream_states"] if message["type"] == "GLOBAL" else [message["stream"]]
    assert [part["stream_descriptor"]["name"] for part in parts] == handed
    if message["type"] == "GLOBAL":
        assert message["global"]["shared_state"] == {"lsn": 1}


def test_configurations_are_the_same_whatever_their_spelling() -> None:
    """Spacing and the order of members say nothing; a value, and a digit beyond 2^53, do."""
    assert config_hash(b'{"a":1,"b":[1,2]}') == config_hash(b'{ "b" : [1, 2],\n"a": 1}')
    assert config_hash(b'{"a":9007199254740993}') != config_hash(b'{"a":9007199254740992}')
    assert config_hash(b'{"b":[2,1]}') != config_hash(b'{"b":[1,2]}')
    assert config_hash(b"no JSON") != config_hash(b"nor this")
