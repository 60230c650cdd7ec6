"""Exit codes, and the states of a task that they follow from."""

from enum import IntEnum, StrEnum
from typing import Protocol


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
    """Ctrl-C; the task runs on."""


class TaskState(StrEnum):
    """The states of a task; an unknown one counts as failed."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


_CODES: dict[str, ExitCode] = {
    TaskState.PENDING: ExitCode.SUCCESS,
    TaskState.RUNNING: ExitCode.SUCCESS,
    TaskState.SUCCESS: ExitCode.SUCCESS,
    TaskState.PARTIAL: ExitCode.PARTIAL,
    TaskState.CANCELLED: ExitCode.CANCELLED,
}
_WORST_FIRST = (ExitCode.FAILED, ExitCode.CANCELLED, ExitCode.PARTIAL)


class HasState(Protocol):
    """A task, or an answer about one."""

    @property
    def state(self) -> str:
        """One of TaskState, or of a later version's."""
        ...


def is_final(task: HasState) -> bool:
    """Tell whether the task's state can no longer change."""
    return task.state not in {TaskState.PENDING, TaskState.RUNNING}


def exit_code(*tasks: HasState) -> ExitCode:
    """Return the exit code of a task's outcome, 0 while it runs; of several, that of the worst one."""
    codes = {_CODES.get(task.state, ExitCode.FAILED) for task in tasks}
    return next((code for code in _WORST_FIRST if code in codes), ExitCode.SUCCESS)
