"""Why tasks fail: the closed set of kinds, whose fault each is, and what to do about it.

One table for the sidecar, the sweep, `cancel` and the start of a task.
"""

import re
from enum import StrEnum
from typing import Any

from msgspec import Struct

from common.errors import LoginRefused, StoreRefused, SyncError, TablesMissing, TimedOut, Unavailable

POSTGRES_AWAY_EXIT = 3
"""The sidecar's exit code if Postgres stayed away and the outcome could not be written."""
_EXIT_KILLED = 137


class FailureOrigin(StrEnum):
    """Whose fault it is."""

    SOURCE = "source"
    DESTINATION = "destination"
    PLATFORM = "platform"
    USER = "user"


class FailureKind(StrEnum):
    """What ended a task. Names and meanings are part of the interface (docs/reference/contract.md A)."""

    SOURCE_ERROR = "source_error"
    CONFIG_ERROR = "config_error"
    TRANSIENT_ERROR = "transient_error"
    SOURCE_EXIT = "source_exit"
    SOURCE_KILLED = "source_killed"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_DISK = "out_of_disk"
    STALLED = "stalled"
    INCOMPLETE = "incomplete"
    NO_RESULT = "no_result"
    BULKER_AWAY = "bulker_away"
    BULKER_REFUSED = "bulker_refused"
    ROWS_REFUSED = "rows_refused"
    EVICTED = "evicted"
    PREEMPTED = "preempted"
    NODE_LOST = "node_lost"
    NODE_SHUTDOWN = "node_shutdown"
    NODE_REFUSED = "node_refused"
    NO_REASON = "no_reason"
    DELETED = "deleted"
    STOPPED = "stopped"
    UNSCHEDULABLE = "unschedulable"
    NOT_STARTED = "not_started"
    QUOTA = "quota"
    CREATE_FAILED = "create_failed"
    NOT_CONFIGURED = "not_configured"
    SECRET_MISSING = "secret_missing"  # noqa: S105 - a kind
    NOT_CREATED = "not_created"
    INIT_FAILED = "init_failed"
    INJECTED = "injected"
    IMAGE_PULL = "image_pull"
    IMAGE_NAME = "image_name"
    IMAGE_ACCESS = "image_access"
    IMAGE_UNUSABLE = "image_unusable"
    SIDECAR_KILLED = "sidecar_killed"
    SIDECAR_MEMORY = "sidecar_memory"
    SIDECAR_DISK = "sidecar_disk"
    SIDECAR_FAILED = "sidecar_failed"
    SIDECAR_SILENT = "sidecar_silent"
    POSTGRES_AWAY = "postgres_away"
    POSTGRES_REFUSED = "postgres_refused"
    POSTGRES_LOGIN = "postgres_login"
    STATE_LOST = "state_lost"
    TASK_TIMEOUT = "task_timeout"
    NOT_OFFERED = "not_offered"
    CANCELLED = "cancelled"


class FailurePolicy(Struct, frozen=True):
    """The consequences of a kind. `retry`: the same read may succeed if it is started again."""

    origin: FailureOrigin
    retry: bool
    advice: str


_AGAIN = "Start the task again; a read goes on from its last saved state."
_SOURCE, _DESTINATION, _PLATFORM, _USER = (
    FailureOrigin.SOURCE,
    FailureOrigin.DESTINATION,
    FailureOrigin.PLATFORM,
    FailureOrigin.USER,
)


def _may_pass(origin: FailureOrigin, advice: str) -> FailurePolicy:
    return FailurePolicy(origin, retry=True, advice=advice)


def _stays(origin: FailureOrigin, advice: str) -> FailurePolicy:
    return FailurePolicy(origin, retry=False, advice=advice)


POLICIES: dict[FailureKind, FailurePolicy] = {
    FailureKind.SOURCE_ERROR: _stays(_SOURCE, "Look at the task's log for what the connector did before its error."),
    FailureKind.CONFIG_ERROR: _stays(_USER, "Correct the configuration; `check` tries it without reading anything."),
    FailureKind.TRANSIENT_ERROR: _may_pass(_SOURCE, "The source asks to try again later. " + _AGAIN),
    FailureKind.SOURCE_EXIT: _stays(_SOURCE, "Look at the last lines of the task's log for the connector's own words."),
    FailureKind.SOURCE_KILLED: _stays(
        _SOURCE, "Raise SYNCCTL_SOURCE_MEMORY_LIMIT if it needs much, and start it again."
    ),
    FailureKind.OUT_OF_MEMORY: _stays(_SOURCE, "Raise SYNCCTL_SOURCE_MEMORY_LIMIT, or give a read fewer streams."),
    FailureKind.OUT_OF_DISK: _stays(_SOURCE, "Raise SYNCCTL_SOURCE_DISK_LIMIT, or give a read fewer streams."),
    FailureKind.STALLED: _stays(
        _SOURCE, "Raise SYNCCTL_STALL_TIMEOUT_SECONDS if the source may be silent so long; else start it again."
    ),
    FailureKind.INCOMPLETE: _stays(_SOURCE, "Compare the catalog with what `discover` finds, and read the task's log."),
    FailureKind.NO_RESULT: _stays(
        _SOURCE, "Look at the task's log, and check that this image is an Airbyte connector."
    ),
    FailureKind.BULKER_AWAY: _may_pass(_DESTINATION, "Check that Bulker runs and reaches its warehouse. " + _AGAIN),
    FailureKind.BULKER_REFUSED: _stays(_DESTINATION, "Correct the destination, or the table that Bulker names."),
    FailureKind.ROWS_REFUSED: _stays(
        _DESTINATION, "Look at the streams' errors: they name the records and the reasons."
    ),
    FailureKind.EVICTED: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.PREEMPTED: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.NODE_LOST: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.NODE_SHUTDOWN: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.NODE_REFUSED: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.NO_REASON: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.DELETED: _stays(_PLATFORM, _AGAIN),
    FailureKind.STOPPED: _stays(_PLATFORM, _AGAIN),
    FailureKind.UNSCHEDULABLE: _may_pass(
        _PLATFORM,
        "Give the cluster a node with room for it, change SYNCCTL_KUBERNETES_NODE_SELECTOR, or raise "
        "SYNCCTL_NODE_TIMEOUT_SECONDS if it only has to wait longer.",
    ),
    FailureKind.NOT_STARTED: _stays(
        _PLATFORM, "Raise SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS if the image is large, and start it again."
    ),
    FailureKind.QUOTA: _stays(_PLATFORM, "Raise the namespace's quota, or run fewer tasks at once."),
    FailureKind.CREATE_FAILED: _stays(_PLATFORM, "Correct what the message names, and use a new taskId."),
    FailureKind.NOT_CONFIGURED: _stays(
        _PLATFORM, "The task's Secret was not made, or deleted by hand; start the task again."
    ),
    FailureKind.SECRET_MISSING: _stays(
        _USER,
        "Create that key of that Secret where the tasks run (on one machine: `syncctl secret set`), and run it again.",
    ),
    FailureKind.NOT_CREATED: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.INIT_FAILED: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.INJECTED: _may_pass(
        _PLATFORM, "Look at what the cluster injects into pods of this namespace, such as a mesh's webhook."
    ),
    FailureKind.IMAGE_PULL: _may_pass(_PLATFORM, "Check that the nodes reach the registry, and start the task again."),
    FailureKind.IMAGE_NAME: _stays(_USER, "Check the image's name and tag."),
    FailureKind.IMAGE_ACCESS: _stays(_USER, "Give the tasks' service account imagePullSecrets for this registry."),
    FailureKind.IMAGE_UNUSABLE: _stays(_USER, "The image has to have a POSIX shell (sh), and AIRBYTE_ENTRYPOINT."),
    FailureKind.SIDECAR_KILLED: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.SIDECAR_MEMORY: _may_pass(_PLATFORM, "Give a read fewer streams."),
    FailureKind.SIDECAR_DISK: _stays(
        _PLATFORM, "Raise SYNCCTL_SIDECAR_DISK_LIMIT, or let the connector print less: its log is on that disk."
    ),
    FailureKind.SIDECAR_FAILED: _stays(_PLATFORM, "Look at the pod's sidecar's log, and at the functions' settings."),
    FailureKind.SIDECAR_SILENT: _may_pass(_PLATFORM, _AGAIN),
    FailureKind.POSTGRES_AWAY: _may_pass(
        _PLATFORM,
        f"Check that Postgres runs, and on a cluster that task pods reach it (SYNCCTL_SIDECAR_DATABASE_URL). {_AGAIN}",
    ),
    FailureKind.POSTGRES_REFUSED: _stays(
        _PLATFORM, "Grant the database user of task pods what docs/how-to/operate.md lists, then start the task again."
    ),
    FailureKind.POSTGRES_LOGIN: _may_pass(
        _PLATFORM,
        "Correct user and password in SYNCCTL_SIDECAR_DATABASE_URL (default: SYNCCTL_DATABASE_URL), then start the "
        "task again.",
    ),
    FailureKind.STATE_LOST: _stays(_PLATFORM, "Nothing is lost: the next read begins from the state before this one."),
    FailureKind.TASK_TIMEOUT: _stays(_USER, "Raise SYNCCTL_TASK_TIMEOUT_HOURS, or give a read fewer streams."),
    FailureKind.NOT_OFFERED: _stays(
        _USER, "Correct what a read selects: `discover` lists what the source offers to this account."
    ),
    FailureKind.CANCELLED: _stays(
        _USER, "Start the task again if it was not meant; a read goes on from its saved state."
    ),
}


class Failure(Struct, frozen=True):
    """Why a task failed: its kind, and what happened."""

    kind: FailureKind
    message: str

    @property
    def policy(self) -> FailurePolicy:
        """The consequences of its kind."""
        return POLICIES[self.kind]

    @property
    def sentence(self) -> str:
        """What happened and what to do, where there is room for one text only."""
        message, advice = self.message.rstrip(". "), self.policy.advice
        if advice.rstrip(".").lower() in message.lower():  # an installer knows more, and gave it
            return f"{message}."
        return f"{message}; {advice[:1].lower()}{advice[1:]}"

    def as_json(self) -> dict[str, Any]:
        """Return the failure as stored in syncctl_task and shown by GET /tasks."""
        policy = self.policy
        known = {"kind": str(self.kind), "origin": str(policy.origin), "message": self.message}
        return known | {"advice": policy.advice, "retryable": policy.retry}


_MEMORY = re.compile(
    r"memory usage exceeded critical threshold|java\.lang\.OutOfMemoryError|\bMemoryError\b"
    r"|JavaScript heap out of memory",
    re.IGNORECASE,
)
"""The CDK's memory monitor, and how the usual interpreters put it."""
_FAILURE_TYPES = {
    "config_error": FailureKind.CONFIG_ERROR,
    "transient_error": FailureKind.TRANSIENT_ERROR,
    # The pod's own script writes it, for an image that does not name its connector (common.pods.scripts).
    "image_unusable": FailureKind.IMAGE_UNUSABLE,
}


def of_words(text: str) -> FailureKind | None:
    """Return the kind that a connector's words alone show."""
    return FailureKind.OUT_OF_MEMORY if _MEMORY.search(text) else None


def of_trace(failure_type: object, text: str = "") -> FailureKind:
    """Return the kind for the failure_type of a TRACE ERROR, whatever its JSON type, and its text."""
    if kind := of_words(text):
        return kind
    return _FAILURE_TYPES.get(str(failure_type).strip().lower(), FailureKind.SOURCE_ERROR)


def of_store(error: SyncError) -> FailureKind:
    """Return the kind of a task that could not read or write its rows. Only POSTGRES_AWAY is worth waiting."""
    if isinstance(error, LoginRefused):
        return FailureKind.POSTGRES_LOGIN
    if isinstance(error, StoreRefused | TablesMissing):
        return FailureKind.POSTGRES_REFUSED
    return FailureKind.POSTGRES_AWAY if isinstance(error, Unavailable | TimedOut) else FailureKind.SIDECAR_FAILED


UNWRITTEN = {
    POSTGRES_AWAY_EXIT: (FailureKind.POSTGRES_AWAY, "Postgres stayed away"),
    4: (FailureKind.POSTGRES_REFUSED, "Postgres refused it"),
    5: (FailureKind.POSTGRES_LOGIN, "Postgres refused its login"),
}
"""By the sidecar's exit code, why it could not write how the task ended; its log has Postgres's words."""


SECRET_MISSING_EXIT = 6
"""Of an init container, where a value that its task refers to is missing, or no text: its last words tell which."""
UNPREPARED_EXIT = 69
"""Of the source, whose sidecar did not make the pipes in time: sysexits' EX_UNAVAILABLE."""


def unwritten_exit(error: SyncError) -> int:
    """Return the sidecar's exit code if its outcome could not be written."""
    return next((code for code, (kind, _) in UNWRITTEN.items() if kind is of_store(error)), 2)


def of_exit(exit_code: int | None) -> FailureKind:
    """Return the kind for an exit code; without one, which should exist, the source was killed."""
    return FailureKind.SOURCE_KILLED if exit_code in {None, _EXIT_KILLED} else FailureKind.SOURCE_EXIT
