"""Exit codes: what a script learns without reading a word."""

from enum import IntEnum, StrEnum

from syncctl.api.models import Task


class ExitCode(IntEnum):
    """The process's exit code; documented in `syncctl --help`."""

    SUCCESS = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    CANCELLED = 4
    UNREACHABLE = 5
    """The deployment cannot be reached, or refused the request."""
    INTERRUPTED = 130
    """Ctrl-C: what the deployment does goes on."""


class TaskState(StrEnum):
    """The states of a task that are told apart; any other that is final counts as failed."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


_ACTIVE = frozenset({TaskState.PENDING, TaskState.RUNNING})
_CODES: dict[str, ExitCode] = {
    TaskState.SUCCESS: ExitCode.SUCCESS,
    TaskState.PARTIAL: ExitCode.PARTIAL,
    TaskState.CANCELLED: ExitCode.CANCELLED,
}


def is_final(task: Task) -> bool:
    """Whether the task's state never changes again."""
    return task.state not in _ACTIVE


def exit_code(task: Task) -> ExitCode:
    """The outcome of a task as an exit code; 0 while it goes on."""
    if not is_final(task):
        return ExitCode.SUCCESS
    return _CODES.get(task.state, ExitCode.FAILED)
