"""What a read came to: the source's exit code, its streams' statuses and Bulker's acknowledgements together."""

from collections.abc import Sequence

from msgspec import Struct

from common import failures
from common.failures import Failure, FailureKind
from common.protocol.messages import StreamStatus
from common.store import Outcome, TaskState
from common.store.outcomes import describe_read
from sidecar.read.stream import Lane, Status
from sidecar.source.pipes import End


class Run(Struct, frozen=True):
    """How the source ended, and `cause`, where it did not end well. `statuses`: whether it reports STREAM_STATUS at all
    (older ones do not); `spoke`: whether it sent any record, state or status (one that said nothing has not read
    anything, whatever its exit code); `stated`: whether it sent a state; `errored`: whether it reported an error of
    the whole run.
    """

    end: End
    expects_exit_code: bool
    statuses: bool
    spoke: bool
    cause: Failure
    stated: bool = False
    errored: bool = False
    lost_records: int = 0

    @property
    def clean(self) -> bool:
        """Whether the source is known to have ended well."""
        ended = not self.end.stopped and not self.end.stalled_seconds
        return ended and (self.end.exit_code == 0 if self.expects_exit_code else not self.errored)


def complete(lane: Lane, run: Run) -> bool:
    """Whether a stream was read to its end."""
    if run.statuses:
        return lane.reported is StreamStatus.COMPLETE
    if run.errored or lane.blamed:
        # Where there are statuses, a source may have mended what it complained of.
        return False
    if run.expects_exit_code:
        return run.clean and run.spoke
    # Another controller's pod, a connector without statuses: only its last state says that it was done.
    return run.clean and (lane.last_was_state or (run.stated and not lane.touched))


def of_read(run: Run, lanes: Sequence[Lane], problem: str = "") -> Outcome:
    """Settles every stream's status, then the task's. What others said is masked already; names must not be."""
    for lane in lanes:
        lane.status = _status(lane, run)
    state = _overall(run, lanes, problem)
    reason = "" if state is TaskState.SUCCESS else _reason(run, lanes, problem)
    if reason and not any(lane.error for lane in lanes):
        # The caller's console shows only what stands beside a stream.
        for lane in lanes:
            lane.fail(reason, _kind(run, lanes, problem))
    streams = {lane.id.key: lane.report() for lane in lanes}
    failure = None if state is TaskState.SUCCESS else Failure(_kind(run, lanes, problem), reason)
    return Outcome(
        state,
        reason=reason,
        description=describe_read(streams, reason),
        streams=streams,
        failure=failure,
        cause=run.cause.message,
        provisional=failure is not None and (failure.rule.retry or unexplained(run.end)),
    )


def unexplained(end: End) -> bool:
    """Whether the platform may know better why the source ended: it was killed, or stopped from outside."""
    return end.stopped or (not end.stalled_seconds and failures.of_exit(end.exit_code) is FailureKind.SOURCE_KILLED)


def _kind(run: Run, lanes: Sequence[Lane], problem: str) -> FailureKind:
    """The task's kind: how the source ended, else what the first stream with an error has."""
    if not run.clean or run.errored:
        return run.cause.kind
    if kind := next((lane.kind for lane in lanes if lane.kind), None):
        return kind
    return (
        FailureKind.ROWS_REFUSED if run.lost_records else FailureKind.STATE_LOST if problem else FailureKind.INCOMPLETE
    )


def _status(lane: Lane, run: Run) -> Status:
    if lane.late:
        lane.fail(f"{lane.late} records came after the source had called the stream complete")
    done = complete(lane, run)
    if not lane.selected and lane.emitted:
        lane.fail("the catalog does not select this stream: its records were dropped")
    elif not done:
        lane.fail(
            _why_incomplete(lane, run), FailureKind.INCOMPLETE if run.clean and not run.errored else run.cause.kind
        )
    elif lane.stored + lane.refused != lane.emitted:
        lane.fail(f"{lane.emitted} records were emitted and {lane.stored} stored", FailureKind.ROWS_REFUSED)
    if lane.replaced and not (done and lane.stored + lane.refused == lane.emitted):
        lane.error += _table_now(lane)
    lane.note = _note(lane) if done else ""
    if not lane.error:
        return Status.SUCCESS
    if lane.emitted != lane.stored:
        lane.error = f"{lane.error} ({lane.emitted} emitted, {lane.stored} stored)"
    return Status.PARTIAL if lane.stored or (done and not lane.dead) else Status.FAILED


def _note(lane: Lane) -> str:
    """What a complete stream's row says beside its counts."""
    if lane.selected and lane.replaces and not lane.emitted:
        return "the source sent no records: the table, if there is one, keeps its old rows (Bulker empties none)"
    if lane.resumes and not lane.incremental:
        return "the source went on from the state that it was given: its rows are added to the table's"
    if lane.requests > 1 and not lane.incremental:
        return f"the table was filled by {lane.requests} requests, one after another: not at once"
    return ""


def _table_now(lane: Lane) -> str:
    """A run that fails after it has replaced the table says what the table holds."""
    rest = "the next run adds the rest" if lane.incremental else "the next run that completes replaces it"
    return f"; the table's old rows are replaced by the {lane.stored} stored so far, {rest}"


def _why_incomplete(lane: Lane, run: Run) -> str:
    if run.statuses and run.clean and not lane.touched:
        return "the source never mentioned this stream, and ended well all the same"
    if run.statuses and run.clean:
        said = lane.last_word or "no status"
        return f"the source did not complete this stream (its last word was {said})"
    return run.cause.message


def _overall(run: Run, lanes: Sequence[Lane], problem: str) -> TaskState:
    statuses = {lane.status for lane in lanes}
    if statuses <= {Status.SUCCESS}:
        if run.clean and not run.errored and not problem and not run.lost_records:
            return TaskState.SUCCESS
        return TaskState.PARTIAL if statuses else TaskState.FAILED
    return TaskState.FAILED if statuses == {Status.FAILED} else TaskState.PARTIAL


def _reason(run: Run, lanes: Sequence[Lane], problem: str) -> str:
    """One sentence for the task; details stand beside the streams."""
    parts = [problem] if problem else []
    if run.lost_records:
        parts.append(f"{run.lost_records} record lines could not be read and name no stream")
    if not run.clean or run.errored:
        parts.insert(0, run.cause.message)
    bad = [lane for lane in lanes if lane.status is not Status.SUCCESS]
    parts += [f"{lane.id.key}: {lane.error}" for lane in bad[:5] if lane.error not in parts]
    if len(bad) > 5:
        parts.append(f"and {len(bad) - 5} more streams")
    return "; ".join(parts)
