"""Catalogs: from what a connector offers to what a read asks for."""

from collections.abc import Sequence

import msgspec
import typer
from msgspec import Raw, Struct

from syncctl.api import models


class DiscoveredStream(Struct, frozen=True):
    """One stream as `discover` describes it; the whole description travels on as it came."""

    name: str
    namespace: str | None = None
    json_schema: dict[str, object] = {}
    supported_sync_modes: list[str] | None = None
    source_defined_cursor: bool | None = None
    default_cursor_field: list[str] | None = None
    source_defined_primary_key: list[list[str]] | None = None

    @property
    def key(self) -> str:
        """`name` or `namespace.name`: how tasks and tables call the stream."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name

    @property
    def resumable(self) -> bool:
        """Whether it can be read incrementally without anybody choosing a cursor first."""
        return "incremental" in (self.supported_sync_modes or []) and bool(
            self.source_defined_cursor or self.default_cursor_field
        )


class _ConfiguredStream(Struct, frozen=True):
    stream: DiscoveredStream
    sync_mode: str = ""


class _Catalog(Struct, frozen=True):
    streams: list[Raw]


def discovered_streams(catalog: Raw) -> list[DiscoveredStream]:
    """The streams of a discovered catalog; raises msgspec.MsgspecError."""
    return [msgspec.json.decode(raw, type=DiscoveredStream) for raw in _streams(catalog)]


def incremental_streams(configured: Raw) -> frozenset[str]:
    """Return the keys of a configured catalog's incremental streams."""
    entries = [msgspec.json.decode(raw, type=_ConfiguredStream) for raw in _streams(configured)]
    return frozenset(entry.stream.key for entry in entries if entry.sync_mode == "incremental")


def configure(catalog: Raw, names: Sequence[str], option: str = "--catalog") -> Raw:
    """A configured catalog, from a configured or a discovered one.

    A discovered stream becomes incremental where that needs no choice, full_refresh elsewhere. `names` selects
    streams (all, if empty) by name or by namespace.name; typer.BadParameter tells which ones there are.
    """
    try:
        entries = [_entry(raw) for raw in _streams(catalog)]
    except models.DECODE_ERRORS as exc:
        raise typer.BadParameter(
            f"This is no catalog: {exc}. Expected a configured catalog, or what `syncctl discover ... --json` prints.",
            param_hint=option,
        ) from exc
    _refuse_unknown([stream for stream, _ in entries], names)
    if not entries:
        raise typer.BadParameter("The catalog has no streams: nothing would be read.", param_hint=option)
    chosen = [raw for stream, raw in entries if not names or stream.name in names or stream.key in names]
    return Raw(msgspec.json.encode({"streams": chosen}))


def _streams(catalog: Raw) -> list[Raw]:
    return msgspec.json.decode(catalog, type=_Catalog).streams


def _entry(raw: Raw) -> tuple[DiscoveredStream, Raw]:
    if "stream" in msgspec.json.decode(raw, type=dict[str, Raw]):
        return msgspec.json.decode(raw, type=_ConfiguredStream).stream, raw
    stream = msgspec.json.decode(raw, type=DiscoveredStream)
    key = stream.source_defined_primary_key or []
    entry = {
        "stream": raw,
        "sync_mode": "incremental" if stream.resumable else "full_refresh",
        "cursor_field": stream.default_cursor_field or [],
        "destination_sync_mode": _destination_mode(stream),
        "primary_key": key,
    }
    return stream, Raw(msgspec.json.encode(entry))


def _destination_mode(stream: DiscoveredStream) -> str:
    if not stream.resumable:
        return "overwrite"
    return "append_dedup" if stream.source_defined_primary_key else "append"


def _refuse_unknown(streams: Sequence[DiscoveredStream], names: Sequence[str]) -> None:
    known = {name for stream in streams for name in (stream.name, stream.key)}
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(
            f"No stream is called {', '.join(unknown)}. The catalog has: "
            f"{', '.join(stream.key for stream in streams) or 'no streams'}.",
            param_hint="--stream",
        )
