"""How much a source says that it will send (TRACE ESTIMATE, AirbyteEstimateTraceMessage)."""

import math
from typing import Any

from msgspec import Struct

from common.protocol.catalogs import StreamId

_MOST = 2**63 - 1


class Estimate(Struct, frozen=True, omit_defaults=True):
    """What a stream, or a whole read, will send this time; 0 where that is not known."""

    rows: int = 0
    bytes: int = 0


class EstimateTrace(Struct, frozen=True):
    """The content of an ESTIMATE; its members may be of any JSON type."""

    name: Any = None
    namespace: Any = None
    type: Any = None
    row_estimate: Any = None
    byte_estimate: Any = None

    @property
    def estimate(self) -> Estimate | None:
        """What is estimated; None if nothing of it is a number above 0."""
        found = Estimate(_count(self.row_estimate), _count(self.byte_estimate))
        return found if found != Estimate() else None

    @property
    def of_sync(self) -> bool:
        """Whether it is about the whole read: type SYNC."""
        return self._kind == "SYNC"

    @property
    def stream(self) -> StreamId | None:
        """The stream that it is about, also where the type is missing; None for the whole read and for nonsense."""
        named = isinstance(self.name, str) and self.name
        if not named or self._kind not in {"STREAM", ""}:
            return None
        return StreamId(self.name, self.namespace if isinstance(self.namespace, str) else None)

    @property
    def _kind(self) -> str:
        return str(self.type or "").strip().upper()


def _count(value: Any) -> int:
    """Return a number above 0, rounded down, as Postgres's bigint holds it; else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return int(value) if 1 <= value <= _MOST else 0
