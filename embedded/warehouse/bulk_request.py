"""The parameters of a request: table, mode, keys and schema."""

from enum import StrEnum
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from common import nesting
from common.errors import BadRequest, SyncError
from embedded.warehouse.rows import KeyPart


class BulkMode(StrEnum):
    """`replace_table` replaces the table at the end; `batch` and `stream` append, or merge by key if there is one."""

    REPLACE_TABLE = "replace_table"
    BATCH = "batch"
    STREAM = "stream"


class SchemaField(Struct, frozen=True):
    """A property of the stream; `type` as in docs/reference/contract.md D, 0 if unknown."""

    name: str
    type: int = 0


class _Schema(Struct, frozen=True):
    fields: tuple[SchemaField, ...] = ()


class BulkRequest(Struct, frozen=True):
    """A request without its rows. `paths` are the keys as the sidecar knows them; Bulker's `keys` are joined names."""

    table: str
    mode: BulkMode
    keys: tuple[str, ...] = ()
    schema: tuple[SchemaField, ...] = ()
    paths: tuple[tuple[str, ...], ...] = ()

    @property
    def key(self) -> list[KeyPart]:
        """The parts of the primary key."""
        return [KeyPart("_".join(path), path) for path in self.paths] or [KeyPart(name) for name in self.keys]


def parse(destination: str, query: str, schema: str) -> BulkRequest:
    """Parse a /bulk request's query and X-Jitsu-Schema header ("" if absent). Raise SyncError in Bulker's words."""
    given = parse_qs(query, keep_blank_values=True)
    mode = given.get("mode", [""])[0] or BulkMode.REPLACE_TABLE
    if mode not in set(BulkMode):
        raise SyncError(f"error# {destination}: create stream error: unknown mode; use one of {', '.join(BulkMode)}")
    keys = dict.fromkeys(key for key in given.get("pk", []) if key)
    paths = tuple(map(_path, given.get("pkPath", [])))
    return BulkRequest(_table(given), BulkMode(mode), tuple(keys), _fields(schema), paths)


def parse_event(query: str) -> BulkRequest:
    """Parse a /post request's query."""
    return BulkRequest(_table(parse_qs(query)), BulkMode.STREAM)


def _table(given: dict[str, list[str]]) -> str:
    table = given.get("tableName", [""])[0]
    if not table:
        raise BadRequest("missing required parameter: tableName")
    return table


def _path(text: str) -> tuple[str, ...]:
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.MsgspecError as exc:
        raise BadRequest(f"pkPath: expected an array of a field's names, from the outermost on: {exc}") from exc


def _fields(header: str) -> tuple[SchemaField, ...]:
    if not header:
        return ()
    try:
        # WSGI decodes headers as Latin-1.
        raw = header.encode("latin-1")
        nesting.check(raw)
        fields = msgspec.json.decode(raw, type=_Schema).fields
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise BadRequest(f"schema unmarshal error: X-Jitsu-Schema cannot be read: {exc}") from exc
    return tuple({field.name: field for field in fields}.values())
