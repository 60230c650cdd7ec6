"""What a sweep can decide about a task. Each may come with the deletion of a pod."""

from msgspec import Struct

from common.failures import Failure
from common.store import Outcome, Task
from common.store.sweeps import SweptTask
from common.store.waiting import Waits


class Deletion(Struct, frozen=True):
    """A pod to be deleted, by uid."""

    name: str
    uid: str
    grace_seconds: int


class Step(Struct, frozen=True, kw_only=True):
    """A decision, or what became of it once the cluster was asked."""

    deletion: Deletion | None = None
    """The pod to delete once the rows are written."""


class Keep(Step, frozen=True):
    """Leave the row as it is. `unreadable`: neither a row nor annotations name the pod's task."""

    active: bool = True
    unreadable: bool = False


class Conclude(Step, frozen=True):
    """Write how the task ended."""

    task: Task
    outcome: Outcome
    pod_name: str = ""
    wants_log: str = ""
    """The container of that pod whose last lines belong to the reason."""
    unreported: bool = False
    """The sidecar wrote nothing in our tables: the caller's row counts, if it is final."""


class Retry(Step, frozen=True):
    """Go on to the task's next attempt, or do `otherwise` if that cannot be made."""

    row: SweptTask
    failure: Failure
    otherwise: "Decision"
    awaits_secret: bool = False
    """The request may still be making the Secret: keep the row if there is none."""
    pod_gone: bool = False
    """So is its Secret: only a next attempt that is there already can be taken."""


class Release(Step, frozen=True):
    """Let a prepared attempt begin, once nothing of the one before it runs."""

    row: SweptTask
    pod_uid: str


class MarkRunning(Step, frozen=True):
    """Mark the row RUNNING."""

    task_id: str


class NoteWaiting(Step, frozen=True):
    """Note in the row what its pod waits for."""

    task_id: str
    waits: Waits


Decision = Keep | Conclude | Retry | Release | MarkRunning | NoteWaiting
