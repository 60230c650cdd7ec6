"""What a parser takes, found by asking it: its refusals name parameters, choices and limits.

So a parameter that a parser gains is in the document without being described a second time.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from common.errors import BadRequest, SyncError

Schema = dict[str, Any]
Parse = Callable[["Query"], object]

_LONG = "a" * 60_000
"""More than any parameter may have."""
_NO_VALUE = "?"
"""Of no type and no choice."""


class Query(dict[str, str]):
    """A query as parsers take it."""

    def lists(self) -> list[tuple[str, list[str]]]:
        """See common.request.Query."""
        return [(name, [value]) for name, value in self.items()]


class Parameter(Struct, frozen=True):
    """A parameter of a query."""

    name: str
    required: bool
    schema: Schema


def refusal(parse: Parse, query: Mapping[str, str]) -> str:
    """Return what a parser says of a query; "" where it accepts it, or fails later for another reason."""
    try:
        parse(Query(query))
    except BadRequest as error:
        return error.message
    except SyncError:
        pass
    return ""


def listed(message: str, before: str) -> list[str]:
    """Return the names that a refusal lists behind some words."""
    return message.partition(before)[2].rstrip(".").split(", ") if before in message else []


def parameters(parse: Parse) -> list[Parameter]:
    """Return what a parser takes, without connectorType."""
    names = [name for name in listed(refusal(parse, {"?": ""}), "accepted here are ") if name != "connectorType"]
    given = in_order(parse)
    return [Parameter(name, name in given, _schema(parse, given, name)) for name in names]


def in_order(parse: Parse) -> dict[str, str]:
    """Return a query with the required parameters alone. Each of them takes a plain word."""
    return dict.fromkeys(listed(refusal(parse, {}), "empty parameters: "), "a")


def members(parse: Callable[[bytes], object]) -> tuple[list[str], list[str]]:
    """Return the members of a body that a parser takes, and those of them that it requires."""

    def asked(body: bytes) -> str:
        return refusal(lambda _: parse(body), {})

    return listed(asked(b'{"?":1}'), "accepted are "), listed(asked(b"{}"), "Missing from the body: ")


def _schema(parse: Parse, given: Mapping[str, str], name: str) -> Schema:
    refused = refusal(parse, {**given, name: _NO_VALUE}).removeprefix(f"{name}: ")
    if refused == "expected true or false.":
        return {"type": "boolean"}
    if choices := listed(refused, "expected one of "):
        return {"type": "string", "enum": choices}
    if number := re.fullmatch(r"expected a whole number from (\d+) to (\d+)\.", refused):
        return {"type": "integer", "minimum": int(number[1]), "maximum": int(number[2])}
    return {"type": "string", **_limit(parse, given, name)}


def _limit(parse: Parse, given: Mapping[str, str], name: str) -> Schema:
    """Return the longest value: a parser may have a shorter one than all have."""
    found: Schema = {}
    text = _LONG
    while limit := re.match(rf"{name}: .*at most (\d+) (?:are|characters)", refusal(parse, {**given, name: text})):
        found, text = {"maxLength": int(limit[1])}, "a" * int(limit[1])
    return found
