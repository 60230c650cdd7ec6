"""The Airbyte protocol's catalogs as msgspec types (airbyte_protocol.yaml), and the rules for stream keys and tables.

Only fields in use are typed; a schema stays `Raw`.
"""

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

MISSING = Raw(b"")
"""The default of a Raw member: msgspec has no optional Raw."""
SOURCE_NAMESPACE = "${SOURCE_NAMESPACE}"
"""Stands for the stream's namespace in the prefix of table names (later consoles, contract.md G)."""


class SyncMode(StrEnum):
    """How a stream is read; unknown modes count as full refreshes."""

    FULL_REFRESH = "full_refresh"
    INCREMENTAL = "incremental"


_APPEND = "append"
"""The destination_sync_mode that keeps each version of a row."""


class StreamId(Struct, frozen=True, omit_defaults=True):
    """A stream's identity: the protocol's StreamDescriptor. An empty namespace becomes None."""

    name: str
    namespace: str | None = None

    def __post_init__(self) -> None:
        if self.namespace == "":
            msgspec.structs.force_setattr(self, "namespace", None)

    @property
    def key(self) -> str:
        """`name` or `namespace.name`, as in source_state and in a task's per-stream statuses."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


class Stream(Struct, frozen=True):
    """A stream as its source describes it."""

    name: str
    namespace: str | None = None
    json_schema: Raw = MISSING
    source_defined_primary_key: list[list[str]] | None = None
    table_name: str | None = None
    is_resumable: Any = None


class ConfiguredStream(Struct, frozen=True):
    """A selected stream and how to read it; `with_wishes` writes `deduplicate` and `add_meta`."""

    stream: Stream
    sync_mode: str = SyncMode.FULL_REFRESH
    primary_key: list[list[str]] | None = None
    deduplicate: bool = True
    """Whether Bulker gets the key."""
    add_meta: bool = False
    """Whether each row gets the time at which it was read."""
    destination_sync_mode: Any = None
    include_files: Any = None

    @property
    def id(self) -> StreamId:
        """The stream's identity."""
        return StreamId(self.stream.name, self.stream.namespace)

    @property
    def incremental(self) -> bool:
        """Whether the stream resumes from its state."""
        return self.sync_mode == SyncMode.INCREMENTAL

    @property
    def appends(self) -> bool:
        """Whether every row is added, without a key; an incremental stream that begins from nothing still replaces."""
        return str(self.destination_sync_mode).strip().lower() == _APPEND

    @property
    def with_files(self) -> bool:
        """Whether the source is told to send the files that the stream's records stand for."""
        return bool(self.include_files)

    @property
    def resumable(self) -> bool:
        """Whether the source resumes the stream from a state even in a full refresh."""
        return self.stream.is_resumable is True

    def table(self, prefix: str, *, bare: bool = False) -> str:
        """Return the destination's table: the catalog's `table_name`, else the prefix and the stream's key.

        `bare`: the prefix and the stream's name, without its namespace.
        """
        filled = prefix.replace(SOURCE_NAMESPACE, self.stream.namespace or "")
        return self.stream.table_name or filled + (self.stream.name if bare else self.id.key)


class Catalog(Struct, frozen=True):
    """A configured catalog: the streams to read."""

    streams: list[ConfiguredStream]


def decode_catalog(raw: bytes) -> Catalog:
    """Decode a configured catalog; raise msgspec.MsgspecError (a ValueError) naming the path."""
    return _catalog.decode(raw)


class Wishes(Struct, frozen=True):
    """What a caller asks for of the tables and rows of a read, beside its catalog (contract.md A)."""

    prefix: str = ""
    bare: bool = False
    same_case: bool = False
    """Table names in lower case."""
    deduplicate: bool = True
    add_meta: bool = False

    @property
    def of_tables(self) -> bool:
        """Whether a table is called otherwise than by the prefix and the stream's key."""
        return self.bare or self.same_case

    def table(self, stream: ConfiguredStream) -> str:
        """Return the destination's table."""
        name = stream.table(self.prefix, bare=self.bare)
        return name.lower() if self.same_case else name


def with_wishes(raw: bytes, wishes: Wishes) -> bytes:
    """Return a configured catalog whose streams say what is wished for; what else it holds stays as it came.

    The catalog is the only thing that the sidecar, the original's sidecar, and every later attempt are given alike.
    """
    members = {"deduplicate": False} if not wishes.deduplicate else {}
    members |= {"add_meta": True} if wishes.add_meta else {}
    if not members and not wishes.of_tables:
        return raw
    catalog = _members.decode(raw)
    streams = []
    for one, stream in zip(_list.decode(catalog["streams"]), decode_catalog(raw).streams, strict=True):
        if wishes.of_tables:
            one["stream"] = _encoded(_members.decode(one["stream"]) | {"table_name": _encoded(wishes.table(stream))})
        streams.append(one | {name: _encoded(value) for name, value in members.items()})
    return msgspec.json.encode(catalog | {"streams": streams})


def _encoded(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


_catalog = msgspec.json.Decoder(Catalog)
_members = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[dict[str, Raw]])
