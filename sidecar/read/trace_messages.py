"""TRACE messages of a read, to the streams that they are about: how each goes, and why it fails."""

from msgspec import Raw

from common import failures
from common.protocol.messages import StreamStatus, StreamStatusTrace, Trace
from sidecar.read.checkpoints import Checkpoints
from sidecar.read.stream import Status
from sidecar.read.streams import Streams
from sidecar.report.log_shipper import Journal
from sidecar.source.diagnostics import SourceDiagnostics

_WORD_CHARACTERS = 40


class TraceMessages:
    """Those of one run."""

    def __init__(
        self, streams: Streams, checkpoints: Checkpoints, diagnostics: SourceDiagnostics, journal: Journal
    ) -> None:
        self._streams, self._checkpoints, self._diagnostics, self._journal = streams, checkpoints, diagnostics, journal

    def take(self, raw: Raw) -> None:
        """A TRACE message."""
        trace = self._diagnostics.on_trace(raw)
        if trace is None:
            return
        self._on_error(trace)
        if (told := trace.status) is not None:
            self._on_status(told)

    def _on_error(self, trace: Trace) -> None:
        if (error := trace.error) and error.stream:
            writer = self._streams.find(error.stream)
            writer.seen = True
            writer.fail_by_source(self._journal.redact(error.sentence), failures.of_trace(error.failure_type))

    def _on_status(self, told: StreamStatusTrace) -> None:
        if told.stream is None:
            self._diagnostics.count_malformed("a stream status that names no stream", told.status)
            self._diagnostics.unreadable_trace("STREAM_STATUS", "a status that names no stream")
            return
        writer = self._streams.find(told.stream)
        writer.seen = True
        writer.last_status = self._journal.redact(told.status)[:_WORD_CHARACTERS]
        try:
            status = StreamStatus(told.status.strip().upper())
        except ValueError:
            # Whatever it says, it does not say COMPLETE.
            self._diagnostics.count_malformed("an unknown stream status", told.status)
            self._diagnostics.unreadable_status = True
            return
        writer.reported = status
        writer.status = Status.RUNNING
        if status is StreamStatus.INCOMPLETE:
            self._checkpoints.give_up(writer, goes_on=True)
            if self._streams.is_ambiguous(writer):
                self._diagnostics.unreadable_trace("STREAM_STATUS", "its stream's name is that of several")
        elif status is StreamStatus.COMPLETE:
            # Now, not at the end of the run: a thousand streams must not hold a thousand requests open.
            self._checkpoints.commit(writer)
