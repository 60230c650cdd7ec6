"""What a read came to: the table of all ways to end."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.failures import Failure, FailureKind
from common.protocol.catalogs import ConfiguredStream, Stream
from common.protocol.messages import StreamStatus
from common.store import TaskState, outcomes
from common.store.stream_texts import MOST_BYTES
from sidecar.bulker.client import Bulker
from sidecar.read import outcome
from sidecar.read.outcome import Run
from sidecar.read.stream import StreamWriter
from sidecar.read.verdict import StreamVerdict
from sidecar.source.pipes import End
from tests.support.in_process_sidecar import InProcessSidecar
from tests.support.sidecar_process import catalog, trace_error

NOWHERE = Bulker("http://127.0.0.1:9", "", "s")


def _writer(name: str = "plants", *, emitted: int = 3, stored: int = 3, refused: int = 0, **more: Any) -> StreamWriter:
    writer = StreamWriter(ConfiguredStream(Stream(name)), name, resumes=False, bulker=NOWHERE)
    account = writer.account
    account.emitted, account.sent, account.stored, account.refused = emitted, stored, stored, refused
    account.seen = bool(emitted)
    account.reported = StreamStatus.COMPLETE
    writer.replaced = bool(stored)
    writer.verdict = StreamVerdict(error=more.pop("error", ""), kind=more.pop("kind", None))
    for key, value in more.items():
        setattr(account if hasattr(account, key) else writer, key, value)
    return writer


def _run(end: End | None = None, **more: Any) -> Run:
    given: dict[str, Any] = {
        "expects_exit_code": True,
        "statuses": True,
        "spoke": True,
        "stated": True,
        "cause": Failure(FailureKind.SOURCE_EXIT, "the cause"),
    } | more
    return Run(end=end or End(exit_code=0), **given)


CRASH, STOP, STALL, UNKNOWN = End(exit_code=1), End(exit_code=0, stopped=True), End(stalled_seconds=9.0), End()


@pytest.mark.parametrize("end", [CRASH, STOP, STALL, UNKNOWN], ids=["crash", "stop", "stall", "no exit code"])
def test_an_end_that_was_not_good_is_never_success(end: End) -> None:
    """All streams complete and stored: PARTIAL with the cause; one incomplete: that one carries the cause."""
    whole = outcome.of_read(_run(end), [_writer()])
    assert (whole.state, whole.reason) == (TaskState.PARTIAL, "the cause")
    assert json.loads(whole.description)["plants"]["error"].startswith("the cause")
    cut = _writer(emitted=3, stored=0, reported=StreamStatus.RUNNING)
    assert outcome.of_read(_run(end), [cut]).state is TaskState.FAILED
    assert outcome.of_stream(cut, _run(end)).error == "the cause (3 emitted, 0 stored)"
    assert outcome.of_read(_run(end), []).state is TaskState.FAILED


@pytest.mark.parametrize(
    ("writer", "status"),
    [
        ({}, "SUCCESS"),
        ({"emitted": 0, "stored": 0}, "SUCCESS"),
        ({"stored": 2}, "PARTIAL"),
        ({"stored": 2, "refused": 1, "error": "record 2 was refused"}, "PARTIAL"),
        ({"stored": 0, "refused": 3, "error": "record 1 was refused"}, "PARTIAL"),
        ({"stored": 4}, "PARTIAL"),
        ({"after_complete": 1}, "PARTIAL"),
        ({"stored": 0, "closed": True, "error": "Bulker answered 400"}, "FAILED"),
        ({"stored": 1, "closed": True, "error": "Bulker answered 400"}, "PARTIAL"),
        ({"error": "the connector's own words"}, "PARTIAL"),
        ({"reported": StreamStatus.INCOMPLETE, "stored": 0}, "FAILED"),
        ({"reported": StreamStatus.INCOMPLETE}, "PARTIAL"),
        ({"reported": None, "emitted": 0, "stored": 0}, "FAILED"),
    ],
)
def test_a_stream_is_success_only_if_every_record_is_stored(writer: dict[str, Any], status: str) -> None:
    """Else it has an error, and where the numbers differ both of them."""
    made = _writer(**writer)
    verdict = outcome.of_stream(made, _run())
    assert verdict.status == status
    assert bool(verdict.error) == (status != "SUCCESS")
    emitted, stored = made.account.emitted, made.account.stored
    if emitted != stored:
        assert verdict.error.endswith(f"({emitted} emitted, {stored} stored)")
    assert made.verdict.status == "PENDING"


@pytest.mark.parametrize(
    ("run", "writer", "done"),
    [
        ({"statuses": False}, {"reported": None}, True),
        ({"statuses": False, "spoke": False}, {"reported": None, "emitted": 0, "stored": 0}, False),
        ({"statuses": False, "end": CRASH}, {"reported": None}, False),
        ({"statuses": True}, {"reported": None}, False),
        ({"expects_exit_code": False, "end": UNKNOWN}, {}, True),
        (
            {"expects_exit_code": False, "end": UNKNOWN, "statuses": False},
            {"reported": None, "last_was_state": True},
            True,
        ),
        ({"expects_exit_code": False, "end": UNKNOWN, "statuses": False}, {"reported": None}, False),
        (
            {"expects_exit_code": False, "end": UNKNOWN, "statuses": False},
            {"reported": None, "emitted": 0, "stored": 0},
            True,
        ),
        (
            {"expects_exit_code": False, "end": UNKNOWN, "statuses": False, "stated": False, "spoke": False},
            {"reported": None, "emitted": 0, "stored": 0},
            False,
        ),
        (
            {"expects_exit_code": False, "end": UNKNOWN, "statuses": False, "errored": True},
            {"reported": None, "last_was_state": True},
            False,
        ),
        (
            {"expects_exit_code": False, "end": STALL, "statuses": False},
            {"reported": None, "last_was_state": True},
            False,
        ),
    ],
)
def test_when_a_stream_counts_as_read_to_its_end(run: dict[str, Any], writer: dict[str, Any], done: bool) -> None:
    """COMPLETE where there are statuses; else a good exit code; else (another controller's pod) the last state."""
    assert outcome.complete(_writer(**writer), _run(**run)) is done


def test_the_task_is_what_its_streams_are() -> None:
    """All, some or none of them; lost records and problems of the whole spoil a success."""
    assert outcome.of_read(_run(), [_writer(), _writer("beds")]).state is TaskState.SUCCESS
    failed: dict[str, Any] = {"stored": 0, "reported": StreamStatus.INCOMPLETE}
    assert outcome.of_read(_run(), [_writer(), _writer("beds", **failed)]).state is TaskState.PARTIAL
    assert outcome.of_read(_run(), [_writer(**failed), _writer("beds", **failed)]).state is TaskState.FAILED
    assert outcome.of_read(_run(), []).state is TaskState.SUCCESS
    lost = outcome.of_read(_run(lost_records=2), [_writer()])
    assert (lost.state, lost.reason) == (TaskState.PARTIAL, "2 record lines could not be read and name no stream")
    assert outcome.of_read(_run(), [_writer()], "a problem").reason == "a problem"


def test_a_thousand_failed_streams_are_one_readable_reason() -> None:
    """The first five by name, the others by number; each has its own row."""
    streams = [_writer(f"s{n}", stored=0, reported=StreamStatus.INCOMPLETE) for n in range(1000)]
    result = outcome.of_read(_run(), streams)
    assert result.reason.count("s1: ") == 1
    assert result.reason.endswith("; and 995 more streams")
    assert len(json.loads(result.description)) == 1000


def test_a_very_long_error_keeps_its_numbers() -> None:
    """What is cut is the text, never the counts behind it."""
    writer = _writer(stored=1)
    writer.fail("x" * 100_000)
    error = outcome.of_stream(writer, _run()).error
    assert len(error) < 2500
    assert error.endswith("(3 emitted, 1 stored)")


@pytest.mark.parametrize(
    ("run", "writer", "kind"),
    [
        ({"end": CRASH}, {"reported": StreamStatus.RUNNING}, FailureKind.SOURCE_EXIT),
        ({"end": CRASH}, {"error": "away", "kind": FailureKind.BULKER_AWAY}, FailureKind.SOURCE_EXIT),
        ({}, {"error": "away", "kind": FailureKind.BULKER_AWAY, "closed": True, "stored": 0}, FailureKind.BULKER_AWAY),
        (
            {},
            {"error": "no", "kind": FailureKind.BULKER_REFUSED, "closed": True, "stored": 0},
            FailureKind.BULKER_REFUSED,
        ),
        ({}, {"stored": 2}, FailureKind.ROWS_REFUSED),
        ({}, {"reported": StreamStatus.INCOMPLETE}, FailureKind.INCOMPLETE),
        ({}, {"after_complete": 1}, FailureKind.INCOMPLETE),
        ({"lost_records": 1}, {}, FailureKind.ROWS_REFUSED),
    ],
)
def test_every_end_of_a_read_is_of_one_kind(run: dict[str, Any], writer: dict[str, Any], kind: FailureKind) -> None:
    """How the source ended comes first, then what the first stream with an error has."""
    found = outcome.of_read(_run(**run), [_writer("beds"), _writer(**writer)])
    assert found.failure is not None
    assert (found.failure.kind, found.failure.message) == (kind, found.reason)
    assert found.provisional is (found.failure.policy.retry or outcome.unexplained(_run(**run).end))


def test_a_success_has_no_failure_and_a_problem_of_the_whole_does() -> None:
    """A state of all streams that could not be saved costs no row."""
    assert outcome.of_read(_run(), [_writer()]).failure is None
    found = outcome.of_read(_run(), [_writer()], "the state of all streams was not saved").failure
    assert found is not None
    assert found.kind is FailureKind.STATE_LOST


@pytest.mark.parametrize(
    ("end", "open_"),
    [(UNKNOWN, True), (End(exit_code=137), True), (STOP, True), (CRASH, True), (STALL, False), (End(0), False)],
)
def test_what_the_platform_may_explain_better(end: End, open_: bool) -> None:
    """A source that failed or was killed, and a stop from outside: the pod's status may have the reason."""
    assert outcome.unexplained(end) is open_


@pytest.mark.fault(435)
def test_the_errors_of_all_streams_together_are_bounded(tmp_path: Path) -> None:
    """While the read runs, at its end, and where a sweep knows a better cause: the row is written every few seconds."""
    names = [f"stream-{number}" for number in range(1_000)]
    reading = InProcessSidecar(tmp_path, "http://127.0.0.1:9", catalog(*names))
    reading.feed(*(trace_error(f"{name} {'is gone ' * 240}", name) for name in names))
    progress, found = reading.read.progress(), reading.end(1)
    better = outcomes.with_better_cause(found.streams or {}, "is gone", "its key was revoked " * 50)
    for streams in (progress, found.streams, better):
        assert set(streams or {}) == set(names)
        assert len(json.dumps(streams)) < 2 * MOST_BYTES
    assert len(found.description) < 2 * MOST_BYTES
    assert (found.streams or {})["stream-7"]["error"].startswith("stream-7 is gone")


@pytest.mark.fault(435)
def test_a_better_cause_takes_one_place() -> None:
    """A connector's error of one letter would be found in each word of the others."""
    streams = {"plants": {"error": "e: the rest of the error"}}
    assert outcomes.with_better_cause(streams, "e", "the node is lost")["plants"]["error"] == (
        "the node is lost: the rest of the error"
    )
