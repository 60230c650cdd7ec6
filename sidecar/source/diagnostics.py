"""What every command has in common: the connector's log lines, errors and last words."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from common import failures
from common.failures import FailureKind
from common.protocol.messages import DECODE_ERRORS, TRACES, Control, Trace
from sidecar.report.log_shipper import Journal
from sidecar.source import lenient
from sidecar.source.decoding import BadLine, Fault
from sidecar.source.lines import TooLong
from sidecar.source.log_messages import LEVELS, LogBuffer
from sidecar.source.pipes import End

_LAST_WORDS = 12
_ODD_LINES_LOGGED = 20
_ODD_CHARACTERS = 200
_SAID_CHARACTERS = 2000
"""What is kept of a line for the reason of a failure; the log has more of it."""
_STDERR_LINE_BYTES = 64 * 1024
_HELD_BACK_BYTES = 16 * 1024

KeepConfig = Callable[[bytes], None]
"""Keeps a configuration that the connector has changed, for the next task that is given the same."""


class SourceDiagnostics:
    """Listens to what a connector says beside its results. Whatever it tells is masked."""

    def __init__(self, package: str, journal: Journal) -> None:
        self.error = ""
        """The first error that names no stream."""
        self.error_kind: FailureKind | None = None
        """What the first error of all says of itself: those after it are summaries, and often of another type."""
        self.fatal = ""
        self.unreadable_error = self.unreadable_status = False
        """Whether there was an error, or a status, of which nothing more is known: it could not be read."""
        self.malformed_lines = 0
        self._package = package
        self._journal = journal
        self._last_lines: deque[str] = deque(maxlen=_LAST_WORDS)
        self._stderr_rest = b""
        self._pending_logs = LogBuffer()

    def on_stderr(self, data: bytes) -> None:
        """Lines of stderr become log lines; never errors."""
        *lines, self._stderr_rest = (self._stderr_rest + data).split(b"\n")
        if lines:
            self._say(["ERRSTD"] * len(lines), [line.decode("utf-8", "replace").rstrip("\r") for line in lines])
        if len(self._stderr_rest) > _STDERR_LINE_BYTES:
            # Masked before it is cut, and not cut where a secret may have begun that goes on in what follows.
            text = self._journal.redact(self._stderr_rest.decode("utf-8", "surrogateescape"))
            masked = text.encode("utf-8", "surrogateescape")
            self._say(["ERRSTD"], [masked[:-_HELD_BACK_BYTES].decode("utf-8", "replace")])
            self._stderr_rest = masked[-_HELD_BACK_BYTES:]

    def end(self) -> None:
        """Nothing more comes; the last line of stderr may lack its line feed."""
        self.drain_logs()
        if self._stderr_rest:
            self.on_stderr(b"\n")

    def on_logs(self, raws: Sequence[Raw]) -> None:
        """What LOG messages that came together hold (at least one); they are heard when there are many, or soon."""
        self._pending_logs.add(raws)
        self.tick()

    def tick(self) -> None:
        """Time has passed."""
        if self._pending_logs.due:
            self.drain_logs()

    def drain_logs(self) -> None:
        """Hears what LOG messages say: before anything is said after them, or asked."""
        for levels, messages in self._pending_logs.take():
            if messages:
                self._on_logs(levels, messages)
            else:
                self.count_malformed("a LOG message without level and message")

    def _on_logs(self, levels: list[str], messages: list[str]) -> None:
        """Only a FATAL one says something about the outcome, and only if nothing better does."""
        self._log(levels, messages)
        if "FATAL" in levels:
            last = len(levels) - 1 - levels[::-1].index("FATAL")
            self.fatal = _short(self._journal.redact(messages[last]))

    def log(self, level: str, message: str) -> None:
        """A line of ours, behind what the connector has said."""
        self.drain_logs()
        self._journal.log(level, message)

    def on_trace(self, raw: Raw) -> Trace | None:
        """A TRACE message, decoded; errors that name no stream are kept, ESTIMATE and ANALYTICS need nothing."""
        try:
            trace = msgspec.json.decode(lenient.readable(raw), type=Trace)
            # Looked at here, where one that cannot be read is told.
            _ = trace.status
        except DECODE_ERRORS:
            self.count_malformed("a TRACE message of an unknown shape")
            if kind := _trace_kind(raw):
                self.unreadable_trace(kind, "its shape is unknown")
            return None
        if error := trace.error:
            self._say(["ERROR"], [error.sentence])
            self.error_kind = self.error_kind or failures.of_trace(error.failure_type)
            # The first one is the cause; what follows are summaries.
            if error.stream is None and not self.error:
                self.error = _short(self._journal.redact(error.sentence))
        elif trace.kind not in TRACES:
            self.count_malformed("a TRACE message of the unknown type", trace.type)
        return trace

    def on_control(self, raw: Raw) -> bytes | None:
        """A CONTROL message: the whole new configuration, if it has one."""
        # What is logged of it comes behind what was said before.
        self.drain_logs()
        try:
            config = msgspec.json.decode(raw, type=Control).config
        except DECODE_ERRORS:
            config = None
        if config is None:
            self.count_malformed("a CONTROL message without a new configuration")
        return config

    def on_bad_line(self, line: BadLine) -> None:
        """A line that is no message: noise is shown, what may hold a row is only described."""
        if line.fault is Fault.NOISE:
            first, _, _ = line.text[:_SAID_CHARACTERS].lstrip("[").partition(" ")
            level = first.rstrip("]:").upper()
            self._say([level if level in LEVELS else "ERROR"], [line.text])
        elif line.fault is Fault.BROKEN:
            kind = f"a {line.envelope.type} message" if line.envelope.type else "a line"
            self.count_malformed(f"{kind} that cannot be read ({line.why})")
        else:
            self.count_malformed(line.why)
        broken = line.fault is Fault.BROKEN and line.envelope.type == "TRACE"
        if broken or line.envelope.trace in {"ERROR", "STREAM_STATUS"}:
            self.unreadable_trace(line.envelope.trace, line.why)

    def unreadable_trace(self, kind: str, why: str) -> None:
        """A TRACE that cannot be read: an error stays one, and whether a stream completed is not known from it."""
        self.unreadable_error |= kind == "ERROR"
        self.unreadable_status |= kind == "STREAM_STATUS"
        self.fatal = self.fatal or f"A TRACE message of the connector could not be read ({why})."

    def unknown_status(self, status: str) -> None:
        """Note a stream status outside of the protocol: not COMPLETE, whatever it means."""
        self.count_malformed("an unknown stream status", status)
        self.unreadable_status = True

    def unusable_result(self, why: str) -> None:
        """A result that is none: why, before any FATAL line that was said ahead of it."""
        self.drain_logs()
        self.fatal = why

    def on_too_long(self, line: TooLong) -> None:
        """A line over every limit."""
        self.count_malformed(f"a line of {line.size:,} bytes, which is longer than any message may be")

    def count_malformed(self, why: str, said: str | None = None) -> None:
        """Something that is no message; logged a few times, counted always. `said`: the connector's own word for it."""
        self.malformed_lines += 1
        if self.malformed_lines <= _ODD_LINES_LOGGED:
            # Masked before it is quoted and cut: neither half a secret nor a quoted one would be found.
            quoted = "" if said is None else f" {self._journal.redact(said)[:_ODD_CHARACTERS]!r}"
            why = self._journal.redact(why)[:_ODD_CHARACTERS] + quoted
            self.log("WARN", f"The connector wrote {why}; it was ignored.")

    def reason(self, exit_code: int | None) -> str:
        """Why a connector without a result ended, in its own best words: error, fatal log, last lines."""
        if self.error or self.fatal:
            return self.error or self.fatal
        code = "an unknown exit code" if exit_code is None else f"exit code {exit_code}"
        said = "\n".join(self._redacted_lines).strip()
        if said:
            return f"The connector ended with {code}. It last said:\n{said}"
        nothing = "nothing that could be used (the log tells what)" if self.malformed_lines else "nothing"
        return f"The connector ended with {code} and printed {nothing}."

    def kind(self, end: End) -> FailureKind:
        """What a source came to that did not end well: its own word first, then what its end looks like."""
        if end.stalled_seconds:
            return FailureKind.STALLED
        if end.stopped:
            return FailureKind.STOPPED
        said = FailureKind.SOURCE_ERROR if self.fatal else None
        return self.error_kind or said or failures.of_exit(end.exit_code)

    def end_reason(self, end: End, *, expects_exit_code: bool) -> str:
        """Why what the connector did not complete was not completed."""
        if end.stalled_seconds:
            said = f"the last line was: {self.last}" if self.last else "it never said a word"
            return f"the source sent nothing for {end.stalled_seconds:.0f} s and was stopped; {said}"
        if end.stopped:
            return "the task was stopped from outside (SIGTERM)"
        if end.exit_code is None and expects_exit_code:
            return "not success: no exit code of the source, it was killed or never ran to its end"
        return self.reason(end.exit_code)

    @property
    def last(self) -> str:
        """What it said last, for a run that goes silent."""
        return self._redacted_lines[-1] if self._last_lines else ""

    @property
    def _redacted_lines(self) -> list[str]:
        return [_short(self._journal.redact(text)) for text in self._last_lines]

    def _say(self, levels: list[str], texts: list[str]) -> None:
        self.drain_logs()
        self._log(levels, texts)

    def _log(self, levels: list[str], texts: list[str]) -> None:
        """Logs lines (at least one), and keeps the last of them: masked only once they are asked for."""
        self._journal.log_all(levels, texts, self._package)
        last = texts[-_LAST_WORDS:]
        if max(map(len, last)) > _SAID_CHARACTERS:
            last = [_short(self._journal.redact(text)) for text in last]
        self._last_lines.extend(last)


def _trace_kind(raw: bytes) -> str:
    """What a TRACE of an unknown shape is about; "" where not even that is known."""
    try:
        found = msgspec.json.decode(lenient.readable(raw), type=dict[str, Any])
    except DECODE_ERRORS:
        return ""
    named = str(found.get("type")).upper()
    there = (kind for kind in ("ERROR", "STREAM_STATUS") if found.get(kind.lower()) is not None)
    return named if named in TRACES else next(there, "")


def _short(text: str) -> str:
    return text if len(text) <= _SAID_CHARACTERS else f"{text[:_SAID_CHARACTERS]} ..."
