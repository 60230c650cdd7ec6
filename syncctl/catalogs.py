"""Discovered catalogs, and the configured ones that reads get."""

from collections.abc import Sequence

import msgspec
import typer
from msgspec import Raw, Struct

from syncctl.api import models


class DiscoveredStream(Struct, frozen=True):
    """One stream as `discover` describes it, with the members that are used here."""

    name: str
    namespace: str | None = None
    json_schema: dict[str, object] = {}
    supported_sync_modes: list[str] | None = None
    source_defined_cursor: bool | None = None
    default_cursor_field: list[str] | None = None
    source_defined_primary_key: list[list[str]] | None = None

    @property
    def key(self) -> str:
        """`name` or `namespace.name`, the stream's name in tasks and tables."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name

    @property
    def is_resumable(self) -> bool:
        """Whether it can be read incrementally without a choice of cursor."""
        return "incremental" in (self.supported_sync_modes or []) and bool(
            self.source_defined_cursor or self.default_cursor_field
        )

    def configured(self, raw: Raw) -> Raw:
        """Return `raw`, the stream's own JSON, as a stream of a configured catalog."""
        key = self.source_defined_primary_key or []
        entry = {
            "stream": raw,
            "sync_mode": "incremental" if self.is_resumable else "full_refresh",
            "cursor_field": self.default_cursor_field or [],
            "destination_sync_mode": ("append_dedup" if key else "append") if self.is_resumable else "overwrite",
            "primary_key": key,
        }
        return Raw(msgspec.json.encode(entry))


class _ConfiguredStream(Struct, frozen=True):
    stream: DiscoveredStream
    sync_mode: str = ""


class _Catalog(Struct, frozen=True):
    streams: list[Raw]


def discovered_streams(catalog: Raw) -> list[DiscoveredStream]:
    """Return the streams of a discovered catalog. Raise one of DECODE_ERRORS."""
    return [msgspec.json.decode(raw, type=DiscoveredStream) for raw in _streams(catalog)]


def incremental_streams(configured: Raw) -> frozenset[str]:
    """Return the keys of a configured catalog's incremental streams."""
    entries = [msgspec.json.decode(raw, type=_ConfiguredStream) for raw in _streams(configured)]
    return frozenset(entry.stream.key for entry in entries if entry.sync_mode == "incremental")


def configure(catalog: Raw, names: Sequence[str]) -> Raw:
    """Return a configured catalog from a configured or a discovered one.

    A discovered stream becomes incremental if that needs no choice, else full_refresh. `names` selects streams by name
    or namespace.name; all, if empty. Raise typer.BadParameter for a name that is not there, or if no stream is left.
    """
    try:
        entries = [_entry(raw) for raw in _streams(catalog)]
    except models.DECODE_ERRORS as exc:
        raise typer.BadParameter(
            f"This is not a catalog: {exc}. Pass a configured catalog, or what `syncctl discover ... --json` prints.",
            param_hint="--catalog",
        ) from exc
    _refuse_unknown([stream for stream, _ in entries], names)
    if not entries:
        raise typer.BadParameter("The catalog has no streams: nothing would be read.", param_hint="--catalog")
    chosen = [raw for stream, raw in entries if not names or stream.name in names or stream.key in names]
    return Raw(msgspec.json.encode({"streams": chosen}))


def _streams(catalog: Raw) -> list[Raw]:
    return msgspec.json.decode(catalog, type=_Catalog).streams


def _entry(raw: Raw) -> tuple[DiscoveredStream, Raw]:
    if "stream" in msgspec.json.decode(raw, type=dict[str, Raw]):
        return msgspec.json.decode(raw, type=_ConfiguredStream).stream, raw
    stream = msgspec.json.decode(raw, type=DiscoveredStream)
    return stream, stream.configured(raw)


def _refuse_unknown(streams: Sequence[DiscoveredStream], names: Sequence[str]) -> None:
    known = {name for stream in streams for name in (stream.name, stream.key)}
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(
            f"No stream is called {', '.join(unknown)}. The catalog has: "
            f"{', '.join(stream.key for stream in streams) or 'no streams'}.",
            param_hint="--stream",
        )
