"""A read: records to their streams' lanes, states to the checkpoints, traces to the streams' statuses."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from common.airbyte import Catalog, ConfiguredStream, Message, State, Stream, StreamId, StreamStatus, Trace
from common.store import Outcome
from sidecar import outcome
from sidecar.bulker import Bulker
from sidecar.checkpoints import Checkpoints, Save
from sidecar.connector import Connector, sentence
from sidecar.journal import Journal
from sidecar.lines import LineReader, TooLong
from sidecar.messages import BadLine, Fault, decode
from sidecar.pipes import End
from sidecar.settings import Settings
from sidecar.streams import Lane, Status

_UNKNOWN_STREAMS = 100
_REFUSALS_LOGGED = 20


class Read:
    """One run of `read`. Records go through `on_stdout` by the block; everything else is rare."""

    def __init__(
        self, settings: Settings, catalog: Catalog, connector: Connector, journal: Journal, save: Save
    ) -> None:
        resumes = settings.file("state").strip() not in {b"", b"{}"}
        bulker = Bulker(settings.bulker_url, settings.bulker_auth_token, settings.sync_id, settings.task_id)
        self._lanes = {
            stream.id: Lane(stream, stream.table(settings.table_name_prefix), resumes=resumes, bulker=bulker)
            for stream in catalog.streams
        }
        self._unknown: dict[StreamId, Lane] = {}
        self._by_name = _unique_names(self._lanes.values())
        self._connector, self._journal = connector, journal
        self._lines = LineReader()
        self._checkpoints = Checkpoints(
            {lane.id.key: lane for lane in self._lanes.values()},
            save,
            commit_bytes=settings.commit_bytes,
            commit_seconds=settings.commit_seconds,
        )
        self._expects_exit_code = bool(settings.exit_code_file)
        self._lost_records = self._refusals = 0
        self._spoke = False

    @property
    def lanes(self) -> list[Lane]:
        """The catalog's streams, then those that it lacks."""
        return [*self._lanes.values(), *self._unknown.values()]

    def progress(self) -> dict[str, Any] | None:
        """The accounting so far, by stream key. Called from the journal's thread: reads numbers only."""
        return {lane.id.key: lane.report() for lane in self.lanes}

    def on_stdout(self, data: bytes) -> None:
        """Takes a chunk of the connector's output."""
        for block in self._lines.feed(data):
            self._on_block(block)

    def tick(self) -> None:
        """Time has passed: what is gathered goes out, what is due is committed."""
        self._checkpoints.tick()

    def settle(self, end: End) -> Outcome:
        """The connector is done: commits what may be committed, drops the rest, and says what it came to."""
        for block in self._lines.flush():
            self._on_block(block)
        run = outcome.Run(
            end=end,
            expects_exit_code=self._expects_exit_code,
            statuses=any(lane.reported is not None for lane in self._lanes.values()),
            spoke=self._spoke or any(lane.touched for lane in self.lanes),
            cause=self._cause(end),
            lost_records=self._lost_records,
        )
        for lane in self._lanes.values():
            self._settle_lane(lane, run)
        self._checkpoints.finish()
        return outcome.of_read(run, self.lanes, self._checkpoints.problem)

    def _on_block(self, block: bytes | TooLong) -> None:
        if isinstance(block, TooLong):
            self._on_too_long(block)
            return
        rows: dict[tuple[str, str | None], list[Raw]] = {}
        for message in decode(block):
            record = message.record if type(message) is Message else None
            if record is not None and message.type == "RECORD":  # type: ignore[union-attr] # a record has a message
                key = (record.stream, record.namespace)
                if key in rows:
                    rows[key].append(record.data)
                else:
                    rows[key] = [record.data]
                continue
            # Order matters between a stream's records and what is said about them.
            self._flush(rows)
            self._on_message(message)
        self._flush(rows)

    def _flush(self, rows: dict[tuple[str, str | None], list[Raw]]) -> None:
        for (name, namespace), data in rows.items():
            lane = self._lane(StreamId(name, namespace or None))
            before = lane.refused
            lane.add(data)
            if lane.refused > before:
                self._log_refusal(lane)
        rows.clear()

    def _on_message(self, message: Message | BadLine) -> None:
        if isinstance(message, BadLine):
            self._on_bad_line(message)
            return
        match message.type:
            case "STATE":
                self._on_state(message.state)
            case "LOG":
                self._connector.on_log(message.log)
            case "TRACE":
                if trace := self._connector.on_trace(message.trace):
                    self._on_trace(trace)
            case "RECORD":
                self._connector.odd("a RECORD message without a record")
            case "CONTROL":
                self._journal.log("WARN", "The connector changed its configuration; the change is not kept.")
            case "SPEC" | "CATALOG" | "CONNECTION_STATUS":
                return
            case _:
                self._connector.odd(f"a message of the unknown type {message.type!r}"[:100])

    def _on_state(self, raw: Raw) -> None:
        try:
            state = msgspec.json.decode(raw, type=State)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            self._connector.odd(f"a STATE message that cannot be read ({error})"[:300])
            return
        self._spoke = True
        lane = self._lane(state.stream.stream_descriptor) if state.stream else None
        self._checkpoints.take(state, lane)

    def _on_trace(self, trace: Trace) -> None:
        if trace.type == "ERROR" and trace.error and trace.error.stream_descriptor:
            lane = self._lane(trace.error.stream_descriptor)
            lane.touched = True
            lane.fail(sentence(trace.error))
        if trace.type != "STREAM_STATUS" or trace.stream_status is None:
            return
        lane = self._lane(trace.stream_status.stream_descriptor)
        lane.touched = True
        try:
            status = StreamStatus(trace.stream_status.status)
        except ValueError:
            self._connector.odd(f"an unknown stream status {trace.stream_status.status!r}"[:100])
            return
        lane.reported = status
        lane.status = Status.RUNNING
        if status is StreamStatus.INCOMPLETE:
            outcome.give_up(lane, self._checkpoints)

    def _on_bad_line(self, line: BadLine) -> None:
        if line.fault is Fault.BROKEN and line.envelope.is_record:
            self._refuse(line.envelope.stream, line.envelope.namespace, line.why)
        else:
            self._connector.on_bad_line(line)

    def _on_too_long(self, line: TooLong) -> None:
        found = outcome.look_into(line.head)
        if found.is_record:
            self._refuse(found.stream, found.namespace, f"its line has {line.size:,} bytes, more than Bulker takes")
        else:
            self._connector.on_too_long(line)

    def _refuse(self, name: str, namespace: str, why: str) -> None:
        if not name:
            self._lost_records += 1
            self._journal.log("ERROR", f"A record was refused ({why}), and it names no stream.")
            return
        lane = self._lane(StreamId(name, namespace or None))
        lane.refuse(why)
        self._log_refusal(lane)

    def _log_refusal(self, lane: Lane) -> None:
        self._refusals += 1
        if self._refusals <= _REFUSALS_LOGGED:
            self._journal.log("ERROR", f"{lane.error}. ({lane.refused} refused so far)")

    def _lane(self, stream: StreamId) -> Lane:
        """The stream's lane. A descriptor without its namespace still finds the only stream of that name."""
        lane = self._lanes.get(stream) or self._unknown.get(stream)
        if lane is None and stream.namespace is None:
            lane = self._by_name.get(stream.name)
        if lane is None and stream.namespace == "":
            lane = self._lanes.get(StreamId(stream.name))
        return lane or self._add_unknown(stream)

    def _add_unknown(self, stream: StreamId) -> Lane:
        if len(self._unknown) >= _UNKNOWN_STREAMS:
            return next(iter(self._unknown.values()))
        lane = Lane(ConfiguredStream(Stream(stream.name, stream.namespace)), "", resumes=False, bulker=None)
        self._unknown[stream] = lane
        self._journal.log("ERROR", f"The connector speaks of stream {stream.key}, which the catalog does not select.")
        return lane

    def _settle_lane(self, lane: Lane, run: outcome.Run) -> None:
        if outcome.complete(lane, run):
            self._checkpoints.commit(lane)
        else:
            outcome.give_up(lane, self._checkpoints)

    def _cause(self, end: End) -> str:
        """Why a stream that did not complete did not."""
        if end.stalled_seconds:
            said = f"the last line was: {self._connector.last}" if self._connector.last else "it never said a word"
            return f"the source sent nothing for {end.stalled_seconds:.0f} s and was stopped; {said}"
        if end.stopped:
            return "the task was stopped from outside (SIGTERM)"
        if end.exit_code is None and self._expects_exit_code:
            return "not success: no exit code of the source, it was killed or never ran to its end"
        return self._connector.reason(end.exit_code)


def _unique_names(lanes: Iterable[Lane]) -> dict[str, Lane]:
    found: dict[str, Lane] = {}
    twice: set[str] = set()
    for lane in lanes:
        if lane.id.name in found:
            twice.add(lane.id.name)
        found[lane.id.name] = lane
    return {name: lane for name, lane in found.items() if name not in twice}
