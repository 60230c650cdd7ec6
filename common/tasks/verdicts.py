"""What a sweep does about one pod, or about a row without one: writes first, deletes after."""

import logging
from typing import Any

from msgspec import Struct

from common.cluster import Cluster
from common.commands import Command
from common.errors import SyncError
from common.pods import diagnosis, words
from common.pods.containers import SIDECAR
from common.pods.diagnosis import Clock, Limits, Verdict
from common.settings import Settings
from common.store import Database, Outcome, TaskKey, TaskState, tasks
from common.store.database import Row

_log = logging.getLogger(__name__)

MISSING_GRACE_SECONDS = 30.0
"""How long a row may be without a pod: its request may still be making it."""
FINISHED_GRACE_SECONDS = 10.0
"""How long the pod of a concluded task may take to end by itself: its sidecar still sends log lines."""
_SILENCE_MARGIN_SECONDS = 120.0
_LOG_LINES = 50
_DELETE_GRACE_SECONDS = 8
_ALARMS = ("error", "panic", "errstd", "fatal", "exception")
_WAITS = "The pod waits: "


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

    def look(self, pod: dict[str, Any], row: Row | None) -> Look:
        """Judges one pod of ours; `row` is its task's, if there is one. Raises SyncError where something is away."""
        verdict = diagnosis.judge(pod, self._clock(row), self._limits)
        if row is not None and TaskState(row["state"]).final:
            return self._concluded_before(pod, row, verdict)
        key = _key_of_row(row) if row is not None else _key_of_pod(pod)
        if verdict is None:
            return self._goes_on(pod, row, readable=key is not None)
        if key is None:
            _log.error("A pod that ended names no task.", extra={"action": "sweep", "pod": pod["metadata"]["name"]})
            return Look(deleted=self._delete(pod), unreadable=True)
        outcome = self._outcome(pod, row, key, verdict)
        return Look(concluded=self._conclude(key, outcome), deleted=self._delete(pod))

    def look_for_missing(self, row: Row) -> bool:
        """Fails a row whose pod is gone, once that is certain: not fresh, and not there when asked by name."""
        text, grace, prefix = self._missing(row)
        if row["age_seconds"] < MISSING_GRACE_SECONDS or row["idle_seconds"] < grace:
            return False
        if self.where.get_pod(row["pod_name"]) is not None:
            return False
        key = _key_of_row(row)
        outcome = Outcome(TaskState.FAILED, reason=text, description=f"{prefix}: {text}")
        return self._conclude(key, outcome)

    def _missing(self, row: Row) -> tuple[str, float, str]:
        """What to say about a missing pod, how long the row must have been idle, and the description's first word."""
        noted: str = row["reason"]
        if row["state"] != TaskState.PENDING or noted.startswith(_WAITS):
            text = "The task's pod is gone: it was deleted from outside, or lost with its node. Start the task again."
            return text, 0.0, "FAILED"
        if noted:
            # A quota, or a cluster out of reach: the same request, repeated, goes on from here.
            within = words.span(self._limits.init_seconds)
            text = f"The task's pod could not be created within {within}: {noted}"
            return text, self._limits.init_seconds, "INIT_TIMEOUT"
        text = "The task's pod was never created, or deleted from outside before it ran; start the task again."
        return text, 0.0, "FAILED"

    def _concluded_before(self, pod: dict[str, Any], row: Row, verdict: Verdict | None) -> Look:
        """The pod of a task that is over already is cleared away, in its own time where it goes on by itself."""
        fresh = row["finished_seconds"] is not None and row["finished_seconds"] < FINISHED_GRACE_SECONDS
        ends_itself = fresh and row["state"] != TaskState.CANCELLED
        if verdict is None and ends_itself:
            return Look(active=True)
        return Look(deleted=self._delete(pod))

    def _goes_on(self, pod: dict[str, Any], row: Row | None, *, readable: bool) -> Look:
        pending = row is not None and row["state"] == TaskState.PENDING
        if row is None or not pending:
            return Look(active=True, unreadable=not readable)
        if (pod.get("status") or {}).get("phase") == "Running":
            return Look(active=True, runs_now=row["task_id"])
        waits = diagnosis.describe_waiting(pod)
        # The first pull error says more than the back-off after it.
        if waits and _WAITS + waits != row["reason"] and not (row["reason"] and "BackOff" in waits):
            noted = tasks.clean(_WAITS + waits)
            self._db.transact(lambda db: db.run("note_trouble", task_id=row["task_id"], reason=noted))
        return Look(active=True)

    def _clock(self, row: Row | None) -> Clock:
        if row is None:
            return Clock(self._now)
        return Clock(self._now, row["age_seconds"], row["silent_seconds"] if self._trust_silence else None)

    def _outcome(self, pod: dict[str, Any], row: Row | None, key: TaskKey, verdict: Verdict) -> Outcome:
        reason = verdict.reason
        if verdict.clean_end:
            reason = f"{reason} The task ended without writing its result."
        first = row["reason"].removeprefix(_WAITS) if row is not None else ""
        if "BackOff" in reason and first and first not in reason:
            reason = f"{reason} It began with {first}."
        tail = self._tail(pod, verdict.wants_log) if verdict.wants_log else ""
        text = f"{reason}\n{tail}" if tail else reason
        # A check's description starts with FAILED too: its console shows the text as it is (contract.md B).
        description = text if key.command is Command.DISCOVER else f"{verdict.prefix}: {text}"
        return Outcome(TaskState.FAILED, reason=text, description=description)

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
            _log.info("Task concluded.", extra={"action": "sweep", "task_id": key.task_id})
        return concluded


def _key_of_row(row: Row) -> TaskKey:
    names = ("task_id", "package", "version", "sync_id", "storage_key", "started_by", "started_at")
    return TaskKey(command=Command(row["command"]), **{name: row[name] for name in names})


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
        )
    except (KeyError, ValueError):
        return None
