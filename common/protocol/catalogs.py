"""The Airbyte protocol's catalogs as msgspec types, and the rules for stream keys and tables.

Only what is used is typed; a schema stays `Raw`. Field names and shapes: the protocol's published schema,
airbyte_protocol.yaml.
"""

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

MISSING = Raw(b"")
"""Stands for a member that was not there: msgspec knows no optional Raw."""


class SyncMode(StrEnum):
    """How a stream is read; modes we do not know are read as full refreshes."""

    FULL_REFRESH = "full_refresh"
    INCREMENTAL = "incremental"


class StreamId(Struct, frozen=True):
    """A stream's identity: its name within an optional namespace (the protocol's StreamDescriptor)."""

    name: str
    namespace: str | None = None

    @property
    def key(self) -> str:
        """`name` or `namespace.name`: the key in source_state and in a task's per-stream statuses."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


class Stream(Struct, frozen=True):
    """A catalog's description of one stream."""

    name: str
    namespace: str | None = None
    json_schema: Raw = MISSING
    source_defined_primary_key: list[list[str]] | None = None
    table_name: str | None = None
    is_resumable: Any = None


class ConfiguredStream(Struct, frozen=True):
    """One selected stream and how to read it."""

    stream: Stream
    sync_mode: str = SyncMode.FULL_REFRESH
    primary_key: list[list[str]] | None = None

    @property
    def id(self) -> StreamId:
        """The stream's identity; an empty namespace is none."""
        return StreamId(self.stream.name, self.stream.namespace or None)

    @property
    def incremental(self) -> bool:
        """Whether the stream resumes from its state."""
        return self.sync_mode == SyncMode.INCREMENTAL

    @property
    def resumable(self) -> bool:
        """Whether the source says that it goes on from a state, in a full refresh too."""
        return self.stream.is_resumable is True

    def table(self, prefix: str) -> str:
        """The destination's table: the catalog's own `table_name`, else the prefix and the stream's key."""
        return self.stream.table_name or prefix + self.id.key


class Catalog(Struct, frozen=True):
    """A configured catalog: the streams that a read selects."""

    streams: list[ConfiguredStream]


def decode_catalog(raw: bytes) -> Catalog:
    """Decodes a configured catalog; raises msgspec.MsgspecError (a ValueError) naming the path."""
    return _catalog.decode(raw)


_catalog = msgspec.json.Decoder(Catalog)
