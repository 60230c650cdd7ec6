"""What a source reports beside its rows: that it waits for a quota, what it rejected, that its memory is full."""

import json
import math
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.failures import FailureKind
from common.store import TaskState
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.in_process_sidecar import InProcessSidecar, shared
from tests.support.sidecar_process import SidecarProcess, catalog, lines, log, record, state, status, trace_error

DONE = status("plants", "COMPLETE")
ROWS = [record("plants", {"id": 1}), record("plants", {"id": 2})]


def _limited(reset: Any = None, *, member: Any = None) -> dict[str, Any]:
    """A status of a stream that waits."""
    message = status("plants", "RUNNING")
    reason = {"type": "RATE_LIMITED"} | ({} if reset is None else {"rate_limited": {"quota_reset": reset}})
    message["trace"]["stream_status"]["reasons"] = [reason] if member is None else member
    return message


def _noon(days: int = 0) -> datetime:
    return datetime.now(UTC).replace(hour=12, minute=5, second=0, microsecond=0) + timedelta(days=days)


@pytest.mark.fault(118)
def test_a_source_that_waits_for_its_quota_is_no_stall(sidecar: SidecarProcess) -> None:
    """It is silent for longer than the stall time-out, and its row shows until when."""
    sidecar.give(catalog=catalog("plants"))
    reset = datetime.now(UTC) + timedelta(hours=3)
    with sidecar.start(STALL_TIMEOUT_SECONDS="1") as process:
        silent_until = time.monotonic() + 2.5
        with sidecar.stderr.open("wb"), sidecar.stdout.open("wb", buffering=0) as out:
            out.write(lines([ROWS[0], _limited(int(reset.timestamp() * 1000))]))
            wait_for(lambda: (sidecar.ours["streams"] or {}).get("plants", {}).get("note"), what="the note")
            shown = sidecar.ours["streams"]["plants"]["note"]
            wait_for(lambda: time.monotonic() > silent_until, what="silence")
            out.write(lines([ROWS[1], DONE]))
        sidecar.leave(0)
        assert process.wait(30) == 0
    assert re.fullmatch(f"rate limited until .*{reset:%H:%M} UTC", shown)
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    assert f"INFO Stream plants is {shown}." in sidecar.log


@pytest.mark.fault(118)
def test_a_limit_that_is_over_is_no_excuse(sidecar: SidecarProcess) -> None:
    """The silence counts from its end."""
    sidecar.give(catalog=catalog("plants"))
    with (
        sidecar.start(STALL_TIMEOUT_SECONDS="1") as process,
        sidecar.stderr.open("wb"),
        sidecar.stdout.open("wb", buffering=0) as out,
    ):
        out.write(lines([ROWS[0], _limited(int(time.time() * 1000))]))
        assert process.wait(30) == 0
    sidecar.sweep()
    assert "sent nothing for" in sidecar.ours["reason"]


@pytest.mark.parametrize(
    ("message", "until", "shown"),
    [
        (_limited(_noon().timestamp() * 1000), _noon().timestamp(), "rate limited until 12:05 UTC"),
        (_limited(_noon().timestamp()), _noon().timestamp(), "rate limited until 12:05 UTC"),
        (_limited(_noon(3).timestamp() * 1000), _noon(3).timestamp(), f"rate limited until {_noon(3):%Y-%m-%d} 12:05 UTC"),
        (_limited(), math.inf, "rate limited"),
        (_limited("soon"), math.inf, "rate limited"),
        (_limited(1e300), math.inf, "rate limited"),
        (_limited(member=["Rate_Limited"]), math.inf, "rate limited"),
        (_limited(member={"type": " rate_limited", "rate_limited": 5}), math.inf, "rate limited"),
        (_limited(member=[None, 5, {"type": "OTHER"}]), 0.0, ""),
        (status("plants", "RATE_LIMITED"), math.inf, "rate limited"),
        (status("plants", "RUNNING"), 0.0, ""),
    ],
)  # fmt: skip
@pytest.mark.fault(118)
def test_a_limit_is_known_in_whatever_shape(
    tmp_path: Path, bulker: FakeBulker, message: Any, until: float, shown: str
) -> None:
    """With or without a time, in seconds too; it is over with the next record or status, and changes no outcome."""
    sidecar = InProcessSidecar(tmp_path, bulker.url, catalog("plants"))
    sidecar.feed(message)
    assert sidecar.read.waits_until() == until
    progress = sidecar.read.progress() or {}
    assert progress["plants"].get("note", "") == shown
    sidecar.feed(ROWS[0])
    assert sidecar.read.waits_until() == 0.0
    sidecar.feed(message, DONE)
    assert sidecar.read.waits_until() == 0.0
    assert sidecar.end().state is TaskState.SUCCESS
    assert "note" not in sidecar.streams["plants"]


def _counting(kind: str, stats: dict[str, Any]) -> dict[str, Any]:
    message = shared({"c": 2}) if kind == "GLOBAL" else state("plants", {"c": 2})
    message["state"]["sourceStats"] = stats
    return message


@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL"])
@pytest.mark.parametrize("count", [None, 2, 5.0])
@pytest.mark.fault(119)
def test_what_the_source_rejected_is_refused(tmp_path: Path, bulker: FakeBulker, kind: str, count: Any) -> None:
    """Whether its count has them or not: the rows that came are stored, the state is saved, the run is PARTIAL."""
    sidecar = InProcessSidecar(tmp_path, bulker.url, catalog("plants", incremental=True), state=None)
    sidecar.feed(*ROWS, _counting(kind, {"recordCount": count, "rejectedRecordCount": 3.0}), DONE)
    outcome = sidecar.end()
    assert outcome.state is TaskState.PARTIAL
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.ROWS_REFUSED
    assert "the source itself rejected" in outcome.reason
    assert len(bulker.rows("plants")) == 2
    assert list(sidecar.states.values())
    if kind == "STREAM":
        assert [sidecar.streams["plants"][name] for name in ("emitted", "stored", "refused")] == [5, 2, 3]


@pytest.mark.fault(119)
def test_a_count_in_quotes_counts(tmp_path: Path, bulker: FakeBulker) -> None:
    """Of records that the source rejected, and of those that it sent."""
    for counts in ({"recordCount": "2.0", "rejectedRecordCount": "3"}, {"recordCount": "4"}):
        sidecar = InProcessSidecar(tmp_path, bulker.url, catalog("plants", incremental=True), state=None)
        sidecar.feed(*ROWS, _counting("STREAM", counts), DONE)
        assert sidecar.end().state is TaskState.PARTIAL


@pytest.mark.parametrize("odd", [0, None, -1, "some", "nan", [], 1e300])
@pytest.mark.fault(119)
def test_an_odd_count_of_rejects_is_none(tmp_path: Path, bulker: FakeBulker, odd: Any) -> None:
    """The other count stays."""
    for count, result in ((2, TaskState.SUCCESS), (4, TaskState.PARTIAL)):
        sidecar = InProcessSidecar(tmp_path, bulker.url, catalog("plants", incremental=True), state=None)
        sidecar.feed(*ROWS, _counting("STREAM", {"recordCount": count, "rejectedRecordCount": odd}), DONE)
        assert sidecar.end().state is result


MONITOR = "Source memory usage exceeded critical threshold (96% of container limit)."


@pytest.mark.parametrize(
    "message",
    [
        trace_error(MONITOR),
        trace_error(MONITOR, "plants"),
        trace_error("java.lang.OutOfMemoryError: Java heap space"),
        log("MemoryError", "CRITICAL"),
        log("FATAL ERROR: Reached heap limit - JavaScript heap out of memory", "FATAL"),
    ],
)
@pytest.mark.fault(120)
def test_a_source_that_ran_out_of_memory_by_its_own_word(tmp_path: Path, bulker: FakeBulker, message: Any) -> None:
    """The kind is out_of_memory, with its advice, whatever exit code it left."""
    outcome = InProcessSidecar(tmp_path, bulker.url, catalog("plants")).feed(ROWS[0], message).end(exit_code=1)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.OUT_OF_MEMORY
    assert "SYNCCTL_SOURCE_MEMORY_LIMIT" in json.dumps(outcome.failure.as_json())


@pytest.mark.parametrize("empty", [None, {}, {"c": None}, ""])
@pytest.mark.fault(117)
def test_an_empty_state_takes_no_good_one_s_place_in_a_first_run(
    tmp_path: Path, bulker: FakeBulker, empty: Any
) -> None:
    """Of an incremental stream; its count counts all the same. A full refresh that sends one has no position any more."""
    for incremental, saved in ((True, {"c": 1}), (False, empty)):
        sidecar = InProcessSidecar(tmp_path, bulker.url, catalog("plants", incremental=incremental), state=None)
        sidecar.feed(ROWS[0], state("plants", {"c": 1}, 1), ROWS[1], state("plants", empty, 1), DONE)
        assert sidecar.end().state is TaskState.SUCCESS
        assert sidecar.states["plants"] == saved


@pytest.mark.parametrize("last", [trace_error("gave up", "plants"), _limited()], ids=["error", "complete"])
@pytest.mark.fault(118)
def test_a_stream_that_is_over_waits_no_longer(tmp_path: Path, bulker: FakeBulker, last: dict[str, Any]) -> None:
    """Else a source that hangs after it would never be ended."""
    sidecar = InProcessSidecar(tmp_path, bulker.url, catalog("plants", "beds"), state=None)
    sidecar.feed(_limited())
    assert sidecar.read.waits_until() > time.time()
    if last["trace"]["type"] == "STREAM_STATUS":
        last["trace"]["stream_status"]["status"] = "COMPLETE"
    sidecar.feed(last)
    assert sidecar.read.waits_until() == 0
