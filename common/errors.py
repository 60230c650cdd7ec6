"""The project's errors, each with its HTTP status.

SyncError                    500
├── SettingsError            500  a setting is missing or unusable
├── StoreRefused             500  Postgres refuses, and waiting cannot help: a right is missing, a name is wrong
├── BadRequest               400  the caller sent something unusable; names the field
├── Unauthorized             401
├── NotFound                 404
├── MethodNotAllowed         405
├── Conflict                 409  same taskId with another request, or the sync already runs
├── TooLarge                 413
├── UriTooLong               414
├── Refused                  422  the image or the pod is refused; repeating cannot help
│   └── Unusable                  documents of declared syncs; names line and field of each problem
├── QuotaExceeded            429  try again later (Retry-After)
├── Unavailable              503  Kubernetes or Postgres cannot be reached
│   ├── ClusterUnavailable
│   │   └── SyncsNotInstalled     the cluster knows no declared syncs; everything else works
│   └── StoreUnavailable
│       ├── LoginRefused          the user or its password is wrong, or not allowed from here
│       └── TablesMissing         the database lacks tables, and we do not make them here
├── TimedOut                 504
│   └── Locked                   another session holds a row or a table for too long
└── BulkerError              502  the destination refused rows
    └── BulkerAway                or could not be reached, broke the connection, or failed itself

Messages are sentences for users: what happened, where, and what to do next. They never contain secrets.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar


class SyncError(Exception):
    """Base class; `retry_after_seconds` becomes the Retry-After header."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    retry_after_seconds: ClassVar[int | None] = None
    details: Mapping[str, object] = {}
    """More members of the answer, for programs."""

    @property
    def message(self) -> str:
        """The sentence for the user."""
        return str(self)


class SettingsError(SyncError):
    """Settings are missing or unusable; the message names all of them."""


class StoreRefused(SyncError):
    """Postgres refuses what no waiting mends; quotes it, and names the setting or the right to change."""


class BadRequest(SyncError):
    """The request is invalid; the message names the field and what was expected."""

    status = HTTPStatus.BAD_REQUEST


class Unauthorized(SyncError):
    """The token is missing or wrong; the message never repeats it."""

    status = HTTPStatus.UNAUTHORIZED


class NotFound(SyncError):
    """There is no such task or path."""

    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(SyncError):
    """Each path answers to some methods; `allowed` are those of a path of its own."""

    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, message: str, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.allowed = allowed


class Conflict(SyncError):
    """Another task is in the way; the message names it, its state and its age."""

    status = HTTPStatus.CONFLICT


class TooLarge(SyncError):
    """The body, or the content of the task's Secret, is over its limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UriTooLong(SyncError):
    """The request line is over its limit."""

    status = HTTPStatus.REQUEST_URI_TOO_LONG


class Refused(SyncError):
    """The image or the pod is refused; repeating the request cannot help."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class Unusable(Refused):
    """Documents of declared syncs cannot be used; nothing was written."""

    def __init__(self, message: str, problems: Sequence[Mapping[str, object]]) -> None:
        super().__init__(message)
        self.details = {"problems": problems}


class QuotaExceeded(SyncError):
    """The namespace's quota is used up."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after_seconds = 30


class Unavailable(SyncError):
    """A dependency cannot be reached; nothing was started."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_seconds = 5


class ClusterUnavailable(Unavailable):
    """The Kubernetes API (or the embedded edition's pod runner) cannot be reached."""


class SyncsNotInstalled(ClusterUnavailable):
    """The cluster lacks the CRD of declared syncs; a sweep goes on without them."""


class StoreUnavailable(Unavailable):
    """Postgres cannot be reached, or refuses the login."""


class LoginRefused(StoreUnavailable):
    """Postgres refuses the login: waiting with the same URL is in vain, but a mounted file may bring another one."""


class TablesMissing(StoreUnavailable):
    """The database lacks tables; common.store creates them and retries."""


class TimedOut(SyncError):
    """A dependency did not answer in time; the outcome is unknown, repeating is safe."""

    status = HTTPStatus.GATEWAY_TIMEOUT


class Locked(TimedOut):
    """Another session held a row or a table for too long; nothing was written."""


class BulkerError(SyncError):
    """The destination refused rows, or the connection broke; quotes the destination."""

    status = HTTPStatus.BAD_GATEWAY


class BulkerAway(BulkerError):
    """Bulker cannot be reached, broke the connection, or failed itself (5xx); retrying may help."""
