"""Records that are refused: counted in their streams, and the first of them logged."""

from common.protocol.catalogs import StreamId
from sidecar.read.stream import StreamWriter
from sidecar.read.streams import Streams
from sidecar.source.diagnostics import SourceDiagnostics
from sidecar.source.scan import Envelope

_LOGGED = 20


class Rejects:
    """The refused records of one run."""

    def __init__(self, streams: Streams, diagnostics: SourceDiagnostics) -> None:
        self._streams, self._diagnostics = streams, diagnostics
        self._logged = 0
        self.nameless = 0
        """How many named no stream, so that no stream's account has them."""

    def reject(self, found: Envelope, why: str) -> None:
        """Refuse a record of the stream that its envelope names."""
        if not found.stream:
            self.nameless += 1
            self._diagnostics.log("ERROR", f"A record was refused ({why}), and it names no stream.")
            return
        stream = self._streams.find(StreamId(found.stream, found.namespace or None))
        stream.reject(why)
        self.log_last(stream)

    def log_last(self, stream: StreamWriter) -> None:
        """Log the stream's last refusal, up to a limit for all streams."""
        self._logged += 1
        if self._logged <= _LOGGED:
            self._diagnostics.log("ERROR", f"{stream.last_refusal}. ({stream.account.refused} refused so far)")
