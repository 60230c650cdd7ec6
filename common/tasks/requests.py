"""Checks what callers send before anything else is touched: query and body to a NewTask or a TaskQuery.

Every problem becomes a sentence that names the field and never repeats a value. Routes: docs/reference/contract.md A.
"""

import re
from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from common import images
from common.errors import BadRequest, Refused
from common.protocol import catalogs
from common.protocol.catalogs import Wishes
from common.protocol.commands import Command
from common.tasks import bodies

MAX_LENGTHS = {
    "syncId": 200,
    "taskId": 200,
    "storageKey": 500,
    "tableNamePrefix": 200,
    "startedBy": 4000,
    "cursor": 300,
    "namespace": 200,
}
"""In characters. taskId and syncId are also annotations of pods and keys of rows."""

MAX_PAGE = 500
_PAGE = 50
MAX_LOG_LINES = 1000
LOG_LINES = 100
_IMAGE = ("package", "version")
_READ = (
    "tableNamePrefix", "startedBy", "fullSync", "namespace", "toSameCase", "addMeta", "deduplicate",
    "ignoreRunning", "nodelay", "debug", "workspaceId",
)  # fmt: skip
"""The last three are sent by later consoles, and change nothing here (contract.md G)."""
_LEGACY_NAMESPACE = "${LEGACY}"
"""Stands for table names as the original of April 2024 makes them."""
_NOTHING = frozenset({b"{}", b"[]", b'""'})


class Query(Protocol):
    """Query parameters, as Werkzeug's MultiDict holds them."""

    def lists(self) -> Iterable[tuple[str, list[str]]]:
        """Return each name with all values given for it."""
        ...


class NewTask(Struct, frozen=True):
    """A task to start; parameters that were not given are "".

    config, catalog and state are the JSON as sent, without white space (numbers keep their digits), None if absent or
    null. A state of None means to resume from the saved state, b"{}" to start from nothing.
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
    ignore_running: bool = False
    config: bytes | None = None
    catalog: bytes | None = None
    state: bytes | None = None

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


class CancelQuery(Struct, frozen=True):
    """Which task to end; package and syncId, if given, have to be the task's."""

    task_id: str
    package: str = ""
    sync_id: str = ""


def parse_spec(query: Query, body: bytes = b"") -> NewTask:  # noqa: ARG001 - a GET's body means nothing
    """GET /spec."""
    given = _parameters(query, required=_IMAGE)
    return NewTask(Command.SPEC, **_image(given))


def parse_read(query: Query, body: bytes) -> NewTask:
    """POST /read."""
    given = _parameters(query, required=(*_IMAGE, "syncId", "taskId"), optional=_READ)
    image = _image(given)
    for name in ("syncId", "taskId"):
        # Both become part of a path, and proxies may remove such parts (RFC 3986, 5.2.4).
        if any(part in {"", ".", ".."} for part in given[name].split("/")):
            raise BadRequest(f"{name}: has an empty part, `.` or `..` between slashes; in a URL it would get lost.")
    full_sync, ignore_running, wishes = _flag("fullSync", given), _flag("ignoreRunning", given), _wishes(given)
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
        same_case=_flag("toSameCase", given),
        deduplicate=_flag("deduplicate", given, default=True),
        add_meta=_flag("addMeta", given),
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

    given = _parameters(query, optional=("syncId", "status", "command", "limit", "cursor"))
    return TaskQuery(
        sync_id=given.get("syncId", ""),
        status=_choice("status", given, tuple(TaskState)),
        command=_choice("command", given, tuple(Command)),
        limit=_number("limit", given, MAX_PAGE, _PAGE),
        cursor=given.get("cursor", ""),
    )


def parse_task_id(query: Query, task_id: str) -> tuple[str, int, str]:
    """GET /tasks/<taskId>. Return the id, how many of the last log lines to show, and before which position."""
    given = _parameters(query, optional=("logs", "logsBefore"))
    lines = _number("logs", given, MAX_LOG_LINES, LOG_LINES)
    return _text("taskId", task_id), lines, given.get("logsBefore", "")


def parse_cancel(query: Query) -> CancelQuery:
    """GET /cancel."""
    given = _parameters(query, required=("taskId",), optional=("package", "syncId", "workspaceId"))
    return CancelQuery(given["taskId"], given.get("package", ""), given.get("syncId", ""))


def parse_sweep(query: Query) -> None:
    """POST /sweeper takes no parameters."""
    _parameters(query)


def _keyed(command: Command, query: Query, body: bytes) -> NewTask:
    given = _parameters(query, required=(*_IMAGE, "storageKey"), optional=("workspaceId",))
    image = _image(given)
    payload = bodies.members(body, required=("config",))
    return NewTask(command, storage_key=given["storageKey"], **image, **payload)


parse_check = partial(_keyed, Command.CHECK)
"""POST /check."""
parse_discover = partial(_keyed, Command.DISCOVER)
"""POST /discover."""


def _parameters(query: Query, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> dict[str, str]:
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


def _flag(name: str, given: dict[str, str], *, default: bool = False) -> bool:
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
