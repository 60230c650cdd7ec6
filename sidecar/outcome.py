"""What a read came to: the source's exit code, its streams' statuses and Bulker's acknowledgements together."""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from common.airbyte import StreamStatus
from common.store import Outcome, TaskState
from sidecar.pipes import End
from sidecar.streams import Lane, Status


class Run(Struct, frozen=True):
    """How the source ended. `statuses`: whether it reports STREAM_STATUS at all (older ones do not); `spoke`:
    whether it sent any record, state or status (one that said nothing has not read anything, whatever its exit
    code); `stated`: whether it sent a state; `errored`: whether it reported an error of the whole run.
    """

    end: End
    expects_exit_code: bool
    statuses: bool
    spoke: bool
    cause: str
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
            lane.fail(reason)
    return Outcome(
        state,
        reason=reason,
        description=_description(lanes, reason),
        streams={lane.id.key: lane.report() for lane in lanes},
    )


def _status(lane: Lane, run: Run) -> Status:
    if lane.late:
        lane.fail(f"{lane.late} records came after the source had called the stream complete")
    done = complete(lane, run)
    if not lane.selected and lane.emitted:
        lane.fail("the catalog does not select this stream: its records were dropped")
    elif not done:
        lane.fail(_why_incomplete(lane, run))
    elif lane.stored + lane.refused != lane.emitted:
        lane.fail(f"{lane.emitted} records were emitted and {lane.stored} stored")
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
        said = lane.reported.value if lane.reported else "no status"
        return f"the source did not complete this stream (its last word was {said})"
    return run.cause


def _overall(run: Run, lanes: Sequence[Lane], problem: str) -> TaskState:
    statuses = {lane.status for lane in lanes}
    if statuses <= {Status.SUCCESS}:
        if run.clean and not problem and not run.lost_records:
            return TaskState.SUCCESS
        return TaskState.PARTIAL if statuses else TaskState.FAILED
    return TaskState.FAILED if statuses == {Status.FAILED} else TaskState.PARTIAL


def _reason(run: Run, lanes: Sequence[Lane], problem: str) -> str:
    """One sentence for the task; details stand beside the streams."""
    parts = [problem] if problem else []
    if run.lost_records:
        parts.append(f"{run.lost_records} record lines could not be read and name no stream")
    if not run.clean:
        parts.insert(0, run.cause)
    bad = [lane for lane in lanes if lane.status is not Status.SUCCESS]
    parts += [f"{lane.id.key}: {lane.error}" for lane in bad[:5] if lane.error not in parts]
    if len(bad) > 5:
        parts.append(f"and {len(bad) - 5} more streams")
    return "; ".join(parts)


def _description(lanes: Sequence[Lane], reason: str) -> str:
    """The caller's form (docs/contract.md B): counts by stream, else the reason."""
    if not lanes:
        return f"ERROR: {reason}" if reason else ""
    return json.dumps({lane.id.key: _caller_counts(lane) for lane in lanes})


def _caller_counts(lane: Lane) -> dict[str, Any]:
    counts: dict[str, Any] = {"events": lane.stored, "bytes": lane.bytes, "status": str(lane.status)}
    return counts | ({"error": lane.error} if lane.error else {})
