"""What becomes of a pod and its task's row: a pure function. `apply` asks the cluster, writes and deletes.

pod without a verdict        Keep, MarkRunning or NoteWaiting; Release if it is a prepared attempt whose pause is over
pod that ended               Retry if the task may be started again, otherwise Conclude
pod that the platform ends   Retry while its Secret is there, otherwise as without a verdict
pod of a concluded task,     Keep, with the pod's deletion
  or of an earlier attempt
row without a pod            Retry if the next attempt's pod is there, otherwise Conclude
"""

from msgspec import Struct, structs

from common.cluster.objects import Pod
from common.failures import Failure, FailureKind
from common.pods import annotations, ends, explain
from common.pods.containers import INIT, SIDECAR, SOURCE
from common.pods.diagnosis import Clock, Limits, diagnose, disruption_of
from common.pods.ends import Verdict
from common.pods.waiting import is_unreported, waits_of
from common.protocol.commands import Command
from common.store import Outcome, Task, TaskState, outcomes
from common.store.sweeps import SweptTask
from common.store.waiting import Waits, WaitsFor
from common.sweep.decisions import Conclude, Decision, Deletion, Keep, MarkRunning, NoteWaiting, Release, Retry
from common.tasks.start import WAITS

MISSING_GRACE_SECONDS = 30.0
"""How long a row may be without a pod, or without its Secret: its request may still be making it."""
FINISHED_GRACE_SECONDS = 10.0
"""How long the pod of a concluded task may take to end by itself: its sidecar still sends log lines."""
_DELETE_GRACE_SECONDS = 8
_SILENCE_MARGIN_SECONDS = 120.0
# What the sidecar knows as well, and with the connector's own words: no reason to put its proposal aside.
_KNOWN_TO_SIDECAR = frozenset(
    {
        FailureKind.SOURCE_EXIT,
        FailureKind.SOURCE_KILLED,
        FailureKind.SIDECAR_FAILED,
        FailureKind.SIDECAR_KILLED,
        FailureKind.SIDECAR_MEMORY,
        FailureKind.SIDECAR_SILENT,
        FailureKind.POSTGRES_AWAY,
        FailureKind.POSTGRES_REFUSED,
        FailureKind.POSTGRES_LOGIN,
    }
)
_UNEXPLAINED = frozenset({FailureKind.SOURCE_KILLED, FailureKind.STOPPED})
"""What a sidecar proposes that saw only the end, and no word of why."""


class Rules(Struct, frozen=True):
    """What decisions depend on besides a pod and its row."""

    now: float
    """The database's time in Unix seconds."""
    limits: Limits
    task_retries: int
    grace_seconds: int
    """What a running sidecar gets to save what it can."""
    trust_silence: bool
    """Postgres has been there for long enough that a sidecar without a report is silent by its own fault."""


def decide(pod: Pod, row: SweptTask | None, rules: Rules) -> Decision:
    """Decide about a pod with our label; `row` is its task's, if there is one."""
    rules = _rules_of(pod, rules)
    if row is None:
        return _without_row(pod, rules)
    if row.pod_name != pod.name:
        return _of_another_attempt(pod, row, rules)
    verdict = diagnose(pod, _clock(row, rules), rules.limits)
    if row.state.final:
        return _concluded_before(pod, row, verdict, rules)
    return _going_on(pod, row, rules) if verdict is None else _ended(pod, row, verdict, rules)


def _rules_of(pod: Pod, rules: Rules) -> Rules:
    """Return the rules with what the pod's sync asks for: its pod carries it."""
    limits, retries = rules.limits, annotations.retries(pod)
    if (task_seconds := annotations.timeout_seconds(pod)) is not None:
        limits = structs.replace(limits, task_seconds=task_seconds)
    if (stall := annotations.stall_seconds(pod)) is not None:
        limits = structs.replace(limits, silence_seconds=silence_seconds(stall))
    return structs.replace(rules, limits=limits, task_retries=rules.task_retries if retries is None else retries)


def silence_seconds(stall: float) -> float:
    """Return how long a sidecar may be silent if its source may be for so long; 0: without limit."""
    return stall + _SILENCE_MARGIN_SECONDS if stall else 0  # the sidecar itself comes first: this is for one that hangs


def is_overdue(row: SweptTask, limits: Limits) -> bool:
    """Whether a row has been without a pod for so long that its pod should be asked for by name."""
    grace = limits.init_seconds if _was_not_created(row) else 0.0
    return row.age_seconds >= MISSING_GRACE_SECONDS and row.idle_seconds >= grace


def decide_missing(row: SweptTask, rules: Rules) -> Conclude | Retry:
    """Decide about an overdue row whose pod is gone."""
    failure, prefix = _missing(row, rules.limits)
    text = failure.sentence
    outcome = Outcome(TaskState.FAILED, reason=text, description=f"{prefix}: {text}", failure=failure)
    conclude = Conclude(row.task, row.proposal or outcome, unreported=row.proposal is None)
    # How many attempts it has, its pod knew: a next one that is there already was made in time.
    if not _may_be_read_again(row):
        return conclude
    return Retry(row, conclude.outcome.failure or failure, otherwise=conclude, pod_gone=True)


def _has_attempts_left(row: SweptTask, rules: Rules) -> bool:
    readable = _may_be_read_again(row)
    return readable and row.age_seconds < rules.limits.task_seconds and row.task.attempt <= rules.task_retries


def _may_be_read_again(row: SweptTask) -> bool:
    # An adopted read's Secret and destination are its own controller's.
    return row.task.command is Command.READ and not row.state.final and not row.adopted


def _was_not_created(row: SweptTask) -> bool:
    """Whether the row says why its pod could not be created: a repeated request may still create it."""
    return row.state is TaskState.PENDING and bool(row.reason) and not row.reason.startswith(WAITS)


def _missing(row: SweptTask, limits: Limits) -> tuple[Failure, str]:
    """Why a pod is missing, and the first word of the caller's description."""
    if _was_not_created(row):
        kind = FailureKind.QUOTA if "quota" in row.reason else FailureKind.NOT_STARTED
        text = f"The task's pod could not be created within {explain.span(limits.init_seconds)}: {row.reason}"
        return Failure(kind, text), "INIT_TIMEOUT"
    text = "The task's pod was never created, or deleted from outside before it ran."
    if row.state is not TaskState.PENDING or row.reason:
        text = "The task's pod is gone: it was deleted from outside, or lost with its node."
    return Failure(FailureKind.DELETED, text), "FAILED"


def _without_row(pod: Pod, rules: Rules) -> Keep | Conclude:
    """The annotations then name the task."""
    task = annotations.parse(pod)
    verdict = diagnose(pod, Clock(rules.now), rules.limits)
    if verdict is None:
        return Keep(unreadable=task is None)
    if task is None:
        return Keep(active=False, unreadable=True, deletion=_deletion(pod, rules))
    return _conclude(pod, task, verdict, "", rules)


def _of_another_attempt(pod: Pod, row: SweptTask, rules: Rules) -> Keep:
    """An earlier pod of the task is cleared away. A later one may just be made; its row will say what becomes of it."""
    task = annotations.parse(pod)
    if task is not None and task.attempt > row.task.attempt and not row.state.final:
        return Keep()
    return Keep(deletion=_deletion(pod, rules))


def _concluded_before(pod: Pod, row: SweptTask, verdict: Verdict | None, rules: Rules) -> Keep:
    """A pod that goes on is given time to end by itself, unless it was cancelled."""
    fresh = row.finished_seconds is not None and row.finished_seconds < FINISHED_GRACE_SECONDS
    if verdict is None and fresh and row.state is not TaskState.CANCELLED:
        return Keep()
    return Keep(active=False, deletion=_deletion(pod, rules))


def _going_on(pod: Pod, row: SweptTask, rules: Rules) -> Decision:
    unchanged = _running_or_waiting(pod, row, rules)
    failure = disruption_of(pod)
    if failure and failure.policy.retry and _has_attempts_left(row, rules):
        return Retry(row, failure, otherwise=unchanged)  # while the pod ends, and with it its Secret
    return unchanged


def _running_or_waiting(pod: Pod, row: SweptTask, rules: Rules) -> Decision:
    if row.waits_seconds is not None:
        return Keep() if row.waits_seconds > 0 else Release(row, pod.uid)
    noted = row.reason.removeprefix(WAITS) if row.reason.startswith(WAITS) else ""
    if pod.status.phase == "Running" or ends.started(pod):
        if row.state is TaskState.PENDING:
            return MarkRunning(row.task.task_id)
        # Another controller's does not report here; this project's may have had nobody to report to.
        if rules.trust_silence and not row.adopted and is_unreported(pod, rules.now, row.silent_seconds):
            return _waiting_for(row, noted, Waits(WaitsFor.REPORT, explain.UNREPORTED))
        return MarkRunning(row.task.task_id) if noted else Keep()
    # A pod is Pending while one container waits, though its sidecar may run already, and report.
    waits = waits_of(pod)
    if not waits and noted.startswith(explain.NO_NODE) and explain.has_node(pod):
        waits = Waits(WaitsFor.CONTAINER, "a node has it and makes its containers")
    return _waiting_for(row, noted, waits)


def _waiting_for(row: SweptTask, noted: str, waits: Waits | None) -> Keep | NoteWaiting:
    if waits is None or waits.text == noted or _is_back_off_of(noted, waits.text):
        return Keep()
    return NoteWaiting(row.task.task_id, Waits(waits.kind, WAITS + waits.text))


def _is_back_off_of(noted: str, waits: str) -> bool:
    """Whether it is the same container's first pull error that is noted: it says more than the back-off after it."""
    container, colon, _ = waits.partition(":")
    return "BackOff" in waits and noted.startswith(container + colon)


def _clock(row: SweptTask, rules: Rules) -> Clock:
    silence, heard = row.silent_seconds, row.heard
    if silence is not None and not rules.trust_silence:
        silence, heard = 0.0, True  # it may have had nobody to report to
    if row.attempt_seconds is None:
        return Clock(rules.now, row.age_seconds, silence=silence, heard=heard)
    begun = row.attempt_seconds if row.waits_seconds is None else 0.0
    return Clock(rules.now, begun, row.age_seconds, silence, heard)


def _ended(pod: Pod, row: SweptTask, verdict: Verdict, rules: Rules) -> Retry | Conclude:
    if row.proposal is None:
        conclude = _conclude(pod, row.task, verdict, row.reason.removeprefix(WAITS), rules)
    else:
        failure = _beside(row.proposal, verdict)
        outcome = _explained(row.proposal, row.task, verdict, failure) if failure else row.proposal
        conclude = Conclude(row.task, outcome, deletion=_deletion(pod, rules))
    failure = conclude.outcome.failure
    if failure is None or not failure.policy.retry or not _has_attempts_left(row, rules):
        return conclude
    fresh = row.state is TaskState.PENDING and row.age_seconds < MISSING_GRACE_SECONDS
    return Retry(row, failure, otherwise=conclude, awaits_secret=fresh, deletion=conclude.deletion)


def _conclude(pod: Pod, task: Task, verdict: Verdict, first_reason: str, rules: Rules) -> Conclude:
    """A task whose sidecar proposed nothing; `first_reason`: what its pod waited for at first."""
    message = verdict.failure.message
    if verdict.clean_end:
        message = f"{message} The task ended without writing its result."
    of_container = first_reason.partition(":")[0] in {INIT, SOURCE, SIDECAR}
    if "BackOff" in message and of_container and first_reason not in message:
        message = f"{message} It began with {first_reason}."
    failure = Failure(verdict.failure.kind, message)
    description = _described(failure.sentence, task, verdict)
    outcome = Outcome(TaskState.FAILED, reason=failure.sentence, description=description, failure=failure)
    deletion = _deletion(pod, rules)
    return Conclude(task, outcome, pod.name, verdict.wants_log, unreported=verdict.clean_end, deletion=deletion)


def _described(text: str, task: Task, verdict: Verdict) -> str:
    # A check's description starts with FAILED too: its console shows the text as it is (contract.md B).
    return text if task.command is Command.DISCOVER else f"{verdict.prefix}: {text}"


def _beside(proposal: Outcome, verdict: Verdict) -> Failure | None:
    """What the sidecar could not know, with what it reports; None if that is all."""
    own, found, words = proposal.failure, verdict.failure, verdict.own_words
    if verdict.clean_end or found.kind in _KNOWN_TO_SIDECAR:
        if own is None or words in proposal.reason:
            return None
        return Failure(own.kind, f"{own.message.rstrip('.')}; the source's termination message: {words}")
    if own is None or own.kind in _UNEXPLAINED:
        return found
    return Failure(found.kind, f"{found.message.rstrip('.')}; the sidecar reports: {own.message}")


def _explained(proposal: Outcome, task: Task, verdict: Verdict, failure: Failure) -> Outcome:
    """The sidecar's account with a better reason: the sidecar does not know all of the cause."""
    text, streams = failure.sentence, proposal.streams or {}
    streams = outcomes.with_better_cause(streams, proposal.cause, text)
    is_read = task.command is Command.READ
    description = outcomes.describe_read(streams, text) if is_read else _described(text, task, verdict)
    return structs.replace(proposal, reason=text, description=description, streams=streams or None, failure=failure)


def _deletion(pod: Pod, rules: Rules) -> Deletion | None:
    """None for a pod that is ending already: it keeps the grace that it was given."""
    if pod.is_ending:
        return None
    saves = any(name == SIDECAR and state.running for name, state in pod.states())
    return Deletion(pod.name, pod.uid, rules.grace_seconds if saves else _DELETE_GRACE_SECONDS)
