"""The Airbyte protocol's catalogs as msgspec types (airbyte_protocol.yaml), and the rules for stream keys and tables.

Only fields in use are typed; a schema stays `Raw`.
"""

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

MISSING = Raw(b"")
"""The default of a Raw member: msgspec has no optional Raw."""


class SyncMode(StrEnum):
    """How a stream is read; unknown modes count as full refreshes."""

    FULL_REFRESH = "full_refresh"
    INCREMENTAL = "incremental"


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
    """A selected stream and how to read it."""

    stream: Stream
    sync_mode: str = SyncMode.FULL_REFRESH
    primary_key: list[list[str]] | None = None

    @property
    def id(self) -> StreamId:
        """The stream's identity."""
        return StreamId(self.stream.name, self.stream.namespace)

    @property
    def incremental(self) -> bool:
        """Whether the stream resumes from its state."""
        return self.sync_mode == SyncMode.INCREMENTAL

    @property
    def resumable(self) -> bool:
        """Whether the source resumes the stream from a state even in a full refresh."""
        return self.stream.is_resumable is True

    def table(self, prefix: str) -> str:
        """Return the destination's table: the catalog's `table_name`, else the prefix and the stream's key."""
        return self.stream.table_name or prefix + self.id.key


class Catalog(Struct, frozen=True):
    """A configured catalog: the streams to read."""

    streams: list[ConfiguredStream]


def decode_catalog(raw: bytes) -> Catalog:
    """Decode a configured catalog; raise msgspec.MsgspecError (a ValueError) naming the path."""
    return _catalog.decode(raw)


_catalog = msgspec.json.Decoder(Catalog)
