"""Records that are refused: counted in their streams, and told in the log, though not each of very many."""

from common.protocol.catalogs import StreamId
from sidecar.read.stream import StreamWriter
from sidecar.read.streams import Streams
from sidecar.source.diagnostics import SourceDiagnostics
from sidecar.source.scan import Envelope

_TOLD = 20


class Rejects:
    """Those of one run."""

    def __init__(self, streams: Streams, diagnostics: SourceDiagnostics) -> None:
        self._streams, self._diagnostics = streams, diagnostics
        self._told = 0
        self.nameless = 0
        """How many named no stream, so that no stream's accounting has them."""

    def reject(self, found: Envelope, why: str) -> None:
        """A record, as far as it can be known whose it is."""
        if not found.stream:
            self.nameless += 1
            self._diagnostics.log("ERROR", f"A record was refused ({why}), and it names no stream.")
            return
        writer = self._streams.find(StreamId(found.stream, found.namespace or None))
        writer.refuse(why)
        self.log_last(writer)

    def log_last(self, writer: StreamWriter) -> None:
        """Says what a stream has refused last."""
        self._told += 1
        if self._told <= _TOLD:
            self._diagnostics.log("ERROR", f"{writer.refusal}. ({writer.refused} refused so far)")
