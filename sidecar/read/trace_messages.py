"""TRACE messages of a read, to the streams that they are about: how each goes, and why it fails."""

from msgspec import Raw

from common import failures
from common.protocol.messages import StreamStatus, StreamStatusTrace, Trace
from sidecar.read.checkpoints import Checkpoints
from sidecar.read.stream import Status
from sidecar.read.streams import Lanes
from sidecar.report.log_shipper import Journal
from sidecar.source.diagnostics import Connector

_WORD_CHARACTERS = 40


class Traces:
    """Those of one run."""

    def __init__(self, lanes: Lanes, checkpoints: Checkpoints, connector: Connector, journal: Journal) -> None:
        self._lanes, self._checkpoints, self._connector, self._journal = lanes, checkpoints, connector, journal

    def take(self, raw: Raw) -> None:
        """A TRACE message."""
        trace = self._connector.on_trace(raw)
        if trace is None:
            return
        self._on_error(trace)
        if (told := trace.status) is not None:
            self._on_status(told)

    def _on_error(self, trace: Trace) -> None:
        if (error := trace.error) and error.stream:
            lane = self._lanes.find(error.stream)
            lane.touched = True
            lane.blame(self._journal.hide(error.sentence), failures.of_trace(error.failure_type))

    def _on_status(self, told: StreamStatusTrace) -> None:
        if told.stream is None:
            self._connector.odd("a stream status that names no stream", told.status)
            self._connector.miss_trace("STREAM_STATUS", "a status that names no stream")
            return
        lane = self._lanes.find(told.stream)
        lane.touched = True
        lane.last_word = self._journal.hide(told.status)[:_WORD_CHARACTERS]
        try:
            status = StreamStatus(told.status.strip().upper())
        except ValueError:
            # Whatever it says, it does not say COMPLETE.
            self._connector.odd("an unknown stream status", told.status)
            self._connector.unread_status = True
            return
        lane.reported = status
        lane.status = Status.RUNNING
        if status is StreamStatus.INCOMPLETE:
            self._checkpoints.give_up(lane, goes_on=True)
            if self._lanes.may_mean_another(lane):
                self._connector.miss_trace("STREAM_STATUS", "its stream's name is that of several")
        elif status is StreamStatus.COMPLETE:
            # Now, not at the end of the run: a thousand streams must not hold a thousand requests open.
            self._checkpoints.commit(lane)
