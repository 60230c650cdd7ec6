"""The Airbyte protocol's STATE messages as msgspec types, and the keys that states are saved under."""

import math
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw, Struct

from common.errors import Refused
from common.protocol.catalogs import MISSING, Catalog, StreamId
from common.protocol.messages import DECODE_ERRORS

GLOBAL_STATE_KEY = "_GLOBAL_STATE"
LEGACY_STATE_KEY = "_LEGACY_STATE"
_MANY = 1e15
"""More records than any source has."""


class StateKind(StrEnum):
    """The three kinds of STATE."""

    STREAM = "STREAM"
    GLOBAL = "GLOBAL"
    LEGACY = "LEGACY"


class StreamState(Struct, frozen=True):
    """The state of one stream."""

    stream_descriptor: StreamId
    stream_state: Raw = Raw(b"null")


class GlobalState(Struct, frozen=True):
    """A state shared by all streams, with a part for each."""

    shared_state: Raw = MISSING
    stream_states: list[StreamState] | None = None


class Statistics(Struct, frozen=True):
    """The source's counts of records since its last STATE; current connectors send floats."""

    recordCount: Any = None  # noqa: N815 - the protocol's spelling
    rejectedRecordCount: Any = None  # noqa: N815 - the protocol's spelling

    @property
    def sent(self) -> float | None:
        """How many records the source counted; None if it is not a number."""
        return _number(self.recordCount)

    @property
    def rejected(self) -> int:
        """How many records the source itself rejected, so that they never came."""
        count = _number(self.rejectedRecordCount) or 0.0
        return int(count) if 0 < count < _MANY else 0

    def agrees(self, arrived: int) -> bool:
        """Return whether so many records are what the source counted, with those that it rejected or without."""
        return self.sent is None or self.sent in {arrived, arrived + self.rejected}


def _number(value: Any) -> float | None:
    """Return a count, also one in quotes; None if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


class StateMessage(Struct, frozen=True):
    """A checkpoint of the source."""

    type: str | None = None
    stream: StreamState | None = None
    global_: Raw = msgspec.field(name="global", default=MISSING)
    data: Raw = MISSING
    sourceStats: Raw = MISSING  # noqa: N815 - the protocol's spelling

    @property
    def kind(self) -> str:
        """The kind in `type`; without a type, the kind of the first payload that is not null."""
        if self.type is not None:
            return self.type.strip().upper()
        if self.data not in (MISSING, Raw(b"null")):
            return StateKind.LEGACY
        if self.stream is not None:
            return StateKind.STREAM
        return StateKind.LEGACY if self.global_ == MISSING and self.data != MISSING else StateKind.GLOBAL

    @property
    def shared(self) -> tuple[str, Raw] | None:
        """Key and content of a state of all streams; None for a STREAM state."""
        if self.kind == StateKind.GLOBAL:
            return GLOBAL_STATE_KEY, self.global_
        return (LEGACY_STATE_KEY, self.data) if self.kind == StateKind.LEGACY else None

    @property
    def statistics(self) -> Statistics:
        """The source's counts; empty if missing or unreadable: the state is valid all the same."""
        try:
            return msgspec.json.decode(self.sourceStats or b"null", type=Statistics | None) or Statistics()
        except DECODE_ERRORS:
            return Statistics()


def refuse_shared(catalog: Catalog, prefix: str) -> None:
    """Raise Refused, naming both, if two streams would write to one table, or save their states under one key.

    They would replace each other's rows or states unseen.
    """
    seen: dict[tuple[str, str], str] = {}
    for stream in catalog.streams:
        namespace = stream.id.namespace
        name = f"{stream.id.name!r} ({'no namespace' if namespace is None else f'namespace {namespace!r}'})"
        for kind, value, advice in (
            ("table", stream.table(prefix), "give one of them a table_name of its own, or select only one"),
            ("state key", stream.id.key, "select only one"),
        ):
            if other := seen.get((kind, value)):
                raise Refused(f"catalog: the streams {other} and {name} would share the {kind} {value!r}; {advice}.")
            seen[kind, value] = name
        if stream.id.key in {GLOBAL_STATE_KEY, LEGACY_STATE_KEY}:
            raise Refused(
                f"catalog: a stream cannot be called {stream.id.key!r}: its state would pass for another kind."
            )
