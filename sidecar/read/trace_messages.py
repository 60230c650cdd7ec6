"""TRACE messages of a read, handed to the streams that they name: statuses and errors."""

from collections.abc import Callable

from msgspec import Raw

from common import failures
from common.protocol.estimates import Estimate, EstimateTrace
from common.protocol.messages import RATE_LIMITED, StreamStatus, StreamStatusTrace
from sidecar.read.checkpoints import Checkpoints
from sidecar.read.streams import Streams
from sidecar.source.diagnostics import SourceDiagnostics

_STATUS_CHARACTERS = 40


class TraceMessages:
    """Take the TRACE messages of one run."""

    def __init__(
        self,
        streams: Streams,
        checkpoints: Checkpoints,
        diagnostics: SourceDiagnostics,
        redact: Callable[[str], str],
    ) -> None:
        self._streams, self._checkpoints, self._diagnostics, self._redact = streams, checkpoints, diagnostics, redact
        self.estimate: Estimate | None = None
        """What the source says that the whole read will send."""

    def take(self, raw: Raw) -> None:
        """Take one TRACE message."""
        trace = self._diagnostics.on_trace(raw)
        if trace is None:
            return
        if (error := trace.error) and error.stream:
            kind = failures.of_trace(error.failure_type, error.sentence)
            self._streams.find(error.stream).fail_by_source(
                self._diagnostics.explained(self._redact(error.sentence)), kind
            )
        if trace.status is not None:
            self._on_status(trace.status)
        if trace.estimate is not None:
            self._on_estimate(trace.estimate)

    def _on_estimate(self, trace: EstimateTrace) -> None:
        """Keep the newest one that says something; some sources also estimate what is not selected."""
        if trace.estimate is None:
            return
        if trace.of_sync:
            self.estimate = trace.estimate
        elif trace.stream and (stream := self._streams.selected(trace.stream)):
            stream.account.estimate = trace.estimate

    def _on_status(self, trace: StreamStatusTrace) -> None:
        if trace.stream is None:
            self._diagnostics.count_malformed("a stream status that names no stream", trace.status)
            self._diagnostics.unreadable_trace("STREAM_STATUS", "a status that names no stream")
            return
        stream, status = self._streams.find(trace.stream), _known(trace.status)
        before, reset = stream.account.limit, trace.quota_reset
        stream.account.on_status(self._redact(trace.status)[:_STATUS_CHARACTERS], status, reset)
        if (limit := stream.account.limit) not in {"", before}:
            self._diagnostics.log("INFO", f"Stream {stream.id.key} is {limit}.")
        if status is None:
            self._diagnostics.unknown_status(trace.status)
        elif status is StreamStatus.STARTED:
            stream.begin_again()
        elif status is StreamStatus.INCOMPLETE:
            self._checkpoints.give_up(stream, run_continues=True)
            stream.account.clock.end()
            if twin := self._streams.twin(stream):
                self._diagnostics.unreadable_trace("STREAM_STATUS", f"the catalog has the stream's name {twin}")
        elif status is StreamStatus.COMPLETE:
            self._checkpoints.complete(stream)
            stream.account.clock.end()


def _known(text: str) -> StreamStatus | None:
    word = text.strip().upper()
    try:
        return StreamStatus.RUNNING if word == RATE_LIMITED else StreamStatus(word)
    except ValueError:
        return None
