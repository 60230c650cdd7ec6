"""What functions answer about tasks, as types: models of docs/reference/openapi.json.

A use case names its answer as the type that it returns, and `python -m tools.openapi` reads it there. Imported for
types alone, so that no cold start pays for it. What the members mean is in tools/openapi/words.py.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypeAlias, TypedDict

from msgspec import Meta

from common.store.sweeps import LastSweep
from common.store.task_list import TaskDetails
from common.store.task_log import LogLine
from common.store.tasks import TaskState

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339, in UTC."""


class Ok(TypedDict):
    """What all answers of a success have."""

    ok: Literal[True]


class Health(TypedDict):
    """The function answers."""

    status: Literal["pass"]


class Error(TypedDict):
    """Any other answer: a sentence that names the field or the cause, and what to do next."""

    ok: Literal[False]
    error: str


class Started(Ok):
    """The task was accepted; its result appears under GET /tasks/{taskId}."""

    status: Literal["ok"]
    taskId: str
    startedAt: int


class Cancelled(Ok):
    """The task's state now: CANCELLED, or the one that it had ended with."""

    status: Literal["ok"]
    taskId: str
    state: TaskState
    note: NotRequired[str]


class FullTask(TaskDetails, frozen=True, rename="camel", kw_only=True):
    """A task with its result and the last lines of its log, oldest first."""

    result: Any
    schema_changes: "SchemaChanges | None"
    run: "RunOf | None"
    rates: "Rates | None"
    logs: list[LogLine]
    logs_before: str | None


if TYPE_CHECKING:
    # They are answered as the objects of JSON that their types describe.
    _Task: TypeAlias = Any
    _FullTask: TypeAlias = Any
    _LastSweep: TypeAlias = Any
else:
    _Task, _FullTask, _LastSweep = TaskDetails, FullTask, LastSweep | None


class TaskList(Ok):
    """Tasks, newest first."""

    tasks: list[_Task]
    next: str | None
    lastSweep: _LastSweep


class ColumnChange(TypedDict):
    """A column and its type before and now; null: it was not there, or is gone."""

    stream: str
    column: str
    was: str | None
    now: str | None


class SchemaChanges(TypedDict, total=False):
    """What a declared sync's source offers otherwise than at the run before (common.runs.changes)."""

    streamsAdded: list[str]
    streamsRemoved: list[str]
    columns: list[ColumnChange]
    more: int


class TaskAnswer(Ok):
    """One task."""

    task: _FullTask
    revision: str


class Rates(TypedDict):
    """Rows of a read over time: how many came in each step of its present attempt, and how many were stored."""

    startedAt: Moment
    stepSeconds: int
    emitted: list[int]
    stored: list[int]


class RunOf(TypedDict):
    """What a declared sync's run was asked for."""

    sync: str
    streams: NotRequired[list[str]]
    fullSync: NotRequired[bool]


class LogPage(Ok):
    """Lines of a task's log, oldest first, and the cursors around them."""

    taskId: str
    state: TaskState
    logs: list[LogLine]
    before: str
    after: str
    more: bool
