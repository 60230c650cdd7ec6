"""Conclude a read from the source's exit code, its streams' statuses and Bulker's acknowledgements; pure."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from common.failures import Failure, FailureKind
from common.protocol.messages import StreamStatus
from common.store import Outcome, TaskState
from common.store.outcomes import describe_read
from common.store.stream_texts import bounded
from sidecar.read.stream import StreamWriter
from sidecar.read.verdict import Status, StreamVerdict
from sidecar.source.pipes import End

_NAMED = 5
_Verdicts = Sequence[tuple[str, StreamVerdict]]
"""Each with its stream's key."""


class Run(Struct, frozen=True):
    """How the source ended; `cause` is the reason if that was not well.

    `statuses`: it reports STREAM_STATUS (older sources do not). `spoke`: it sent a record, state or status; one that
    did not has read nothing, whatever its exit code. `stated`: it sent a state. `errored`: it reported an error of the
    whole run. `rejected`: records that it rejected before a state of all streams.
    """

    end: End
    expects_exit_code: bool
    statuses: bool
    spoke: bool
    cause: Failure
    stated: bool = False
    errored: bool = False
    lost_records: int = 0
    rejected: int = 0

    @property
    def clean(self) -> bool:
        """Whether the source is known to have ended well."""
        ended = not self.end.stopped and not self.end.stalled_seconds
        return ended and (self.end.exit_code == 0 if self.expects_exit_code else not self.errored)

    @property
    def well(self) -> bool:
        """Whether it ended well and reported no error of the whole run."""
        return self.clean and not self.errored


def complete(stream: StreamWriter, run: Run) -> bool:
    """Return whether a stream was read to its end."""
    account = stream.account
    if run.statuses:
        return account.reported is StreamStatus.COMPLETE
    if run.errored or stream.verdict.by_source:
        # With statuses, a source may have recovered from its error.
        return False
    if run.expects_exit_code:
        return run.clean and run.spoke
    # Another controller's pod, a source without statuses: only its last state shows that it was done.
    return run.clean and (account.last_was_state or (run.stated and not account.seen))


def of_read(run: Run, streams: Sequence[StreamWriter], problem: str = "") -> Outcome:
    """Return the task's outcome; secrets are redacted from all texts already, since names must stay."""
    verdicts = [(stream.id.key, of_stream(stream, run)) for stream in streams]
    state = _overall(run, verdicts, problem)
    reason = "" if state is TaskState.SUCCESS else _reason(run, verdicts, problem)
    kind = _kind(run, verdicts, problem)
    if reason and not any(verdict.error for _, verdict in verdicts):
        # The caller's console shows only what stands beside a stream.
        verdicts = [(key, verdict.fail(reason, kind)) for key, verdict in verdicts]
    pairs = zip(streams, verdicts, strict=True)
    reports = bounded({key: stream.account.report(verdict) for stream, (key, verdict) in pairs})
    failure = None if state is TaskState.SUCCESS else Failure(kind, reason)
    return Outcome(
        state,
        reason=reason,
        description=describe_read(reports, reason),
        streams=reports,
        failure=failure,
        cause=run.cause.message,
        provisional=failure is not None and (failure.policy.retry or unexplained(run.end)),
    )


def of_stream(stream: StreamWriter, run: Run) -> StreamVerdict:
    """Return the verdict on one stream at the end of the run."""
    account, done = stream.account, complete(stream, run)
    verdict, changed = _with_failure(stream, run, done=done), _changes(account.changes)
    if not verdict.error:
        return msgspec.structs.replace(verdict, status=Status.SUCCESS, note=_join(_note(stream), changed))
    error = verdict.error
    if stream.replaced and not (done and account.settled):
        error += _table_now(stream)
    elif run.end.stopped and stream.discarded:
        error += "; what was sent of it is discarded, and its table is as it was"
    if account.emitted != account.stored:
        error = f"{error} ({account.emitted} emitted, {account.stored} stored)"
    status = Status.PARTIAL if account.stored or (done and not stream.closed) else Status.FAILED
    note = _join(_note(stream) if done else "", changed)
    return msgspec.structs.replace(verdict, status=status, error=error, note=note)


def unexplained(end: End) -> bool:
    """Return whether the platform may know better why the source ended: stopped, or for want of memory.

    The exit code does not tell: of a connector whose child was killed, it is often 1.
    """
    return end.stopped or (not end.stalled_seconds and end.exit_code != 0)


def _with_failure(stream: StreamWriter, run: Run, *, done: bool) -> StreamVerdict:
    account, verdict = stream.account, stream.verdict
    if account.after_complete:
        verdict = verdict.fail(f"{account.after_complete} records came after the source had called the stream complete")
    if not stream.selected and account.emitted:
        return verdict.fail("the catalog does not select this stream: its records were dropped")
    if not done:
        return verdict.fail(_why_incomplete(stream, run), FailureKind.INCOMPLETE if run.well else run.cause.kind)
    if not account.settled:
        text = f"{account.emitted} records were emitted and {account.stored} stored"
        return verdict.fail(text, FailureKind.ROWS_REFUSED)
    return verdict


def _kind(run: Run, verdicts: _Verdicts, problem: str) -> FailureKind:
    """Return the task's kind: that of the source's end, else that of the first stream with an error."""
    if not run.well:
        return run.cause.kind
    if kind := next((verdict.kind for _, verdict in verdicts if verdict.kind), None):
        return kind
    if run.lost_records or run.rejected:
        return FailureKind.ROWS_REFUSED
    return FailureKind.STATE_LOST if problem else FailureKind.INCOMPLETE


def _note(stream: StreamWriter) -> str:
    """Return the note on a complete stream."""
    if stream.selected and stream.replaces and not stream.account.emitted:
        return "the source sent no records: the table, if there is one, keeps its old rows (Bulker empties none)"
    if stream.note and stream.account.emitted:
        return stream.note
    if stream.resumes and not stream.incremental:
        return "the source went on from the state that it was given: its rows are added to the table's"
    if stream.requests > 1 and not stream.incremental:
        return f"the table was filled by {stream.requests} requests, one after another: not at once"
    return ""


def _changes(changes: Counter[str]) -> str:
    """Return the note on values that the source itself changed."""
    if not changes:
        return ""
    counts = ", ".join(f"{number} {change}" for change, number in changes.most_common())
    return f"the source changed values before it sent them: {counts}"


def _join(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _table_now(stream: StreamWriter) -> str:
    """Return what the table of a run holds that fails after it has replaced the rows."""
    rest = "the next run adds the rest" if stream.incremental else "the next run that completes replaces it"
    return f"; the table's old rows are replaced by the {stream.account.stored} stored so far, {rest}"


def _why_incomplete(stream: StreamWriter, run: Run) -> str:
    if not (run.statuses and run.clean):
        return run.cause.message
    if not stream.account.seen:
        return "the source never mentioned this stream, and ended well all the same"
    last = stream.account.last_status or "no status"
    return f"the source did not complete this stream (its last word was {last})"


def _overall(run: Run, verdicts: _Verdicts, problem: str) -> TaskState:
    statuses = {verdict.status for _, verdict in verdicts}
    if statuses <= {Status.SUCCESS}:
        if run.well and not problem and not run.lost_records and not run.rejected:
            return TaskState.SUCCESS
        return TaskState.PARTIAL if statuses else TaskState.FAILED
    return TaskState.FAILED if statuses == {Status.FAILED} else TaskState.PARTIAL


def _reason(run: Run, verdicts: _Verdicts, problem: str) -> str:
    """Return one sentence for the task; details stand beside the streams."""
    parts = [problem] if problem else []
    if run.lost_records:
        parts.append(f"{run.lost_records} record lines could not be read and name no stream")
    if run.rejected:
        parts.append(f"the source itself rejected {run.rejected} records, and did not send them")
    if not run.well:
        parts.insert(0, run.cause.message)
    bad = [(key, verdict) for key, verdict in verdicts if verdict.status is not Status.SUCCESS]
    parts += [f"{key}: {verdict.error}" for key, verdict in bad[:_NAMED] if verdict.error not in parts]
    if len(bad) > _NAMED:
        parts.append(f"and {len(bad) - _NAMED} more streams")
    return "; ".join(parts)
