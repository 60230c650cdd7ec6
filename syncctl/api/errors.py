"""Errors of requests to a deployment.

SyncError (common.errors)
└── DeploymentError
    ├── Unreachable     nothing answers at the deployment's address, or the connection broke
    └── RequestRefused  the deployment, or something in front of it, refuses; its own sentence, if it has one
        └── NoSuchTask  the deployment does not know the task
"""

from common.errors import SyncError
from syncctl.api.models import Refusal


class DeploymentError(SyncError):
    """A request failed. `repeatable`: a retry can help and cannot harm. `code`: the HTTP status, or 0.

    `answer` is the refusal with all its members, if a function sent one.
    """

    def __init__(
        self,
        message: str,
        *,
        repeatable: bool = False,
        wait_seconds: float = 0,
        code: int = 0,
        answer: Refusal | None = None,
    ) -> None:
        super().__init__(message)
        self.answer = answer
        self.code = code
        self.repeatable = repeatable
        self.wait_seconds = wait_seconds


class Unreachable(DeploymentError):
    """Nothing answers, or the connection broke."""


class RequestRefused(DeploymentError):
    """The answer is a refusal."""


class NoSuchTask(RequestRefused):
    """The deployment does not know the task."""
