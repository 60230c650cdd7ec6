"""What a sweep makes of one pod, or of a row without one. `deeds` then writes and deletes, a page at once."""

import logging
from typing import Any

from msgspec import Struct, structs

from common.cluster import Cluster
from common.cluster.objects import Pod
from common.errors import SyncError
from common.failures import Failure, FailureKind
from common.pods import annotations, diagnosis, explain
from common.pods.containers import SIDECAR
from common.pods.diagnosis import Clock, Limits, Verdict
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Outcome, Task, TaskState, outcomes
from common.store.database import Row
from common.store.outcomes import End
from common.sweep.retries import Next, Released, Retries, key_of_row
from common.tasks.start import WAITS

_log = logging.getLogger(__name__)

MISSING_GRACE_SECONDS = 30.0
"""How long a row may be without a pod, or without its Secret: its request may still be making it."""
FINISHED_GRACE_SECONDS = 10.0
"""How long the pod of a concluded task may take to end by itself: its sidecar still sends log lines."""
_LOG_LINES = 50
_DELETE_GRACE_SECONDS = 8
_ALARMS = ("error", "panic", "errstd", "fatal", "exception")
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
    }
)
_SAME_CHARACTERS = 200


class Deletion(Struct, frozen=True):
    """A pod to be deleted, by uid."""

    name: str
    uid: str
    grace_seconds: int


class Look(Struct, frozen=True):
    """What one look at a pod came to, and what is to be done about it: rows first, and only then the deletion.

    `unreadable`: neither its row nor its annotations name its task.
    """

    active: bool = False
    unreadable: bool = False
    end: End | None = None
    again: Next | None = None
    release: Released | None = None
    runs_now: str = ""
    """The taskId of a row that still has to be marked RUNNING."""
    waits: tuple[str, str] | None = None
    """The taskId of a row, and what its pod waits for."""
    deletion: Deletion | None = None


class Judge:
    """What all looks of one sweep share; usable from several threads. `trust_silence`: Postgres has been there for long
    enough that a sidecar without a report is silent by its own fault.
    """

    def __init__(
        self, where: Cluster, settings: Settings, retries: Retries, limits: Limits, *, now: float, trust_silence: bool
    ) -> None:
        self.where = where
        self._retries, self._limits, self._now, self._trust_silence = retries, limits, now, trust_silence
        self._grace_seconds = settings.container_grace_shutdown_seconds

    def look(self, pod: Pod, row: Row | None) -> Look:
        """Judges one pod of ours; `row` is its task's, if there is one. Raises SyncError where something is away."""
        if row is not None and row["pod_name"] != pod.name:
            return self._of_another_attempt(pod, row)
        verdict = diagnosis.diagnose(pod, self._clock(row), self._limits)
        if row is not None and TaskState(row["state"]).final:
            return self._concluded_before(pod, row, verdict)
        key = key_of_row(row) if row is not None else annotations.parse(pod)
        if verdict is None:
            return self._goes_on(pod, row, readable=key is not None)
        if key is None:
            _log.error("A pod that ended names no task.", extra={"action": "sweep", "pod": pod.name})
            return Look(unreadable=True, deletion=self._deletion(pod))
        if row is not None and self._is_being_made(row, verdict.failure):
            return Look(active=True)
        outcome = self._outcome(pod, row, key, verdict)
        if row is not None and outcome.failure and (again := self._retries.begin(row, outcome.failure)):
            return Look(active=True, again=again, deletion=self._deletion(pod))
        return Look(end=(key, outcome), deletion=self._deletion(pod))

    def _is_being_made(self, row: Row, failure: Failure) -> bool:
        """Whether a pod that was lost may still get its Secret: the request, repeated, goes on from there, and then the
        read is started again.
        """
        fresh = row["state"] == TaskState.PENDING and row["age_seconds"] < MISSING_GRACE_SECONDS
        return fresh and self._retries.lacks_secret(row, failure)

    def look_for_missing(self, row: Row) -> Look:
        """Fails a row whose pod is gone, once that is certain: not fresh, and not there when asked by name."""
        failure, grace, prefix = self._missing(row)
        if row["age_seconds"] < MISSING_GRACE_SECONDS or row["idle_seconds"] < grace:
            return Look(active=True)
        if self.where.get_pod(row["pod_name"]) is not None:
            return Look(active=True)
        proposal = outcomes.proposed(row["proposal"])
        if again := self._retries.adopt(row, (proposal and proposal.failure) or failure):
            return Look(active=True, again=again)
        text = failure.sentence
        outcome = Outcome(TaskState.FAILED, reason=text, description=f"{prefix}: {text}", failure=failure)
        return Look(end=(key_of_row(row), proposal or outcome))

    def _missing(self, row: Row) -> tuple[Failure, float, str]:
        """What to say about a missing pod, how long the row must have been idle, and the description's first word."""
        noted: str = row["reason"]
        if row["state"] != TaskState.PENDING or noted.startswith(WAITS):
            text = "The task's pod is gone: it was deleted from outside, or lost with its node."
            return Failure(FailureKind.DELETED, text), 0.0, "FAILED"
        if noted:
            # A quota, or a cluster out of reach: the same request, repeated, goes on from here.
            within = explain.span(self._limits.init_seconds)
            text = f"The task's pod could not be created within {within}: {noted}"
            kind = FailureKind.QUOTA if "quota" in noted else FailureKind.NOT_STARTED
            return Failure(kind, text), self._limits.init_seconds, "INIT_TIMEOUT"
        text = "The task's pod was never created, or deleted from outside before it ran."
        return Failure(FailureKind.DELETED, text), 0.0, "FAILED"

    def _of_another_attempt(self, pod: Pod, row: Row) -> Look:
        """A task's earlier pod is cleared away. A later one may just be made; what becomes of it, its row will say."""
        key = annotations.parse(pod)
        if key is not None and key.attempt > row["attempt"] and not TaskState(row["state"]).final:
            return Look(active=True)
        return Look(active=True, deletion=self._deletion(pod))

    def _concluded_before(self, pod: Pod, row: Row, verdict: Verdict | None) -> Look:
        """The pod of a task that is over already is cleared away, in its own time where it goes on by itself."""
        fresh = row["finished_seconds"] is not None and row["finished_seconds"] < FINISHED_GRACE_SECONDS
        ends_itself = fresh and row["state"] != TaskState.CANCELLED
        if verdict is None and ends_itself:
            return Look(active=True)
        return Look(deletion=self._deletion(pod))

    def _goes_on(self, pod: Pod, row: Row | None, *, readable: bool) -> Look:
        if row is None:
            return Look(active=True, unreadable=not readable)
        if (doomed := diagnosis.disruption_of(pod)) and (again := self._retries.begin(row, doomed)):
            return Look(active=True, again=again)  # while it ends, and with it its Secret
        if row["waits_seconds"] is not None:
            return Look(active=True, release=self._retries.release(row, pod))
        if row["state"] != TaskState.PENDING:
            return Look(active=True)
        if pod.status.phase == "Running":
            return Look(active=True, runs_now=row["task_id"])
        waits = diagnosis.describe_waiting(pod)
        # The first pull error says more than the back-off after it.
        if waits and WAITS + waits != row["reason"] and not (row["reason"] and "BackOff" in waits):
            return Look(active=True, waits=(row["task_id"], WAITS + waits))
        return Look(active=True)

    def _clock(self, row: Row | None) -> Clock:
        if row is None:
            return Clock(self._now)
        silence, heard = row["silent_seconds"], row["heard"]
        if silence is not None and not self._trust_silence:
            silence, heard = 0.0, True  # it may have had nobody to report to
        if row["attempt_seconds"] is None:
            return Clock(self._now, row["age_seconds"], silence=silence, heard=heard)
        begun = row["attempt_seconds"] if row["waits_seconds"] is None else 0.0
        return Clock(self._now, begun, row["age_seconds"], silence, heard)

    def _outcome(self, pod: Pod, row: Row | None, key: Task, verdict: Verdict) -> Outcome:
        proposal = outcomes.proposed(row["proposal"]) if row is not None else None
        if proposal is not None:
            known = verdict.clean_end or verdict.failure.kind in _KNOWN_TO_SIDECAR
            return proposal if known else _explained(proposal, key, verdict)
        message = verdict.failure.message
        if verdict.clean_end:
            message = f"{message} The task ended without writing its result."
        first = row["reason"].removeprefix(WAITS) if row is not None else ""
        if "BackOff" in message and first and first not in message:
            message = f"{message} It began with {first}."
        failure = Failure(verdict.failure.kind, message)
        tail = self._tail(pod, verdict.wants_log) if verdict.wants_log else ""
        text = f"{failure.sentence}\n{tail}" if tail else failure.sentence
        # A check's description starts with FAILED too: its console shows the text as it is (contract.md B).
        description = text if key.command is Command.DISCOVER else f"{verdict.prefix}: {text}"
        return Outcome(TaskState.FAILED, reason=text, description=description, failure=failure)

    def _tail(self, pod: Pod, container: str) -> str:
        """The end of a container's log; a source prints into its pipes, so the sidecar's has its last words."""
        return next((tail for name in (container, SIDECAR) if (tail := self._tail_of(pod, name))), "")

    def _tail_of(self, pod: Pod, container: str) -> str:
        """From the first line that sounds like trouble."""
        try:
            raw = self.where.read_log(pod.name, container, _LOG_LINES)
        except SyncError:
            return ""
        lines = raw.decode("utf-8", "replace").splitlines()
        alarms = [at for at, line in enumerate(lines) if any(word in line.lower() for word in _ALARMS)]
        return "\n".join(lines[alarms[0] if alarms else max(len(lines) - 10, 0) :]).strip()

    def _deletion(self, pod: Pod) -> Deletion | None:
        """None for a pod that is ending already: it keeps the grace that it was given."""
        if pod.is_ending:
            return None
        # A sidecar that runs saves what it can; nothing else needs time.
        saves = any(name == SIDECAR and state.running for name, state in pod.states())
        grace = self._grace_seconds if saves else _DELETE_GRACE_SECONDS
        return Deletion(pod.name, pod.uid, grace)


def _explained(proposal: Outcome, key: Task, verdict: Verdict) -> Outcome:
    """The sidecar's account with the platform's reason: what the sidecar took for the cause was not all of it."""
    text, streams = verdict.reason, proposal.streams or {}
    streams = {name: stream | _blamed(stream, proposal.cause, text) for name, stream in streams.items()}
    description = text if key.command is Command.DISCOVER else f"{verdict.prefix}: {text}"
    if key.command is Command.READ:
        description = outcomes.describe_read(streams, text)
    return structs.replace(
        proposal, reason=text, description=description, streams=streams or None, failure=verdict.failure
    )


def _blamed(stream: dict[str, Any], cause: str, text: str) -> dict[str, Any]:
    """The stream's error with the better reason; a long one was cut."""
    error = str(stream["error"])
    if cause and cause in error:
        return {"error": error.replace(cause, text)}
    return {"error": text} if cause and error.startswith(cause[:_SAME_CHARACTERS]) else {}
