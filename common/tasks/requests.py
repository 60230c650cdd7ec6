"""Checks what callers send before anything else is touched: query and body to a NewTask or a TaskQuery.

Every problem becomes a sentence that names the field and never repeats a value. Routes: docs/reference/contract.md A.
"""

import re
from datetime import datetime
from functools import partial

from msgspec import Struct

from common import images
from common.errors import BadRequest, Refused
from common.pods.options import Options
from common.protocol import catalogs
from common.protocol.catalogs import Wishes
from common.protocol.commands import Command
from common.request import Query
from common.tasks import bodies
from common.tasks.parameters import IMAGE, choice, flag, image_of, moment, number, parameters, text

MAX_PAGE = 500
_PAGE = 50
MAX_LOG_LINES = 1000
LOG_LINES = 100
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""From the least. ERRSTD, what a connector writes to standard error, is among the errors: tracebacks are there."""
MAX_WAIT_SECONDS = 30
_READ = (
    "tableNamePrefix", "startedBy", "fullSync", "namespace", "toSameCase", "addMeta", "deduplicate",
    "ignoreRunning", "nodelay", "debug", "workspaceId",
)  # fmt: skip
"""The last three are sent by later consoles, and change nothing here (contract.md G)."""
_ANY_VERSION = "latest"
_LIST = ("syncId", "status", "command", "limit", "cursor", "package", "startedBy", "from", "to")
_LEGACY_NAMESPACE = "${LEGACY}"
"""Stands for table names as the original of April 2024 makes them."""
_REVISION = re.compile(r"[0-9]+\.[0-9]*\.[0-9a-f-]*")
_NOTHING = frozenset({b"{}", b"[]", b'""'})


class NewTask(Struct, frozen=True):
    """A task to start; parameters that were not given are "".

    config, catalog and state are the JSON as sent, without white space (numbers keep their digits), None if absent or
    null. A state of None means to resume from the saved state, b"{}" to start from nothing. Only declared syncs have
    options and references to Secrets: a request's configuration is given to its connector as it is.
    """

    command: Command
    package: str
    version: str
    sync_id: str = ""
    task_id: str = ""
    storage_key: str = ""
    table_name_prefix: str = ""
    started_by: str = ""
    full_sync: bool = False
    forget: tuple[str, ...] = ()
    """With `full_sync`: the keys of the streams whose states it forgets, while all others resume; () for all."""
    ignore_running: bool = False
    config: bytes | None = None
    catalog: bytes | None = None
    state: bytes | None = None
    options: Options = Options()
    resolve: bool = False
    """Whether the configuration refers to Secrets, which are put in their places in the pod alone."""

    def __repr__(self) -> str:
        """Leave out the payloads: they hold secrets."""
        return f"NewTask({self.command}, {self.package!r}, {self.version!r}, {self.sync_id!r}, {self.task_id!r})"


class TaskQuery(Struct, frozen=True):
    """Which tasks to list; "" does not filter. `cursor` is the `next` of the page before."""

    sync_id: str = ""
    status: str = ""
    command: str = ""
    limit: int = _PAGE
    cursor: str = ""
    package: str = ""
    started_by: str = ""
    """The trigger that startedBy names, else all of it."""
    begin: datetime | None = None
    """They were accepted then or later, and before `end`."""
    end: datetime | None = None


class LogQuery(Struct, frozen=True):
    """Which part of a task's log to show. `after` and `before` are cursors, at most one of them is given."""

    task_id: str
    after: str = ""
    before: str = ""
    hidden: tuple[str, ...] = ()
    """The levels that are less than what is asked for."""
    text: str = ""
    since: datetime | None = None
    limit: int = 0
    """0 for all lines, in a text alone."""
    as_text: bool = False


class WaitQuery(Struct, frozen=True):
    """How long an answer may wait for its task to change, and from which `revision` or `updatedAt`; "" is from now."""

    seconds: int
    since: str = ""


class CancelQuery(Struct, frozen=True):
    """Which task to end; package and syncId, if given, have to be the task's."""

    task_id: str
    package: str = ""
    sync_id: str = ""


def parse_spec(query: Query, body: bytes = b"") -> NewTask:  # noqa: ARG001 - a GET's body means nothing
    """GET /spec."""
    given = parameters(query, required=IMAGE)
    return NewTask(Command.SPEC, **image_of(given))


def parse_read(query: Query, body: bytes) -> NewTask:
    """POST /read."""
    given = parameters(query, required=(*IMAGE, "syncId", "taskId"), optional=_READ)
    image = image_of(given)
    for name in ("syncId", "taskId"):
        # Both become part of a path, and proxies may remove such parts (RFC 3986, 5.2.4).
        if any(part in {"", ".", ".."} for part in given[name].split("/")):
            raise BadRequest(f"{name}: has an empty part, `.` or `..` between slashes; in a URL it would get lost.")
    full_sync, ignore_running, wishes = flag("fullSync", given), flag("ignoreRunning", given), _wishes(given)
    # The destination's configuration holds its credentials, and Bulker has its own.
    dropped = ("destinationConfig",)
    payload = bodies.members(body, required=("config", "catalog"), optional=("state", "functionsEnv"), dropped=dropped)
    if payload.pop("functionsEnv", b"{}") not in _NOTHING:
        raise Refused("functionsEnv: Bulker's /bulk applies no functions to rows; remove them from the sync.")
    _refuse_other_schemas(given.get("namespace", ""), payload["catalog"])
    payload["catalog"] = catalogs.with_wishes(payload["catalog"], wishes)
    return NewTask(
        Command.READ,
        sync_id=given["syncId"],
        task_id=given["taskId"],
        table_name_prefix=given.get("tableNamePrefix", ""),
        started_by=given.get("startedBy", ""),
        full_sync=full_sync,
        ignore_running=ignore_running,
        **image,
        **payload,
    )


def _wishes(given: dict[str, str]) -> Wishes:
    return Wishes(
        prefix=given.get("tableNamePrefix", ""),
        # Given and empty is the destination's own schema; not given is a caller that does not know of namespaces.
        bare=given.get("namespace", _LEGACY_NAMESPACE) != _LEGACY_NAMESPACE,
        same_case=flag("toSameCase", given),
        deduplicate=flag("deduplicate", given, default=True),
        add_meta=flag("addMeta", given),
    )


def _refuse_other_schemas(namespace: str, catalog: bytes) -> None:
    """Raise Refused if a stream's rows would have to leave the destination's own schema: no /bulk can do that."""
    if namespace == _LEGACY_NAMESPACE:
        return
    for stream in catalogs.decode_catalog(catalog).streams:
        if namespace.replace(catalogs.SOURCE_NAMESPACE, stream.id.namespace or "").strip():
            raise Refused(
                f"namespace: the rows of stream {stream.id.name!r} would go to another schema than the destination's "
                "own, which Bulker's /bulk cannot choose; leave the sync's namespace empty, and set the schema in the "
                f"destination, or {catalogs.SOURCE_NAMESPACE} in tableNamePrefix."
            )


def parse_tasks(query: Query) -> TaskQuery:
    """GET /tasks."""
    from common.store import TaskState

    given = parameters(query, optional=_LIST)
    begin, end = moment("from", given), moment("to", given)
    if begin and end and begin >= end:
        raise BadRequest("from: is not before `to`; nothing can be between them.")
    return TaskQuery(
        sync_id=given.get("syncId", ""),
        status=choice("status", given, tuple(TaskState)),
        command=choice("command", given, tuple(Command)),
        limit=number("limit", given, MAX_PAGE, _PAGE),
        cursor=given.get("cursor", ""),
        package=images.parse(given["package"], _ANY_VERSION).package if given.get("package") else "",
        started_by=given.get("startedBy", ""),
        begin=begin,
        end=end,
    )


def parse_task_id(query: Query, task_id: str) -> tuple[str, int, str]:
    """GET /tasks/<taskId>. Return the id, how many of the last log lines to show, and before which position."""
    given = parameters(query, optional=("logs", "logsBefore", "wait", "since"))
    lines = number("logs", given, MAX_LOG_LINES, LOG_LINES)
    return text("taskId", task_id), lines, given.get("logsBefore", "")


def parse_task_logs(query: Query, task_id: str, *, prefers_text: bool = False) -> LogQuery:
    """GET /tasks/<taskId>/logs; `prefers_text`: what the Accept header asks for, where `format` does not."""
    given = parameters(query, optional=("after", "before", "level", "q", "since", "limit", "format"))
    if given.get("after") and given.get("before"):
        raise BadRequest("after, before: send one of them; a page goes on in one direction.")
    level = choice("level", given, LEVELS)
    form = choice("format", given, ("json", "text")) or ("text" if prefers_text else "json")
    if form == "text" and given.get("before"):
        raise BadRequest("before: a text goes on from its first line, or from `after`; take JSON to go back.")
    return LogQuery(
        task_id=text("taskId", task_id),
        after=given.get("after", ""),
        before=given.get("before", ""),
        hidden=LEVELS[: LEVELS.index(level)] + (("ERRSTD",) if level == "FATAL" else ()) if level else (),
        text=given.get("q", ""),
        since=moment("since", given),
        limit=number("limit", given, MAX_LOG_LINES, 0 if form == "text" else LOG_LINES),
        as_text=form == "text",
    )


def wait_query(query: Query) -> WaitQuery | None:
    """GET /tasks/<taskId>, of which `parse_task_id` reads the rest. Return None if the answer is wanted at once."""
    given = {name: values[0] for name, values in query.lists()}
    seconds, since = number("wait", given, MAX_WAIT_SECONDS, 0), given.get("since", "")
    if since and not seconds:
        raise BadRequest("since: only says from when to wait; send wait as well, in seconds.")
    return WaitQuery(seconds, _since(since)) if seconds else None


def _since(text: str) -> str:
    """Return a revision, or a time in the form of `updatedAt`."""
    if not text or _REVISION.fullmatch(text):
        return text
    from common.store.encoding import stamp

    try:
        return stamp(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise BadRequest("since: expected the `revision` of an earlier answer, or a task's `updatedAt`.") from None


def parse_cancel(query: Query) -> CancelQuery:
    """GET /cancel."""
    given = parameters(query, required=("taskId",), optional=("package", "syncId", "workspaceId"))
    return CancelQuery(given["taskId"], given.get("package", ""), given.get("syncId", ""))


def parse_sweep(query: Query) -> None:
    """POST /sweeper takes no parameters."""
    parameters(query)


def _keyed(command: Command, query: Query, body: bytes) -> NewTask:
    given = parameters(query, required=(*IMAGE, "storageKey"), optional=("workspaceId",))
    image = image_of(given)
    payload = bodies.members(body, required=("config",))
    return NewTask(command, storage_key=given["storageKey"], **image, **payload)


parse_check = partial(_keyed, Command.CHECK)
"""POST /check."""
parse_discover = partial(_keyed, Command.DISCOVER)
"""POST /discover."""
