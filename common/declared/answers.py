"""What the function syncs answers, as types: models of docs/reference/openapi.json."""

from typing import Any, Literal, NotRequired, TypedDict

from common.declared.write import Result
from common.protocol.states import StateKind
from common.store.tasks import TaskState
from common.syncs.model import SyncState
from common.tasks.answers import Error, Moment, Ok


class Problem(TypedDict):
    """Something wrong in a document that was sent."""

    document: int
    path: list[str | int]
    field: str
    message: str
    line: NotRequired[int]


class ObjectMetadata(TypedDict):
    """What every object of Kubernetes has; a cluster adds more."""

    name: str
    resourceVersion: NotRequired[str]
    generation: NotRequired[int]
    creationTimestamp: NotRequired[str]
    namespace: NotRequired[str]
    labels: NotRequired[dict[str, str]]
    annotations: NotRequired[dict[str, str]]


class StatusNow(TypedDict, total=False):
    """How a sync is now."""

    state: SyncState
    lastTask: str
    lastSuccess: Moment
    nextRun: Moment
    message: str


class SyncDocument(TypedDict):
    """A declared sync as its home keeps it; `spec` is that of Sync, unless the state is INVALID."""

    apiVersion: str
    kind: str
    metadata: ObjectMetadata
    spec: NotRequired[dict[str, Any]]
    status: NotRequired[StatusNow]


class WrittenSync(TypedDict):
    """What a write did with one sync."""

    name: str
    result: Result
    sync: SyncDocument | None


class WriteError(Error):
    """What is wrong in the documents, or what was written before one of them was refused."""

    problems: NotRequired[list[Problem]]
    results: NotRequired[list[WrittenSync]]
    failed: NotRequired[str]


class UndeclaredSync(TypedDict):
    """A syncId that only has tasks."""

    syncId: str
    declared: Literal[False]
    status: StatusNow


class SyncRun(TypedDict):
    """A read of a sync, and the rows of all its streams."""

    taskId: str
    state: TaskState
    createdAt: Moment
    startedAt: Moment | None
    finishedAt: Moment | None
    emitted: int
    stored: int


class SyncList(Ok):
    """Declared syncs, those that only have tasks, and the newest reads of both."""

    syncs: list[SyncDocument]
    undeclared: list[UndeclaredSync]
    runs: dict[str, list[SyncRun]]


class SyncStream(TypedDict):
    """A stream by the last reads of its sync."""

    stream: str
    status: str | None
    rows: int | None
    bytes: int | None
    lastRecord: Moment | None


class SavedState(TypedDict):
    """A state that is saved."""

    key: str
    savedAt: Moment


class SyncAnswer(Ok):
    """One declared sync; a document that cannot be used has neither syncId, streams nor states."""

    sync: SyncDocument
    syncId: NotRequired[str]
    streams: NotRequired[list[SyncStream]]
    states: NotRequired[list[SavedState]]


class SyncWritten(Ok):
    """What a write did."""

    name: str
    result: Result
    sync: SyncDocument | None


class SyncsWritten(Ok):
    """What a write did with each of them."""

    results: list[WrittenSync]


class SyncDeleted(Ok):
    """What the sync was."""

    sync: SyncDocument
    wasAfter: list[str]
    activeTask: str | None


class Undoable(TypedDict):
    """The change that an undo would take back."""

    action: str
    states: list[str]
    at: Moment


class States(Ok):
    """All saved states of a sync; the whole answer can be sent back."""

    syncId: str
    kind: StateKind | None
    states: dict[str, Any]
    savedAt: dict[str, Moment]
    activeTask: str | None
    undo: Undoable | None


class StreamState(Ok):
    """One stream's state."""

    syncId: str
    kind: StateKind | None
    stream: str
    state: Any
    savedAt: Moment


class StateChange(Ok):
    """What a change has made of the states."""

    syncId: str
    action: str
    kind: StateKind | None
    changed: list[str]
    before: dict[str, Any]
    after: dict[str, Any]
    undo: bool


class StateUndo(StateChange):
    """What an undo has made of the states."""

    undone: str


_From = TypedDict("_From", {"from": str})  # no class body can have this name


class StateCopy(StateChange, _From):
    """What a copy has made of the other sync's states."""
