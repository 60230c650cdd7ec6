"""Records that are refused: counted in their streams, and told in the log, though not each of very many."""

from common.protocol.catalogs import StreamId
from sidecar.read.stream import Lane
from sidecar.read.streams import Lanes
from sidecar.source.diagnostics import Connector
from sidecar.source.scan import Envelope

_TOLD = 20


class Refusals:
    """Those of one run."""

    def __init__(self, lanes: Lanes, connector: Connector) -> None:
        self._lanes, self._connector = lanes, connector
        self._told = 0
        self.nameless = 0
        """How many named no stream, so that no stream's accounting has them."""

    def refuse(self, found: Envelope, why: str) -> None:
        """A record, as far as it can be known whose it is."""
        if not found.stream:
            self.nameless += 1
            self._connector.note("ERROR", f"A record was refused ({why}), and it names no stream.")
            return
        lane = self._lanes.find(StreamId(found.stream, found.namespace or None))
        lane.refuse(why)
        self.tell(lane)

    def tell(self, lane: Lane) -> None:
        """Says what a stream has refused last."""
        self._told += 1
        if self._told <= _TOLD:
            self._connector.note("ERROR", f"{lane.refusal}. ({lane.refused} refused so far)")
