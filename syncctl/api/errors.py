"""Why a command cannot go on.

SyncError (common.errors)
└── DeploymentError
    ├── Unreachable     nothing answers at the deployment's address, or the connection broke
    └── RequestRefused  the deployment, or something in front of it, says no
        └── NoSuchTask  it does not know the task
"""

from common.errors import SyncError


class DeploymentError(SyncError):
    """A request came to nothing; `repeatable` says whether trying again can help and cannot harm.

    `code` is the answer's HTTP status, 0 without one.
    """

    def __init__(self, message: str, *, repeatable: bool = False, wait_seconds: float = 0, code: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.repeatable = repeatable
        self.wait_seconds = wait_seconds


class Unreachable(DeploymentError):
    """Nothing answers, or the connection broke; the message says what to do."""


class RequestRefused(DeploymentError):
    """An answer that is a refusal; the message is the deployment's own sentence where it has one."""


class NoSuchTask(RequestRefused):
    """The deployment answers, and knows no task of that id."""
