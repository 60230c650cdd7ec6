"""Reads the documents of a body, JSON or YAML, and checks them: alone, together, and beside those that exist."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct

from common.errors import BadRequest, Unusable
from common.request import Request
from common.syncs import others, source
from common.syncs.check import MAX_PROBLEMS
from common.syncs.model import Sync
from common.syncs.others import Link
from common.syncs.source import Path, SourceError
from common.syncs.validate import Rules, validate
from common.tasks import bodies

MAX_NODES = 300_000
"""Keys and values of JSON: as many requests as a function takes at once fit its memory. YAML has a lower limit."""
_SHOWN = 5
_INTEGERS = range(-(2**63), 2**63)


_parsing = threading.Lock()
"""A body that is decoded takes many times its size: one at a time."""


class Given(Struct, frozen=True):
    """A document of the body, and its lines if it is YAML."""

    data: Any
    lines: source.Document | None = None


class Problem(Struct, frozen=True, omit_defaults=True):
    """Something wrong; `document` is its number, from 0, and `path` the field's, part by part."""

    document: int
    path: Path
    field: str
    message: str
    line: int = 0

    def __str__(self) -> str:
        """`line 3: field: expected ...`."""
        where = (f"line {self.line}" if self.line else "", self.field)
        return ": ".join([*filter(None, where), self.message])


def read(request: Request) -> list[Given]:
    """Return the documents of a body. Raise BadRequest or Unusable if it cannot be read."""
    if not request.body.strip():
        raise BadRequest("The body is empty; expected the document of a sync, as YAML or JSON.")
    with _parsing:
        if "json" in request.headers.get("content-type", "").partition(";")[0].lower():
            return _read_json(request.body)
        return _read_yaml(request.body)


def _read_json(body: bytes) -> list[Given]:
    bodies.check_json(body)
    data = msgspec.json.decode(body)
    if _count(data) > MAX_NODES:
        raise BadRequest(f"The body has more than {MAX_NODES:,} keys and values; send fewer documents at once.")
    return [Given(one) for one in (data if isinstance(data, list) else [data])]


def _count(data: Any) -> int:
    """Return how many values there are, level by level."""
    count, level = 0, [data]
    while level:
        count += len(level)
        inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = list(chain.from_iterable(inner))
    return count


def _read_yaml(body: bytes) -> list[Given]:
    try:
        return [Given(one.data, one) for one in source.read(body)]
    except SourceError as error:
        problem = Problem(0, error.path, source.shown(error.path), str(error), error.line)
        raise unusable([problem]) from None


def checked(given: Sequence[Given], existing: Iterable[Mapping[str, Any]], rules: Rules) -> list[Sync]:
    """Return the syncs of the documents. Raise Unusable, with all problems, if there is any."""
    syncs: list[Sync] = []
    problems: list[Problem] = []
    for number, one in enumerate(given):
        sync, found = validate(one.data, rules)
        found |= dict(_large_numbers(one))
        problems += [_problem(given, number, path, text) for path, text in sorted(found.items(), key=str)]
        if sync is not None:
            syncs.append(sync)
    if not problems:
        problems = list(_together(given, syncs, [Link.of_document(document) for document in existing]))
    if problems:
        raise unusable(problems)
    return syncs


def unusable(problems: Sequence[Problem]) -> Unusable:
    """Return the error for these problems."""
    more = f"; and {len(problems) - _SHOWN:,} more" if problems[_SHOWN:] else ""
    text = "; ".join(map(str, problems[:_SHOWN]))
    end = "" if (text + more)[-1] in ".?" else "."
    return Unusable(f"{text}{more}{end} Nothing was written.", msgspec.to_builtins(problems[:MAX_PROBLEMS]))


def _together(given: Sequence[Given], syncs: Sequence[Sync], existing: Sequence[Link]) -> Iterator[Problem]:
    numbers: dict[str, int] = {}
    for number, sync in enumerate(syncs):
        if numbers.setdefault(sync.metadata.name, number) != number:
            yield _problem(given, number, ("metadata", "name"), "expected another name; a document before has this one")
    for name, path, text in others.findings(map(Link.of, syncs), existing):
        yield _problem(given, numbers[name], path, text)


def _problem(given: Sequence[Given], number: int, path: Path, text: str) -> Problem:
    lines = given[number].lines
    return Problem(number, path, source.shown(path), text, lines.line(path) if lines else 0)


def _large_numbers(one: Given) -> Iterator[tuple[Path, str]]:
    """Find what JSON may hold and neither home keeps; the reader of YAML refuses it itself."""
    if one.lines is None:
        for path, value in source.paths(one.data):
            if isinstance(value, int) and value not in _INTEGERS:
                yield path, "expected a number of at most 64 bits, or a text in quotes"
