"""A stream's key columns and column types as Bulker expects them (docs/reference/contract.md D)."""

from itertools import accumulate
from typing import Any

import msgspec

from common.protocol.catalogs import ConfiguredStream
from common.protocol.messages import DECODE_ERRORS

_HEADER_BYTES = 1024 * 1024 - 32 * 1024
"""Bulker's server takes 1 MiB for all headers and the address, which has the key's columns."""
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
    """Return the X-Jitsu-Schema header; "" if the catalog has no properties.

    If not all of them fit into a header, Bulker infers the other columns from their values.
    """
    try:
        schema = msgspec.json.decode(stream.stream.json_schema or b"null")
    except DECODE_ERRORS:
        return ""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        return ""
    start = f'{{"name":{_ascii(table)},"fields":['
    fields = [_ascii({"name": name, "type": _type(spec)}) for name, spec in properties.items()]
    sizes = accumulate((len(field) + 1 for field in fields), initial=len(start) + 1)
    fitting = sum(size <= _HEADER_BYTES for size in sizes) - 1
    return f"{start}{','.join(fields[:fitting])}]}}" if fitting > 0 else ""


def _ascii(value: Any) -> str:
    """Return JSON as header values may be: ASCII without DEL. msgspec writes UTF-8."""
    text = msgspec.json.encode(value).decode()
    return "".join(c if c.isprintable() and c.isascii() else _escaped(c) for c in text)


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
