"""What has changed in a source since its last catalog: streams, columns, types. Pure."""

from collections.abc import Collection, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from common.protocol.catalogs import StreamId
from common.protocol.messages import DECODE_ERRORS

MAX_CHANGES = 200
"""Of each sort; the others are counted."""
_MAX_DEPTH = 5
"""Of columns within objects."""
_MAX_TYPE = 100


class ColumnChange(Struct, frozen=True, order=True, rename="camel"):
    """A column and its type before and now; None: it was not there, or is gone."""

    stream: str
    column: str
    was: str | None = None
    now: str | None = None

    def __str__(self) -> str:
        """For a log line: `users.age: integer -> string`."""
        return f"{self.stream}.{self.column}: {self.was or 'new'} -> {self.now or 'gone'}"


class SchemaChanges(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What has changed, as GET /tasks/<id> shows it; empty parts are left out."""

    streams_added: list[str] = []
    streams_removed: list[str] = []
    columns: list[ColumnChange] = []
    """Of the streams that are read."""
    more: int = 0
    """Changes that are not listed."""

    def lines(self) -> Iterator[str]:
        """Yield a log line for each sort of change."""
        if self.streams_added:
            yield f"Streams that the source offers since the last run: {', '.join(self.streams_added)}."
        if self.streams_removed:
            yield f"Streams that the source has ceased to offer since the last run: {', '.join(self.streams_removed)}."
        if self.columns:
            yield f"Columns that have changed since the last run: {', '.join(map(str, self.columns))}."
        if self.more:
            yield f"Since the last run the source's catalog has {self.more:,} more changes."


class _Stream(Struct, frozen=True):
    name: str
    namespace: str | None = None
    json_schema: dict[str, Any] | None = None


class _Catalog(Struct, frozen=True):
    streams: list[_Stream]


def compare(before: bytes, after: bytes, selected: Collection[str]) -> SchemaChanges | None:
    """Return what differs between two discovered catalogs, None if nothing does, or one of them cannot be read.

    `selected`: keys of the streams that are read; columns of others do not matter.
    """
    try:
        old, new = _streams(before), _streams(after)
    except DECODE_ERRORS:
        return None
    added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    both = old.keys() & new.keys() & set(selected)
    columns = sorted(change for key in both for change in _columns(key, old[key], new[key]))
    sorts = (added, removed, columns)
    if not any(sorts):
        return None
    more = sum(max(len(one) - MAX_CHANGES, 0) for one in sorts)
    return SchemaChanges(added[:MAX_CHANGES], removed[:MAX_CHANGES], columns[:MAX_CHANGES], more)


def _streams(catalog: bytes) -> dict[str, dict[str, Any]]:
    found = msgspec.json.decode(catalog, type=_Catalog).streams
    return {StreamId(one.name, one.namespace).key: one.json_schema or {} for one in found}


def _columns(stream: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[ColumnChange]:
    if old == new:
        return
    before, now = dict(_typed(old)), dict(_typed(new))
    for column in before.keys() | now.keys():
        if before.get(column) != now.get(column):
            yield ColumnChange(stream, column, before.get(column), now.get(column))


def _typed(schema: dict[str, Any], path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield each column, also those within objects, and its type."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or depth >= _MAX_DEPTH:
        return
    for name, column in properties.items():
        if isinstance(column, dict):
            yield path + name, _type(column)
            yield from _typed(column, f"{path}{name}.", depth + 1)


def _type(column: dict[str, Any]) -> str:
    """Return a type in words: `string`, `string (date-time)`, `integer or string`; null makes no difference."""
    named = column.get("type")
    names = {str(one) for one in (named if isinstance(named, list) else [named]) if one is not None}
    for sort in ("anyOf", "oneOf"):
        parts = column.get(sort)
        known = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        names |= {_type(part) for part in known if part.get("type") != "null"}
    text = " or ".join(sorted(names - {"null"})) or "any"
    detail = column.get("airbyte_type") or column.get("format")
    return f"{text} ({detail})"[:_MAX_TYPE] if detail else text[:_MAX_TYPE]
