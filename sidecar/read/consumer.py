"""Drive a read: bytes to lines, lines to messages, records to their streams, states to the checkpoints.

A record's bytes pass source/pipes, source/lines, source/decoding, read/stream and bulker/upload, in this order.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from common.failures import Failure
from common.protocol.catalogs import MISSING, Catalog, StreamId
from common.protocol.estimates import Estimate
from common.protocol.messages import Message
from common.store import Outcome
from common.store.stream_texts import bounded
from sidecar.bulker.client import Bulker
from sidecar.bulker.upload import CapDeadline
from sidecar.read import outcome, record_extras
from sidecar.read.checkpoints import Checkpoints, Save
from sidecar.read.rates import Rates
from sidecar.read.rejects import Rejects
from sidecar.read.starts import starts
from sidecar.read.state_messages import StateMessages
from sidecar.read.streams import Streams
from sidecar.read.trace_messages import TraceMessages
from sidecar.settings import SidecarSettings
from sidecar.source import scan
from sidecar.source.diagnostics import KeepConfig, SourceDiagnostics
from sidecar.source.joining import LineJoiner
from sidecar.source.lines import LineReader, TooLong
from sidecar.source.pipes import End
from sidecar.source.salvage import BadLine, Fault
from sidecar.source.scan import Envelope

_Rows = defaultdict[str | tuple[str, str], list[Raw]]
"""Rows by stream: its name alone if it has no namespace, since making pairs costs."""


class ReadConsumer:
    """One run of `read`. Records pass `on_stdout` by the block; everything else is rare."""

    def __init__(
        self,
        settings: SidecarSettings,
        catalog: Catalog,
        diagnostics: SourceDiagnostics,
        redact: Callable[[str], str],
        save: Save,
        keep_config: KeepConfig,
        cap_deadline: CapDeadline,
    ) -> None:
        self._diagnostics, self._redact = diagnostics, redact
        self._keep_config, self._cap_deadline = keep_config, cap_deadline
        bulker = Bulker(
            settings.bulker_url, settings.bulker_auth_token, settings.sync_id, settings.task_id,
            any_number=settings.bulker_any_number,
            cap_deadline=self._while_waiting,
        )  # fmt: skip
        self._streams = Streams(
            catalog,
            settings.table_name_prefix,
            starts=starts(catalog, settings.file("state")),
            is_retry=settings.attempt > 1,
            bulker=bulker,
            redact=redact,
            on_unselected=self._on_unselected,
        )
        self._lines, self._joiner = LineReader(), LineJoiner()
        self._checkpoints = Checkpoints(
            self._streams, save, commit_bytes=settings.commit_bytes, commit_seconds=settings.commit_seconds
        )
        self._expects_exit_code = bool(settings.exit_code_file)
        self._states = StateMessages(self._streams, self._checkpoints, diagnostics, settings.file("state"))
        self._rejects = Rejects(self._streams, diagnostics)
        self._traces = TraceMessages(self._streams, self._checkpoints, diagnostics, redact)
        self._rates = Rates()
        self._concluded: dict[str, Any] | None = None

    def progress(self) -> dict[str, Any] | None:
        """Return the accounts so far, by stream key. Called from the heartbeat's thread: it only reads."""
        streams = self._streams.reported
        return self._concluded or bounded({one.id.key: one.account.report(one.verdict) for one in streams})

    def rates(self) -> dict[str, Any]:
        """Return rows over time (rates.py). Called from the heartbeat's thread, often: a sample is taken."""
        return self._rates.sample(one.account for one in self._streams.reported)

    @property
    def estimate(self) -> Estimate | None:
        """What the source says that the whole read will send."""
        return self._traces.estimate

    def on_stdout(self, data: bytes) -> None:
        """Take a chunk of the connector's output."""
        for block in self._lines.feed(data):
            self._on_block(block)

    def tick(self) -> None:
        """Commit what is due now that time has passed."""
        self._diagnostics.tick()
        self._checkpoints.tick()

    def waits_until(self) -> float:
        """Return until when the connector may be silent because of its source, in Unix seconds."""
        return self._streams.limited_until

    def settle(self, end: End, insist: Callable[[], None]) -> Outcome:
        """Commit what may be committed once the connector is done, abort the rest, and return the outcome.

        `insist` brings the saved states to Postgres, or tells why it cannot.
        """
        for block in self._lines.flush():
            self._on_block(block)
        self._on_messages(self._joiner.flush())
        self._diagnostics.drain_logs()
        why = self._diagnostics.end_reason(end, expects_exit_code=self._expects_exit_code)
        run = self._run(end, Failure(self._diagnostics.kind(end), why))
        # First those whose requests go on: one that has ended may take all of the time that is left.
        for stream in sorted(self._streams.known, key=lambda stream: stream.awaits_ack):
            if outcome.complete(stream, run):
                self._checkpoints.commit(stream)
            else:
                self._checkpoints.give_up(stream, run_continues=False)
        self._checkpoints.finish()
        self._states.finish()
        insist()
        return self._conclude(run)

    def break_off(self, why: Failure) -> Outcome:
        """Conclude after a failure of the sidecar itself: commit and save nothing more; the accounts so far stand."""
        for stream in self._streams.known:
            stream.abort()
            stream.fail(why.message, why.kind)
        found = self._conclude(self._run(End(stopped=True), why))
        return msgspec.structs.replace(found, provisional=why.policy.retry)

    def _while_waiting(self, deadline: float) -> float:
        """Keep log lines flowing while Bulker makes us wait, for minutes perhaps."""
        self._diagnostics.tick()
        return self._cap_deadline(deadline)

    def _run(self, end: End, cause: Failure) -> outcome.Run:
        accounts = [stream.account for stream in self._streams.known]
        return outcome.Run(
            end=end,
            expects_exit_code=self._expects_exit_code,
            statuses=self._diagnostics.unreadable_status or any(account.reported is not None for account in accounts),
            spoke=self._states.stated or any(account.seen for account in accounts),
            stated=self._states.stated,
            errored=self._diagnostics.unreadable_error or bool(self._diagnostics.error),
            cause=cause,
            lost_records=self._rejects.nameless,
            rejected=self._checkpoints.rejected,
        )

    def _conclude(self, run: outcome.Run) -> Outcome:
        for stream in self._streams.all:
            stream.account.clock.end()
        result = outcome.of_read(run, self._streams.reported, self._checkpoints.problem)
        self._concluded = result.streams
        self._rates.sample((one.account for one in self._streams.reported), over=True)
        for key, report in (result.streams or {}).items():
            if "note" in report:
                self._diagnostics.log("WARN", f"Stream {key}: {report['note']}.")
        return result

    def _on_block(self, block: bytes | TooLong) -> None:
        if isinstance(block, bytes):
            self._on_messages(self._joiner.decode(block))
            return
        self._on_messages(self._joiner.flush())
        self._on_too_long(block)

    def _on_messages(self, messages: Sequence[Message | BadLine]) -> None:
        rows: _Rows = defaultdict(list)
        logs: list[Raw] = []
        for message in messages:
            record = message.record
            if record is not None and message.type == "RECORD":  # type: ignore[union-attr] # a record has a message
                if not (record.meta is record.file is record.file_reference):  # one of them is not MISSING
                    stream = self._streams.find(StreamId(record.stream, record.namespace))
                    self._checkpoints.before_rows(stream)
                    record_extras.take(record, stream, self._redact)
                rows[record.stream if record.namespace is None else (record.stream, record.namespace)].append(
                    record.data
                )
            elif type(message) is Message and message.type == "LOG" and record is None:
                logs.append(message.log)
            else:
                # A state or trace is about the stream's records before it; a log line may wait.
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
            stream = self._streams.find(StreamId(key) if isinstance(key, str) else StreamId(*key))
            self._checkpoints.before_rows(stream)
            before = stream.account.refused
            stream.add(data)
            if stream.account.refused > before:
                self._rejects.log_last(stream)
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
                if config := self._diagnostics.on_control(message.control):
                    self._keep_config(config)
            case "RECORD":
                self._diagnostics.count_malformed("a RECORD message without a record")
            case "SPEC" | "CATALOG" | "CONNECTION_STATUS":
                return
            case _ if message.record is None:
                self._on_unknown_type(message)

    def _on_unknown_type(self, message: Message) -> None:
        """Ignore the message, but keep an error that it carries, and report a state that is not saved."""
        self._diagnostics.count_malformed("a message of the unknown type", message.type)
        if message.trace != MISSING:
            self._traces.take(message.trace)
        if message.state != MISSING:
            self._states.miss(message.state, "the type of its message is not STATE")

    def _on_bad_line(self, line: BadLine) -> None:
        if line.fault is Fault.BROKEN and line.envelope.is_record:
            self._rejects.reject(line.envelope, line.why)
            return
        if line.state and self._states.take_line(line, others_alone=self._joiner.alone):
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
        why = f"{line.size:,} bytes are more than any message may have"
        if found.type == "TRACE":
            self._diagnostics.unreadable_trace(found.trace, why)
        if found.type == "STATE":
            self._checkpoints.miss_state(why)

    def _on_unselected(self, stream: str) -> None:
        self._diagnostics.log("ERROR", f"The connector speaks of stream {stream}, which the catalog does not select.")
