"""What a read came to: the source's exit code, its streams' statuses and Bulker's acknowledgements together."""

from collections.abc import Sequence

from msgspec import Struct

from common import failures
from common.failures import Failure, FailureKind
from common.protocol.messages import StreamStatus
from common.store import Outcome, TaskState
from common.store.outcomes import describe_read
from sidecar.read.stream import Status, StreamWriter
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


def complete(writer: StreamWriter, run: Run) -> bool:
    """Whether a stream was read to its end."""
    if run.statuses:
        return writer.reported is StreamStatus.COMPLETE
    if run.errored or writer.failed_by_source:
        # Where there are statuses, a source may have mended what it complained of.
        return False
    if run.expects_exit_code:
        return run.clean and run.spoke
    # Another controller's pod, a connector without statuses: only its last state says that it was done.
    return run.clean and (writer.last_was_state or (run.stated and not writer.seen))


def of_read(run: Run, streams: Sequence[StreamWriter], problem: str = "") -> Outcome:
    """Settles every stream's status, then the task's. What others said is masked already; names must not be."""
    for writer in streams:
        writer.status = _status(writer, run)
    state = _overall(run, streams, problem)
    reason = "" if state is TaskState.SUCCESS else _reason(run, streams, problem)
    if reason and not any(writer.error for writer in streams):
        # The caller's console shows only what stands beside a stream.
        for writer in streams:
            writer.fail(reason, _kind(run, streams, problem))
    reports = {writer.id.key: writer.report() for writer in streams}
    failure = None if state is TaskState.SUCCESS else Failure(_kind(run, streams, problem), reason)
    return Outcome(
        state,
        reason=reason,
        description=describe_read(reports, reason),
        streams=reports,
        failure=failure,
        cause=run.cause.message,
        provisional=failure is not None and (failure.rule.retry or unexplained(run.end)),
    )


def unexplained(end: End) -> bool:
    """Whether the platform may know better why the source ended: it was killed, or stopped from outside."""
    return end.stopped or (not end.stalled_seconds and failures.of_exit(end.exit_code) is FailureKind.SOURCE_KILLED)


def _kind(run: Run, streams: Sequence[StreamWriter], problem: str) -> FailureKind:
    """The task's kind: how the source ended, else what the first stream with an error has."""
    if not run.clean or run.errored:
        return run.cause.kind
    if kind := next((writer.kind for writer in streams if writer.kind), None):
        return kind
    return (
        FailureKind.ROWS_REFUSED if run.lost_records else FailureKind.STATE_LOST if problem else FailureKind.INCOMPLETE
    )


def _status(writer: StreamWriter, run: Run) -> Status:
    if writer.after_complete:
        writer.fail(f"{writer.after_complete} records came after the source had called the stream complete")
    done = complete(writer, run)
    if not writer.selected and writer.emitted:
        writer.fail("the catalog does not select this stream: its records were dropped")
    elif not done:
        writer.fail(
            _why_incomplete(writer, run), FailureKind.INCOMPLETE if run.clean and not run.errored else run.cause.kind
        )
    elif writer.stored + writer.refused != writer.emitted:
        writer.fail(f"{writer.emitted} records were emitted and {writer.stored} stored", FailureKind.ROWS_REFUSED)
    if writer.replaced and not (done and writer.stored + writer.refused == writer.emitted):
        writer.error += _table_now(writer)
    writer.note = _note(writer) if done else ""
    if not writer.error:
        return Status.SUCCESS
    if writer.emitted != writer.stored:
        writer.error = f"{writer.error} ({writer.emitted} emitted, {writer.stored} stored)"
    return Status.PARTIAL if writer.stored or (done and not writer.closed) else Status.FAILED


def _note(writer: StreamWriter) -> str:
    """What a complete stream's row says beside its counts."""
    if writer.selected and writer.replaces and not writer.emitted:
        return "the source sent no records: the table, if there is one, keeps its old rows (Bulker empties none)"
    if writer.resumes and not writer.incremental:
        return "the source went on from the state that it was given: its rows are added to the table's"
    if writer.requests > 1 and not writer.incremental:
        return f"the table was filled by {writer.requests} requests, one after another: not at once"
    return ""


def _table_now(writer: StreamWriter) -> str:
    """A run that fails after it has replaced the table says what the table holds."""
    rest = "the next run adds the rest" if writer.incremental else "the next run that completes replaces it"
    return f"; the table's old rows are replaced by the {writer.stored} stored so far, {rest}"


def _why_incomplete(writer: StreamWriter, run: Run) -> str:
    if run.statuses and run.clean and not writer.seen:
        return "the source never mentioned this stream, and ended well all the same"
    if run.statuses and run.clean:
        said = writer.last_status or "no status"
        return f"the source did not complete this stream (its last word was {said})"
    return run.cause.message


def _overall(run: Run, streams: Sequence[StreamWriter], problem: str) -> TaskState:
    statuses = {writer.status for writer in streams}
    if statuses <= {Status.SUCCESS}:
        if run.clean and not run.errored and not problem and not run.lost_records:
            return TaskState.SUCCESS
        return TaskState.PARTIAL if statuses else TaskState.FAILED
    return TaskState.FAILED if statuses == {Status.FAILED} else TaskState.PARTIAL


def _reason(run: Run, streams: Sequence[StreamWriter], problem: str) -> str:
    """One sentence for the task; details stand beside the streams."""
    parts = [problem] if problem else []
    if run.lost_records:
        parts.append(f"{run.lost_records} record lines could not be read and name no stream")
    if not run.clean or run.errored:
        parts.insert(0, run.cause.message)
    bad = [writer for writer in streams if writer.status is not Status.SUCCESS]
    parts += [f"{writer.id.key}: {writer.error}" for writer in bad[:5] if writer.error not in parts]
    if len(bad) > 5:
        parts.append(f"and {len(bad) - 5} more streams")
    return "; ".join(parts)
