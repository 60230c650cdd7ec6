"""The connector's log lines, errors and last lines: what every command keeps beside its results."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw

from common import failures
from common.failures import FailureKind
from common.protocol import causes
from common.protocol.messages import DECODE_ERRORS, TRACES, Control, Trace, TraceError
from sidecar.report.log_shipper import LogShipper
from sidecar.source import lenient, levels
from sidecar.source.last_lines import LINE_CHARACTERS, LastLines, short
from sidecar.source.lines import TooLong
from sidecar.source.log_messages import LogBuffer
from sidecar.source.pipes import End
from sidecar.source.salvage import BadLine, Fault

_MALFORMED_LOGGED = 20
_QUOTED_CHARACTERS = 200
_SIGNALS = range(129, 160)
"""Exit codes of processes that a signal ended."""
_STDERR_LINE_BYTES = 64 * 1024
_HELD_BACK_BYTES = 16 * 1024

KeepConfig = Callable[[bytes], None]
"""Keep a configuration that the connector has changed, for the next task that is given the same."""


class SourceDiagnostics:
    """Collect what a connector reports beside its results, and log it. Secrets are redacted from all of it."""

    def __init__(self, package: str, logs: LogShipper) -> None:
        self.error_kind: FailureKind | None = None
        """The kind of the first error of all: later ones are summaries, often of another type."""
        self.fatal = ""
        """The last FATAL line, or why a message could not be used."""
        self.unreadable_error = self.unreadable_status = False
        """Whether there was an error, or a status, whose content could not be read."""
        self.malformed_lines = 0
        self._error = ""
        self._error_line = ""
        self._package = package
        self._logs = logs
        self._last_lines = LastLines(logs.redact)
        self._stderr_rest = b""
        self._pending_logs = LogBuffer()

    def on_stderr(self, data: bytes) -> None:
        """Log lines of stderr; they are never errors."""
        *lines, self._stderr_rest = (self._stderr_rest + data).split(b"\n")
        if lines:
            self._log_lines(["ERRSTD"] * len(lines), [line.decode("utf-8", "replace").rstrip("\r") for line in lines])
        if len(self._stderr_rest) > _STDERR_LINE_BYTES:
            # Redacted before it is cut, and not cut where a secret may continue in the next bytes.
            text = self._logs.redact(self._stderr_rest.decode("utf-8", "surrogateescape"))
            redacted = text.encode("utf-8", "surrogateescape")
            self._log_lines(["ERRSTD"], [redacted[:-_HELD_BACK_BYTES].decode("utf-8", "replace")])
            self._stderr_rest = redacted[-_HELD_BACK_BYTES:]

    def end(self) -> None:
        """Log what is left; the last line of stderr may lack its line feed."""
        self.drain_logs()
        if self._stderr_rest:
            self.on_stderr(b"\n")

    def on_logs(self, raws: Sequence[Raw]) -> None:
        """Take the contents of LOG messages that came together (at least one); they are decoded in larger batches."""
        self._pending_logs.add(raws)
        self.tick()

    def tick(self) -> None:
        """Log what has waited long enough."""
        if self._pending_logs.due:
            self.drain_logs()

    def drain_logs(self) -> None:
        """Decode and log all LOG messages so far: before anything that came after them is logged or asked."""
        for named, messages in self._pending_logs.take():
            if not messages:
                self.count_malformed("a LOG message without level and message")
                continue
            self._append(named, messages)
            last = self._pending_logs.last
            if "FATAL" in last:
                # The reason of the end if nothing else is.
                self.fatal = self._cause(last.pop("FATAL"))
            if "ERROR" in last:
                self._error_line = self._cause(last.pop("ERROR"))

    def log(self, level: str, message: str) -> None:
        """Log a line of the sidecar's own, behind the connector's."""
        self.drain_logs()
        self._logs.log(level, message)

    def on_trace(self, raw: Raw) -> Trace | None:
        """Return a TRACE message decoded, None if it cannot be read; log and keep the error that it may be."""
        try:
            trace = lenient.decode(raw, _read_trace)
        except DECODE_ERRORS:
            self.count_malformed("a TRACE message of an unknown shape")
            if kind := lenient.trace_kind(raw):
                self.unreadable_trace(kind, "its shape is unknown")
            return None
        if error := trace.error:
            self._log_error(error)
            self.error_kind = self.error_kind or failures.of_trace(error.failure_type, error.sentence)
            # The first one is the cause; later ones are summaries.
            if error.stream is None and not self._error:
                self._error = short(self._logs.redact(error.sentence))
        elif trace.kind not in TRACES:
            self.count_malformed("a TRACE message of the unknown type", trace.type)
        return trace

    def on_control(self, raw: Raw) -> bytes | None:
        """Return the whole new configuration of a CONTROL message, None if it has none."""
        # The log lines about it come behind those before it.
        self.drain_logs()
        try:
            config = msgspec.json.decode(raw, type=Control).config
        except DECODE_ERRORS:
            config = None
        if config is None:
            self.count_malformed("a CONTROL message without a new configuration")
        return config

    def on_bad_line(self, line: BadLine) -> None:
        """Log noise as it is; of a line that may hold a row log only a description."""
        if line.fault is Fault.NOISE:
            self._log_lines([levels.of_line(line.text[:LINE_CHARACTERS]) or "ERROR"], [line.text])
        elif line.fault is Fault.BROKEN:
            kind = f"a {line.envelope.type} message" if line.envelope.type else "a line"
            self.count_malformed(f"{kind} that cannot be read ({line.why})")
        else:
            self.count_malformed(line.why)
        broken_trace = line.fault is Fault.BROKEN and line.envelope.type == "TRACE"
        if broken_trace or line.envelope.trace in {"ERROR", "STREAM_STATUS"}:
            self.unreadable_trace(line.envelope.trace, line.why)

    def unreadable_trace(self, kind: str, why: str) -> None:
        """Note a TRACE that cannot be read: an error remains one, and a status leaves open whether it was COMPLETE."""
        self.unreadable_error |= kind == "ERROR"
        self.unreadable_status |= kind == "STREAM_STATUS"
        self.fatal = self.fatal or f"A TRACE message of the connector could not be read ({why})."

    def unknown_status(self, status: str) -> None:
        """Note a stream status outside of the protocol: not COMPLETE, whatever it means."""
        self.count_malformed("an unknown stream status", status)
        self.unreadable_status = True

    def unusable_result(self, why: str) -> None:
        """Note why a result is unusable; this outweighs a FATAL line before it."""
        self.drain_logs()
        self.fatal = why

    def on_too_long(self, line: TooLong) -> None:
        """Count a line over every limit."""
        self.count_malformed(f"a line of {line.size:,} bytes, which is longer than any message may be")

    def count_malformed(self, why: str, quote: str | None = None) -> None:
        """Count a line that is no message, and log the first ones. `quote`: the connector's own word for it."""
        self.malformed_lines += 1
        if self.malformed_lines <= _MALFORMED_LOGGED:
            # Redacted before it is quoted and cut: neither half a secret nor a quoted one would be found.
            quoted = "" if quote is None else f" {self._logs.redact(quote)[:_QUOTED_CHARACTERS]!r}"
            why = self._logs.redact(why)[:_QUOTED_CHARACTERS] + quoted
            self.log("WARN", f"The connector wrote {why}; it was ignored.")

    def reason(self, exit_code: int | None) -> str:
        """Return why a connector ended without a result: its error, its fatal log line, else its last lines."""
        if known := self.error or self.fatal:
            # Killed by a signal: the platform may know another cause.
            killed = exit_code is not None and exit_code in _SIGNALS
            return f"{known} (it ended with exit code {exit_code})" if killed else known
        code = "an unknown exit code" if exit_code is None else f"exit code {exit_code}"
        if self.last_said:
            return f"The connector ended with {code}. It last said:\n{self.last_said}"
        nothing = "nothing that could be used (the log tells what)" if self.malformed_lines else "nothing"
        return f"The connector ended with {code} and printed {nothing}."

    def kind(self, end: End) -> FailureKind:
        """Return the kind of a bad end: from the source's own error first, then from the exit code."""
        if end.stalled_seconds:
            return FailureKind.STALLED
        if end.stopped:
            return FailureKind.STOPPED
        fatal = (failures.of_words(self.fatal) or FailureKind.SOURCE_ERROR) if self.fatal else None
        return self.error_kind or fatal or failures.of_exit(end.exit_code)

    def end_reason(self, end: End, *, expects_exit_code: bool) -> str:
        """Return why incomplete streams were not completed."""
        if end.stalled_seconds:
            last = f"the last line was: {self.last_line}" if self.last_line else "it never said a word"
            return self.with_error(f"the source sent nothing for {end.stalled_seconds:.0f} s and was stopped; {last}")
        if end.stopped:
            return self.with_error("the task was stopped from outside (SIGTERM)")
        if end.exit_code is None and expects_exit_code:
            return self.with_error("not success: no exit code of the source, it was killed or never ran to its end")
        return self.reason(end.exit_code)

    def with_error(self, why: str) -> str:
        """Return why the source was ended from outside, with the error that it had reported before."""
        known = self.error or self.fatal
        return f"{why}; before that it reported: {known}" if known and known not in why else why

    @property
    def error(self) -> str:
        """The first error that names no stream; with the last line of an error if it explains nothing."""
        return self.explained(self._error)

    @property
    def refusal(self) -> str:
        """Why a check was refused that gives no reason; "" if the connector printed nothing at all."""
        said = f"The connector refused the configuration. It last said:\n{self.last_said}" if self.last_said else ""
        return self.error or self.fatal or self._error_line or said

    def explained(self, text: str) -> str:
        """Return a text of the connector, with its fatal or last error line if the text explains nothing."""
        return causes.explained(text, self.fatal or self._error_line) if text and causes.is_vague(text) else text

    @property
    def last_line(self) -> str:
        """The last line logged, for a source that went silent."""
        return self._last_lines.last

    @property
    def last_said(self) -> str:
        """The last lines logged, "" without any."""
        return self._last_lines.text

    def _cause(self, text: str) -> str:
        return short(self._logs.redact(causes.of_traceback(text)))

    def _log_error(self, error: TraceError) -> None:
        self._log_lines(["ERROR"], [error.sentence])
        # For the log alone: stack traces are no last words.
        if details := error.details:
            self._logs.log_all(["ERROR"] * len(details), details, self._package)

    def _log_lines(self, levels: list[str], texts: list[str]) -> None:
        self.drain_logs()
        self._append(levels, texts)

    def _append(self, levels: list[str], texts: list[str]) -> None:
        """Log lines (at least one), and keep the last of them: redacted only once they are asked for."""
        self._logs.log_all(levels, texts, self._package)
        self._last_lines.add(texts)


def _read_trace(raw: bytes) -> Trace:
    trace = msgspec.json.decode(raw, type=Trace)
    # Raises now for a status that cannot be read.
    _ = trace.status
    return trace
