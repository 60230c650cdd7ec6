"""Checks what callers send before anything else is touched: query and body to a NewTask or a TaskQuery.

Every problem becomes a sentence that names the field and never repeats a value. Routes: docs/reference/contract.md A.
"""

import re
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct

from common import images
from common.errors import BadRequest, Refused
from common.pods.options import Options
from common.protocol import catalogs
from common.protocol.catalogs import Wishes
from common.protocol.commands import Command
from common.request import Query
from common.tasks import bodies

MAX_LENGTHS = {
    "syncId": 200,
    "taskId": 200,
    "storageKey": 500,
    "tableNamePrefix": 200,
    "startedBy": 4000,
    "cursor": 300,
    "namespace": 200,
    "streams": 8000,
}
"""In characters. taskId and syncId are also annotations of pods and keys of rows."""

MAX_PAGE = 500
_PAGE = 50
MAX_LOG_LINES = 1000
LOG_LINES = 100
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""From the least. ERRSTD, what a connector writes to standard error, is among the errors: tracebacks are there."""
MAX_WAIT_SECONDS = 30
_IMAGE = ("package", "version")
_READ = (
    "tableNamePrefix", "startedBy", "fullSync", "namespace", "toSameCase", "addMeta", "deduplicate",
    "ignoreRunning", "nodelay", "debug", "workspaceId",
)  # fmt: skip
"""The last three are sent by later consoles, and change nothing here (contract.md G)."""
_ANY_VERSION = "latest"
_LIST = ("syncId", "status", "command", "limit", "cursor", "package", "startedBy", "from", "to")
_TIME = re.compile(r"[12]\d{3}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
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
    given = parameters(query, required=_IMAGE)
    return NewTask(Command.SPEC, **_image(given))


def parse_read(query: Query, body: bytes) -> NewTask:
    """POST /read."""
    given = parameters(query, required=(*_IMAGE, "syncId", "taskId"), optional=_READ)
    image = _image(given)
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
    begin, end = _moment("from", given), _moment("to", given)
    if begin and end and begin >= end:
        raise BadRequest("from: is not before `to`; nothing can be between them.")
    return TaskQuery(
        sync_id=given.get("syncId", ""),
        status=_choice("status", given, tuple(TaskState)),
        command=_choice("command", given, tuple(Command)),
        limit=_number("limit", given, MAX_PAGE, _PAGE),
        cursor=given.get("cursor", ""),
        package=images.parse(given["package"], _ANY_VERSION).package if given.get("package") else "",
        started_by=given.get("startedBy", ""),
        begin=begin,
        end=end,
    )


def parse_task_id(query: Query, task_id: str) -> tuple[str, int, str]:
    """GET /tasks/<taskId>. Return the id, how many of the last log lines to show, and before which position."""
    given = parameters(query, optional=("logs", "logsBefore", "wait", "since"))
    lines = _number("logs", given, MAX_LOG_LINES, LOG_LINES)
    return _text("taskId", task_id), lines, given.get("logsBefore", "")


def parse_task_logs(query: Query, task_id: str, *, prefers_text: bool = False) -> LogQuery:
    """GET /tasks/<taskId>/logs; `prefers_text`: what the Accept header asks for, where `format` does not."""
    given = parameters(query, optional=("after", "before", "level", "q", "since", "limit", "format"))
    if given.get("after") and given.get("before"):
        raise BadRequest("after, before: send one of them; a page goes on in one direction.")
    level = _choice("level", given, LEVELS)
    form = _choice("format", given, ("json", "text")) or ("text" if prefers_text else "json")
    if form == "text" and given.get("before"):
        raise BadRequest("before: a text goes on from its first line, or from `after`; take JSON to go back.")
    return LogQuery(
        task_id=_text("taskId", task_id),
        after=given.get("after", ""),
        before=given.get("before", ""),
        hidden=LEVELS[: LEVELS.index(level)] + (("ERRSTD",) if level == "FATAL" else ()) if level else (),
        text=given.get("q", ""),
        since=_moment("since", given),
        limit=_number("limit", given, MAX_LOG_LINES, 0 if form == "text" else LOG_LINES),
        as_text=form == "text",
    )


def wait_query(query: Query) -> WaitQuery | None:
    """GET /tasks/<taskId>, of which `parse_task_id` reads the rest. Return None if the answer is wanted at once."""
    given = {name: values[0] for name, values in query.lists()}
    seconds, since = _number("wait", given, MAX_WAIT_SECONDS, 0), given.get("since", "")
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
    given = parameters(query, required=(*_IMAGE, "storageKey"), optional=("workspaceId",))
    image = _image(given)
    payload = bodies.members(body, required=("config",))
    return NewTask(command, storage_key=given["storageKey"], **image, **payload)


parse_check = partial(_keyed, Command.CHECK)
"""POST /check."""
parse_discover = partial(_keyed, Command.DISCOVER)
"""POST /discover."""


def parameters(query: Query, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the parameters of a query by name. Raise BadRequest for unknown, doubled and missing ones."""
    accepted = (*required, *optional, "connectorType")
    given: dict[str, str] = {}
    for name, values in query.lists():
        if name not in accepted:
            raise BadRequest(f"Unknown parameter {bodies.shown(name)}; accepted here are {', '.join(accepted)}.")
        if len(values) > 1:
            raise BadRequest(f"{name}: given {len(values)} times; send it once.")
        given[name] = _text(name, values[0])
    if missing := [name for name in required if not given.get(name, "").strip()]:
        raise BadRequest(f"Missing or empty parameters: {', '.join(missing)}.")
    if given.get("connectorType", "") not in {"", "airbyte"}:
        raise BadRequest("connectorType: only airbyte is known here.")
    return given


def _text(name: str, value: str) -> str:
    if name in _IMAGE:
        return value  # has a grammar of its own
    limit = MAX_LENGTHS.get(name, 100)
    if len(value) > limit:
        raise BadRequest(f"{name}: has {len(value)} characters, at most {limit} are accepted.")
    if bodies.UNPRINTABLE.search(value):
        raise BadRequest(f"{name}: holds a control character, such as NUL or a line break; send printable text.")
    return value


def _image(given: dict[str, str]) -> dict[str, Any]:
    image = images.parse(given["package"], given["version"])
    return {"package": image.package, "version": image.version}


def flag(name: str, given: dict[str, str], *, default: bool = False) -> bool:
    """Return a parameter that is true or false. Raise BadRequest for anything else."""
    value = given.get(name, "")
    if value not in {"", "true", "false"}:
        raise BadRequest(f"{name}: expected true or false.")
    return value == "true" if value else default


def _choice(name: str, given: dict[str, str], choices: tuple[str, ...]) -> str:
    value = given.get(name, "")
    if value and value not in choices:
        raise BadRequest(f"{name}: expected one of {', '.join(choices)}.")
    return value


def _number(name: str, given: dict[str, str], largest: int, default: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= largest:
        raise BadRequest(f"{name}: expected a whole number from 1 to {largest}.")
    return int(text)


def _moment(name: str, given: dict[str, str]) -> datetime | None:
    text = given.get(name, "")
    if not text:
        return None
    try:
        return datetime.fromisoformat(text if _TIME.fullmatch(text) else "")
    except ValueError:
        raise BadRequest(
            f"{name}: expected a time such as 2026-11-30T02:00:00Z, or 2026-11-30T02:00:00%2B01:00: a plus is "
            "percent-encoded in a URL."
        ) from None
