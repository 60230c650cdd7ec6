"""A read: records to their streams' writers, states to the checkpoints, traces to the streams' statuses."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from common.failures import Failure
from common.protocol.catalogs import MISSING, Catalog, StreamId
from common.protocol.messages import Message
from common.store import Outcome
from sidecar.bulker.client import Bulker
from sidecar.bulker.upload import Until
from sidecar.read import append, outcome
from sidecar.read.checkpoints import Checkpoints, Save
from sidecar.read.rejects import Rejects
from sidecar.read.state_messages import StateMessages
from sidecar.read.streams import Streams
from sidecar.read.trace_messages import TraceMessages
from sidecar.report.log_shipper import Journal
from sidecar.settings import SidecarSettings
from sidecar.source import scan
from sidecar.source.decoding import BadLine, Fault, decode
from sidecar.source.diagnostics import KeepConfig, SourceDiagnostics
from sidecar.source.lines import LineReader, TooLong
from sidecar.source.pipes import End
from sidecar.source.scan import Envelope

_Rows = defaultdict[str | tuple[str, str], list[Raw]]
"""A block's rows, by stream: its name alone where it has no namespace, since making pairs costs."""


class ReadConsumer:
    """One run of `read`. Records go through `on_stdout` by the block; everything else is rare."""

    def __init__(
        self,
        settings: SidecarSettings,
        catalog: Catalog,
        diagnostics: SourceDiagnostics,
        journal: Journal,
        save: Save,
        keep_config: KeepConfig,
        until: Until,
    ) -> None:
        self._diagnostics, self._journal, self._keep_config = diagnostics, journal, keep_config
        self._until = until
        self._streams = Streams(
            catalog,
            settings.table_name_prefix,
            resumes=append.resuming(settings),
            bulker=Bulker(
                settings.bulker_url,
                settings.bulker_auth_token,
                settings.sync_id,
                settings.task_id,
                until=self._waiting,
            ),
            redact=journal.redact,
            unknown=self._on_unknown,
        )
        self._lines = LineReader()
        self._checkpoints = Checkpoints(
            self._streams, save, commit_bytes=settings.commit_bytes, commit_seconds=settings.commit_seconds
        )
        self._expects_exit_code = bool(settings.exit_code_file)
        self._states = StateMessages(self._streams, self._checkpoints, diagnostics)
        self._rejects = Rejects(self._streams, diagnostics)
        self._traces = TraceMessages(self._streams, self._checkpoints, diagnostics, journal)

    def progress(self) -> dict[str, Any] | None:
        """The accounting so far, by stream key. Called from the journal's thread: reads numbers only."""
        return {writer.id.key: writer.report() for writer in self._streams.reported}

    def on_stdout(self, data: bytes) -> None:
        """Takes a chunk of the connector's output."""
        for block in self._lines.feed(data):
            self._on_block(block)

    def tick(self) -> None:
        """Time has passed: what is due is committed."""
        self._diagnostics.tick()
        self._checkpoints.tick()

    def _waiting(self, deadline: float) -> float:
        """Bulker keeps us waiting, for minutes perhaps: what was said before must not wait with us."""
        self._diagnostics.tick()
        return self._until(deadline)

    def settle(self, end: End, insist: Callable[[], None]) -> Outcome:
        """The connector is done: commits what may be committed, drops the rest, and says what it came to.

        `insist` brings what was saved to Postgres, or says why it cannot.
        """
        for block in self._lines.flush():
            self._on_block(block)
        self._diagnostics.drain_logs()
        why = self._diagnostics.end_reason(end, expects_exit_code=self._expects_exit_code)
        run = self._run(end, Failure(self._diagnostics.kind(end), why))
        for writer in self._streams.known:
            if outcome.complete(writer, run):
                self._checkpoints.commit(writer)
            else:
                self._checkpoints.give_up(writer, goes_on=False)
        self._checkpoints.finish()
        insist()
        return self._conclude(run)

    def break_off(self, why: Failure) -> Outcome:
        """Something of ours failed: nothing more is committed or saved; the accounting so far stands."""
        for writer in self._streams.known:
            writer.abort()
            writer.fail(why.message, why.kind)
        found = self._conclude(self._run(End(stopped=True), why))
        return msgspec.structs.replace(found, provisional=why.rule.retry)

    def _run(self, end: End, cause: Failure) -> outcome.Run:
        return outcome.Run(
            end=end,
            expects_exit_code=self._expects_exit_code,
            statuses=self._diagnostics.unreadable_status
            or any(writer.reported is not None for writer in self._streams.known),
            spoke=self._states.stated or any(writer.seen for writer in self._streams.known),
            stated=self._states.stated,
            errored=self._diagnostics.unreadable_error or bool(self._diagnostics.error),
            cause=cause,
            lost_records=self._rejects.nameless,
        )

    def _conclude(self, run: outcome.Run) -> Outcome:
        streams = self._streams.reported
        result = outcome.of_read(run, streams, self._checkpoints.problem)
        for writer in streams:
            if writer.note:
                self._diagnostics.log("WARN", f"Stream {writer.id.key}: {writer.note}.")
        return result

    def _on_block(self, block: bytes | TooLong) -> None:
        if isinstance(block, TooLong):
            self._on_too_long(block)
            return
        rows: _Rows = defaultdict(list)
        logs: list[Raw] = []
        for message in decode(block):
            record = message.record
            if record is not None and message.type == "RECORD":  # type: ignore[union-attr] # a record has a message
                rows[record.stream if record.namespace is None else (record.stream, record.namespace)].append(
                    record.data
                )
            elif type(message) is Message and message.type == "LOG" and record is None:
                logs.append(message.log)
            else:
                # Order matters between a stream's records and what is said about them: a log line says nothing.
                self._flush(rows, logs)
                if isinstance(message, BadLine):
                    self._on_bad_line(message)
                else:
                    self._on_message(message)
        self._flush(rows, logs)

    def _flush(self, rows: _Rows, logs: list[Raw]) -> None:
        if logs:
            self._diagnostics.on_logs(logs)
            logs.clear()
        for key, data in rows.items():
            writer = self._streams.find(StreamId(key) if isinstance(key, str) else StreamId(*key))
            before = writer.refused
            writer.add(data)
            if writer.refused > before:
                self._rejects.log_last(writer)
        rows.clear()

    def _on_message(self, message: Message) -> None:
        if message.record is not None:
            found = Envelope("RECORD", message.record.stream, message.record.namespace or "")
            self._rejects.reject(found, "the type of its message is not RECORD")
        match message.type:
            case "LOG":
                self._diagnostics.on_logs([message.log])
            case "STATE":
                self._states.take(message.state)
            case "TRACE":
                self._traces.take(message.trace)
            case "CONTROL":
                self._on_control(message.control)
            case "RECORD":
                self._diagnostics.count_malformed("a RECORD message without a record")
            case "SPEC" | "CATALOG" | "CONNECTION_STATUS":
                return
            case _ if message.record is None:
                self._on_unknown_type(message)

    def _on_unknown_type(self, message: Message) -> None:
        """Ignored; but an error stays one, whatever it is called, and a state that is not saved is told."""
        self._diagnostics.count_malformed("a message of the unknown type", message.type)
        if message.trace != MISSING:
            self._traces.take(message.trace)
        if message.state != MISSING:
            self._states.miss(message.state, "the type of its message is not STATE")

    def _on_control(self, raw: Raw) -> None:
        if config := self._diagnostics.on_control(raw):
            self._keep_config(config)

    def _on_bad_line(self, line: BadLine) -> None:
        if line.fault is Fault.BROKEN and line.envelope.is_record:
            self._rejects.reject(line.envelope, line.why)
            return
        if line.state and self._states.take_unpaired_surrogates(line.state):
            return
        self._diagnostics.on_bad_line(line)
        if line.state:
            self._checkpoints.miss_state(line.why)

    def _on_too_long(self, line: TooLong) -> None:
        found = scan.read(line.head)
        if found.is_record:
            self._rejects.reject(found, f"its line has {line.size:,} bytes, more than Bulker takes")
            return
        self._diagnostics.on_too_long(line)
        if found.type == "TRACE":
            self._diagnostics.unreadable_trace(found.trace, f"{line.size:,} bytes are more than any message may have")
        if found.type == "STATE":
            self._checkpoints.miss_state(f"{line.size:,} bytes are more than any message may have")

    def _on_unknown(self, stream: str) -> None:
        self._diagnostics.log("ERROR", f"The connector speaks of stream {stream}, which the catalog does not select.")
