"""What a sweep does about one pod, or about a row without one: writes first, deletes after."""

import logging
from typing import Any

from msgspec import Struct, structs

from common.cluster import Cluster
from common.commands import Command
from common.errors import SyncError
from common.pods import diagnosis, words
from common.pods.containers import SIDECAR
from common.pods.diagnosis import Clock, Limits, Verdict
from common.reasons import Failure, Kind
from common.settings import Settings
from common.store import Database, Outcome, TaskKey, TaskState, tasks
from common.store.database import Row
from common.tasks.retries import WAITS, Retries, key_of_row

_log = logging.getLogger(__name__)

MISSING_GRACE_SECONDS = 30.0
"""How long a row may be without a pod: its request may still be making it."""
FINISHED_GRACE_SECONDS = 10.0
"""How long the pod of a concluded task may take to end by itself: its sidecar still sends log lines."""
_SILENCE_MARGIN_SECONDS = 120.0
_LOG_LINES = 50
_DELETE_GRACE_SECONDS = 8
_ALARMS = ("error", "panic", "errstd", "fatal", "exception")
# What the sidecar knows as well, and with the connector's own words: no reason to put its proposal aside.
_KNOWN_TO_SIDECAR = frozenset(
    {
        Kind.SOURCE_EXIT,
        Kind.SOURCE_KILLED,
        Kind.SIDECAR_FAILED,
        Kind.SIDECAR_KILLED,
        Kind.SIDECAR_MEMORY,
        Kind.SIDECAR_SILENT,
        Kind.POSTGRES_AWAY,
    }
)
_SAME_CHARACTERS = 200


class Look(Struct, frozen=True):
    """What one look at a pod came to. `unreadable`: neither its row nor its annotations name its task."""

    active: bool = False
    concluded: bool = False
    deleted: bool = False
    unreadable: bool = False
    runs_now: str = ""
    """The taskId of a row that still has to be marked RUNNING."""


class Sweeper:
    """What all looks of one sweep share. `trust_silence`: Postgres has been there for long enough that a sidecar
    without a report is silent by its own fault.
    """

    def __init__(
        self, where: Cluster, db: Database, settings: Settings, *, now: float, trust_silence: bool = False
    ) -> None:
        self.where = where
        self._db, self._now, self._trust_silence = db, now, trust_silence
        self._grace_seconds = settings.container_grace_shutdown_seconds
        stall = settings.stall_timeout_seconds
        self._limits = Limits(
            init_seconds=settings.container_init_timeout_seconds,
            task_seconds=settings.task_timeout_hours * 3600,
            # The sidecar itself comes first: this is for one that hangs.
            silence_seconds=stall + _SILENCE_MARGIN_SECONDS if stall else 0,
        )
        self._retries = Retries(where, db, settings, self._limits, now)

    def look(self, pod: dict[str, Any], row: Row | None) -> Look:
        """Judges one pod of ours; `row` is its task's, if there is one. Raises SyncError where something is away."""
        if row is not None and row["pod_name"] != pod["metadata"]["name"]:
            return self._of_another_attempt(pod, row)
        verdict = diagnosis.judge(pod, self._clock(row), self._limits)
        if row is not None and TaskState(row["state"]).final:
            return self._concluded_before(pod, row, verdict)
        key = key_of_row(row) if row is not None else _key_of_pod(pod)
        if verdict is None:
            return self._goes_on(pod, row, readable=key is not None)
        if key is None:
            _log.error("A pod that ended names no task.", extra={"action": "sweep", "pod": pod["metadata"]["name"]})
            return Look(deleted=self._delete(pod), unreadable=True)
        outcome = self._outcome(pod, row, key, verdict)
        if row is not None and outcome.failure is not None and self._retries.begin(row, outcome.failure):
            return Look(active=True, deleted=self._delete(pod))
        return Look(concluded=self._conclude(key, outcome), deleted=self._delete(pod))

    def look_for_missing(self, row: Row) -> bool:
        """Fails a row whose pod is gone, once that is certain: not fresh, and not there when asked by name."""
        failure, grace, prefix = self._missing(row)
        if row["age_seconds"] < MISSING_GRACE_SECONDS or row["idle_seconds"] < grace:
            return False
        if self.where.get_pod(row["pod_name"]) is not None:
            return False
        proposal = tasks.proposed(row["proposal"])
        if self._retries.adopt(row, (proposal and proposal.failure) or failure):
            return False
        text = failure.sentence
        outcome = Outcome(TaskState.FAILED, reason=text, description=f"{prefix}: {text}", failure=failure)
        return self._conclude(key_of_row(row), proposal or outcome)

    def _missing(self, row: Row) -> tuple[Failure, float, str]:
        """What to say about a missing pod, how long the row must have been idle, and the description's first word."""
        noted: str = row["reason"]
        if row["state"] != TaskState.PENDING or noted.startswith(WAITS):
            text = "The task's pod is gone: it was deleted from outside, or lost with its node."
            return Failure(Kind.DELETED, text), 0.0, "FAILED"
        if noted:
            # A quota, or a cluster out of reach: the same request, repeated, goes on from here.
            within = words.span(self._limits.init_seconds)
            text = f"The task's pod could not be created within {within}: {noted}"
            kind = Kind.QUOTA if "quota" in noted else Kind.NOT_STARTED
            return Failure(kind, text), self._limits.init_seconds, "INIT_TIMEOUT"
        text = "The task's pod was never created, or deleted from outside before it ran."
        return Failure(Kind.DELETED, text), 0.0, "FAILED"

    def _of_another_attempt(self, pod: dict[str, Any], row: Row) -> Look:
        """A task's earlier pod is cleared away. A later one may just be made; what becomes of it, its row will say."""
        key = _key_of_pod(pod)
        if key is not None and key.attempt > row["attempt"] and not TaskState(row["state"]).final:
            return Look(active=True)
        return Look(active=True, deleted=self._delete(pod))

    def _concluded_before(self, pod: dict[str, Any], row: Row, verdict: Verdict | None) -> Look:
        """The pod of a task that is over already is cleared away, in its own time where it goes on by itself."""
        fresh = row["finished_seconds"] is not None and row["finished_seconds"] < FINISHED_GRACE_SECONDS
        ends_itself = fresh and row["state"] != TaskState.CANCELLED
        if verdict is None and ends_itself:
            return Look(active=True)
        return Look(deleted=self._delete(pod))

    def _goes_on(self, pod: dict[str, Any], row: Row | None, *, readable: bool) -> Look:
        if row is None:
            return Look(active=True, unreadable=not readable)
        if (doomed := diagnosis.doomed(pod)) and self._retries.begin(row, doomed):
            return Look(active=True)  # while it ends, and with it its Secret
        if row["waits_seconds"] is not None:
            self._retries.release(row, pod)
            return Look(active=True)
        if row["state"] != TaskState.PENDING:
            return Look(active=True)
        if (pod.get("status") or {}).get("phase") == "Running":
            return Look(active=True, runs_now=row["task_id"])
        waits = diagnosis.describe_waiting(pod)
        # The first pull error says more than the back-off after it.
        if waits and WAITS + waits != row["reason"] and not (row["reason"] and "BackOff" in waits):
            noted = tasks.clean(WAITS + waits)
            self._db.transact(lambda db: db.run("note_trouble", task_id=row["task_id"], reason=noted))
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

    def _outcome(self, pod: dict[str, Any], row: Row | None, key: TaskKey, verdict: Verdict) -> Outcome:
        proposal = tasks.proposed(row["proposal"]) if row is not None else None
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

    def _tail(self, pod: dict[str, Any], container: str) -> str:
        """The end of a container's log; a source prints into its pipes, so the sidecar's has its last words."""
        return next((tail for name in (container, SIDECAR) if (tail := self._tail_of(pod, name))), "")

    def _tail_of(self, pod: dict[str, Any], container: str) -> str:
        """From the first line that sounds like trouble."""
        try:
            raw = self.where.read_log(pod["metadata"]["name"], container, _LOG_LINES)
        except SyncError:
            return ""
        lines = raw.decode("utf-8", "replace").splitlines()
        alarms = [at for at, line in enumerate(lines) if any(word in line.lower() for word in _ALARMS)]
        return "\n".join(lines[alarms[0] if alarms else max(len(lines) - 10, 0) :]).strip()

    def _delete(self, pod: dict[str, Any]) -> bool:
        """Asks for the pod's end, by uid. One that is ending already keeps the grace that it was given."""
        if pod["metadata"].get("deletionTimestamp"):
            return False
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        sidecar = [c for c in statuses if c.get("name") == SIDECAR and "running" in (c.get("state") or {})]
        # A sidecar that runs saves what it can; nothing else needs time.
        grace = self._grace_seconds if sidecar else _DELETE_GRACE_SECONDS
        self.where.delete_pod(pod["metadata"]["name"], pod["metadata"]["uid"], grace)
        return True

    def _conclude(self, key: TaskKey, outcome: Outcome) -> bool:
        concluded = self._db.transact(lambda db: tasks.conclude(db, key, outcome))
        if concluded:
            kind = outcome.failure.kind if outcome.failure else ""
            _log.info("Task concluded.", extra={"action": "sweep", "task_id": key.task_id, "kind": str(kind)})
        return concluded


def _explained(proposal: Outcome, key: TaskKey, verdict: Verdict) -> Outcome:
    """The sidecar's account with the platform's reason: what the sidecar took for the cause was not all of it."""
    text, streams = verdict.reason, proposal.streams or {}
    streams = {name: stream | _blamed(stream, proposal.cause, text) for name, stream in streams.items()}
    description = text if key.command is Command.DISCOVER else f"{verdict.prefix}: {text}"
    if key.command is Command.READ:
        description = tasks.describe_read(streams, text)
    return structs.replace(
        proposal, reason=text, description=description, streams=streams or None, failure=verdict.failure
    )


def _blamed(stream: dict[str, Any], cause: str, text: str) -> dict[str, Any]:
    """The stream's error with the better reason; a long one was cut."""
    error = str(stream["error"])
    if cause and cause in error:
        return {"error": error.replace(cause, text)}
    return {"error": text} if cause and error.startswith(cause[:_SAME_CHARACTERS]) else {}


def _key_of_pod(pod: dict[str, Any]) -> TaskKey | None:
    """The task that a pod without a row runs, from its annotations; None where they cannot be read."""
    notes = pod["metadata"].get("annotations") or {}
    # An unreadable time stamp must not stand for "now": the task would never time out.
    created = words.unix_seconds(pod["metadata"].get("creationTimestamp"), 0)
    try:
        return TaskKey(
            command=Command(notes["TaskType"]),
            task_id=notes.get("TaskID", ""),
            package=notes["Package"],
            version=notes["PackageVersion"],
            sync_id=notes.get("SyncID", ""),
            storage_key=notes.get("StorageKey", ""),
            started_by=notes.get("StartedBy", ""),
            started_at=int(words.unix_seconds(notes.get("StartedAt"), created)),
            attempt=int(notes.get("Attempt", "1")),
        )
    except (KeyError, ValueError):
        return None
