"""Read the parameters of a query one by one: a problem becomes a sentence that names the parameter, never its value."""

import re
from datetime import datetime
from typing import Any

from common import images
from common.errors import BadRequest
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
IMAGE = ("package", "version")
_TIME = re.compile(r"[12]\d{3}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def parameters(query: Query, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the parameters of a query by name. Raise BadRequest for unknown, doubled and missing ones."""
    accepted = (*required, *optional, "connectorType")
    given: dict[str, str] = {}
    for name, values in query.lists():
        if name not in accepted:
            raise BadRequest(f"Unknown parameter {bodies.shown(name)}; accepted here are {', '.join(accepted)}.")
        if len(values) > 1:
            raise BadRequest(f"{name}: given {len(values)} times; send it once.")
        given[name] = text(name, values[0])
    if missing := [name for name in required if not given.get(name, "").strip()]:
        raise BadRequest(f"Missing or empty parameters: {', '.join(missing)}.")
    if given.get("connectorType", "") not in {"", "airbyte"}:
        raise BadRequest("connectorType: only airbyte is known here.")
    return given


def text(name: str, value: str) -> str:
    """Return a text within its limit. Raise BadRequest for a longer one, and for control characters."""
    if name in IMAGE:
        return value  # has a grammar of its own
    limit = MAX_LENGTHS.get(name, 100)
    if len(value) > limit:
        raise BadRequest(f"{name}: has {len(value)} characters, at most {limit} are accepted.")
    if bodies.UNPRINTABLE.search(value):
        raise BadRequest(f"{name}: holds a control character, such as NUL or a line break; send printable text.")
    return value


def image_of(given: dict[str, str]) -> dict[str, Any]:
    """Return package and version. Raise BadRequest for what names no image."""
    found = images.parse(given["package"], given["version"])
    return {"package": found.package, "version": found.version}


def flag(name: str, given: dict[str, str], *, default: bool = False) -> bool:
    """Return a parameter that is true or false. Raise BadRequest for anything else."""
    value = given.get(name, "")
    if value not in {"", "true", "false"}:
        raise BadRequest(f"{name}: expected true or false.")
    return value == "true" if value else default


def choice(name: str, given: dict[str, str], choices: tuple[str, ...]) -> str:
    """Return one of the choices, or "". Raise BadRequest for anything else."""
    value = given.get(name, "")
    if value and value not in choices:
        raise BadRequest(f"{name}: expected one of {', '.join(choices)}.")
    return value


def number(name: str, given: dict[str, str], largest: int, default: int) -> int:
    """Return a whole number from 1 on. Raise BadRequest for anything else."""
    digits = given.get(name, "")
    if not digits:
        return default
    if not re.fullmatch("[0-9]{1,9}", digits) or not 1 <= int(digits) <= largest:
        raise BadRequest(f"{name}: expected a whole number from 1 to {largest}.")
    return int(digits)


def moment(name: str, given: dict[str, str]) -> datetime | None:
    """Return a time with its zone, or None. Raise BadRequest for anything else."""
    time = given.get(name, "")
    if not time:
        return None
    try:
        return datetime.fromisoformat(time if _TIME.fullmatch(time) else "")
    except ValueError:
        raise BadRequest(
            f"{name}: expected a time such as 2026-11-30T02:00:00Z, or 2026-11-30T02:00:00%2B01:00: a plus is "
            "percent-encoded in a URL."
        ) from None
