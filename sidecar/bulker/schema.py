"""A stream's key columns and column types as Bulker expects them (docs/reference/contract.md D)."""

from typing import Any

import msgspec

from common.protocol.catalogs import ConfiguredStream
from common.protocol.messages import DECODE_ERRORS

_HEADER_BYTES = 32 * 1024
"""Servers refuse larger headers; Bulker can infer types without it."""
_BOOLEAN, _INTEGER, _NUMBER, _STRING, _TIMESTAMP, _JSON = 1, 2, 3, 4, 5, 6
_TYPES = {"boolean": _BOOLEAN, "integer": _INTEGER, "number": _NUMBER, "string": _STRING}


def keys(stream: ConfiguredStream) -> tuple[str, ...]:
    """Return the key's columns. A nested field is one column: Bulker names it by its path, joined with _."""
    return tuple(dict.fromkeys(map("_".join, key_paths(stream))))


def key_paths(stream: ConfiguredStream) -> tuple[tuple[str, ...], ...]:
    """Return the key's fields, each by its path: two of them, or one and another field, may share a joined name.

    A stream that appends has none: it keeps each version of a row.
    """
    if stream.appends or not stream.deduplicate:
        return ()
    return _paths(stream.stream.source_defined_primary_key) or _paths(stream.primary_key)


def _paths(paths: list[list[str]] | None) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(tuple(path) for path in paths or () if "_".join(path)))


def header(stream: ConfiguredStream, table: str) -> str:
    """Return the X-Jitsu-Schema header; "" if the catalog has no properties, or too many for a header."""
    try:
        schema = msgspec.json.decode(stream.stream.json_schema or b"null")
    except DECODE_ERRORS:
        return ""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        return ""
    fields = [{"name": name, "type": _type(spec)} for name, spec in properties.items()]
    # Header values are ASCII without DEL: msgspec writes UTF-8, so escape the rest.
    text = msgspec.json.encode({"name": table, "fields": fields}).decode()
    ascii_text = "".join(c if c.isprintable() and c.isascii() else _escaped(c) for c in text)
    return ascii_text if len(ascii_text) <= _HEADER_BYTES else ""


def _escaped(character: str) -> str:
    raw = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(raw[at : at + 2]):04x}" for at in range(0, len(raw), 2))


def _type(spec: Any) -> int:
    """Return a column's type by its first JSON type that is not null; 4 (string) without one."""
    if not isinstance(spec, dict):
        return _STRING
    kinds = spec.get("type")
    kind = str(next((k for k in (kinds if isinstance(kinds, list) else [kinds]) if k != "null"), None))
    if kind == "string" and spec.get("format") == "date-time":
        return _TIMESTAMP
    if kind == "number" and spec.get("airbyte_type") == "integer":
        return _INTEGER
    if kind in {"object", "array"}:
        return _JSON
    return _TYPES.get(kind, _STRING)
