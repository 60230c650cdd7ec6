"""Where functions answer: their paths and methods, and which use case a path of several means."""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from common.errors import BadRequest, MethodNotAllowed, NotFound

Method = Literal["GET", "POST", "PUT", "DELETE"]
Rules = Mapping[str, Mapping[Method, str]]
"""What a function with several paths does: `{"NAME/run": {"POST": "package.module:use_case"}}`.

Parts in capitals stand for any name. The modules are imported when a request needs them: cold starts matter.
"""


class Route(Struct, frozen=True):
    """Where a function answers: / and /name; with `subpaths` also /name/<id> and /<id>.

    `methods`: the first is the main one; a body is read if that is POST, and always of a PUT. `safe`: a GET changes
    nothing, so HEAD is answered too (GET /spec starts a task). `anonymous_events`: CloudEvents need no token if
    SYNCCTL_EVENTS_WITHOUT_TOKEN is set; a body is an event's, and small.
    """

    name: str
    methods: tuple[Method, ...]
    subpaths: bool = False
    safe: bool = False
    anonymous_events: bool = False

    @property
    def allowed(self) -> tuple[str, ...]:
        """The value of the Allow header."""
        return (*self.methods, "HEAD") if self.safe else self.methods

    def takes_body(self, method: str) -> bool:
        """Return whether the body of such a request means anything."""
        return method == "PUT" or self.methods[0] == "POST"

    def subpath(self, path: str) -> str | None:
        """Return the part of a path below the route, "" for the route itself, None for a path of no route."""
        path = path.removesuffix("/")
        if path in {"", f"/{self.name}"}:
            return ""
        if not self.subpaths:
            return None
        return path.removeprefix(f"/{self.name}/") if path.startswith(f"/{self.name}/") else path[1:]


def split(path: str, name: str) -> tuple[str, ...]:
    """Return the parts of a path as sent, below the route of that name; each decoded alone: it may hold a slash."""
    parts = path.removesuffix("/").split("/")[1:]
    try:
        return tuple(unquote_to_bytes(part).decode() for part in (parts[1:] if parts[:1] == [name] else parts))
    except UnicodeDecodeError:
        raise BadRequest("The path is not UTF-8; percent-encode the bytes of UTF-8 text.") from None


def choose(rules: Rules, route: Route, method: str, parts: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the use case of a path and a method, and the names in the path. Raise NotFound or MethodNotAllowed.

    A word that a rule names comes before one that stands for any, unless that rule takes no such method.
    """
    method = "GET" if method == "HEAD" and route.safe else method
    fitting = [(rule, names) for rule in rules if (names := _names(rule, parts)) is not None]
    if not fitting:
        known = ", ".join(rule for rule in rules if rule)
        raise NotFound(f"There is nothing at this path; below /{route.name} there are {known}.")
    rule, names = min(fitting, key=lambda found: (method not in rules[found[0]], len(found[1])))
    ways = {str(way): use_case for way, use_case in rules[rule].items()}
    if method not in ways:
        allowed = (*ways, "HEAD") if "GET" in ways and route.safe else tuple(ways)
        raise MethodNotAllowed(f"Use {' or '.join(allowed)} here.", allowed)
    return ways[method], names


def _names(rule: str, parts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what stands for the words in capitals; None if the rule does not fit."""
    words = rule.split("/") if rule else []
    if len(words) != len(parts):
        return None
    pairs = list(zip(words, parts, strict=True))
    fits = all(word.isupper() or word == part for word, part in pairs)
    return tuple(part for word, part in pairs if word.isupper()) if fits else None
