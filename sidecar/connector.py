"""What every command has in common: the connector's log lines, errors and last words."""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from common import reasons
from common.airbyte import UNREADABLE, Control, Log, Trace
from common.reasons import Kind
from sidecar import words
from sidecar.journal import Journal
from sidecar.lines import TooLong
from sidecar.messages import BadLine, Fault
from sidecar.pipes import End

_LEVELS = frozenset({"INFO", "WARN", "ERROR", "DEBUG", "FATAL", "TRACE"})
_TRACES = frozenset({"ERROR", "STREAM_STATUS", "ESTIMATE", "ANALYTICS"})
_LAST_WORDS = 12
_ODD_LINES_LOGGED = 20
_ODD_CHARACTERS = 200
_SAID_CHARACTERS = 2000
"""What is kept of a line for the reason of a failure; the log has more of it."""
_STDERR_LINE_BYTES = 64 * 1024
_HELD_BACK_BYTES = 16 * 1024

KeepConfig = Callable[[bytes], None]
"""Keeps a configuration that the connector has changed, for the next task that is given the same."""


class Connector:
    """Listens to what a connector says beside its results. Whatever it keeps is masked."""

    def __init__(self, package: str, journal: Journal) -> None:
        self.error = ""
        """The first error that names no stream."""
        self.error_kind: Kind | None = None
        """What the first error of all says of itself: those after it are summaries, and often of another type."""
        self.fatal = ""
        self.last = ""
        """What it said last, for a run that goes silent."""
        self.unread_error = self.unread_status = False
        """Whether there was an error, or a status, of which nothing more is known: it could not be read."""
        self.odd_lines = 0
        self._package = package
        self._journal = journal
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._stderr_rest = b""

    def on_stderr(self, data: bytes) -> None:
        """Lines of stderr become log lines; never errors."""
        *lines, self._stderr_rest = (self._stderr_rest + data).split(b"\n")
        if lines:
            self._say(["ERRSTD"] * len(lines), [line.decode("utf-8", "replace").rstrip("\r") for line in lines])
        if len(self._stderr_rest) > _STDERR_LINE_BYTES:
            # Masked before it is cut, and not cut where a secret may have begun that goes on in what follows.
            text = self._journal.hide(self._stderr_rest.decode("utf-8", "surrogateescape"))
            masked = text.encode("utf-8", "surrogateescape")
            self._say(["ERRSTD"], [masked[:-_HELD_BACK_BYTES].decode("utf-8", "replace")])
            self._stderr_rest = masked[-_HELD_BACK_BYTES:]

    def end(self) -> None:
        """The last line may lack its line feed."""
        if self._stderr_rest:
            self.on_stderr(b"\n")

    def on_logs(self, raws: list[Raw]) -> None:
        """LOG messages that came together; they are decoded, masked and kept at once."""
        try:
            logs = _logs.decode(b"[%b]" % b",".join(raws))
        except UNREADABLE:
            logs = []
        if len(logs) == len(raws):
            self._on_logs(logs)
        else:
            for raw in raws:
                self._on_log(raw)

    def _on_log(self, raw: Raw) -> None:
        readable = words.readable(raw)
        try:
            self._on_logs([msgspec.json.decode(readable, type=Log)])
        except UNREADABLE:
            if log := _odd_log(readable):
                self._on_logs([log])
            else:
                self.odd("a LOG message without level and message")

    def _on_logs(self, logs: list[Log]) -> None:
        """Only a FATAL one says something about the outcome, and only if nothing better does."""
        levels = [log.level if log.level in _LEVELS else "INFO" for log in logs]
        said = self._say(levels, [log.message for log in logs])
        if "FATAL" in levels:
            self.fatal = _short([text for level, text in zip(levels, said, strict=True) if level == "FATAL"][-1])

    def on_trace(self, raw: Raw) -> Trace | None:
        """A TRACE message, decoded; errors that name no stream are kept, ESTIMATE and ANALYTICS need nothing."""
        try:
            trace = msgspec.json.decode(words.readable(raw), type=Trace)
            # Looked at here, where one that cannot be read is told.
            _ = trace.status
        except UNREADABLE:
            self.odd("a TRACE message of an unknown shape")
            return None
        if failure := trace.failure:
            [said] = self._say(["ERROR"], [failure.sentence])
            self.error_kind = self.error_kind or reasons.of_trace(failure.failure_type)
            # The first one is the cause; what follows are summaries.
            if failure.stream is None and not self.error:
                self.error = _short(said)
        elif trace.kind not in _TRACES:
            self.odd("a TRACE message of the unknown type", trace.type)
        return trace

    def on_control(self, raw: Raw) -> bytes | None:
        """A CONTROL message: the whole new configuration, if it has one."""
        try:
            config = msgspec.json.decode(raw, type=Control).config
        except UNREADABLE:
            config = None
        if config is None:
            self.odd("a CONTROL message without a new configuration")
        return config

    def on_bad_line(self, line: BadLine) -> None:
        """A line that is no message: noise is shown, what may hold a row is only described."""
        if line.fault is Fault.NOISE:
            first, _, _ = line.text[:_SAID_CHARACTERS].lstrip("[").partition(" ")
            level = first.rstrip("]:").upper()
            self._say([level if level in _LEVELS else "ERROR"], [line.text])
        elif line.fault is Fault.BROKEN:
            kind = f"a {line.envelope.type} message" if line.envelope.type else "a line"
            self.odd(f"{kind} that cannot be read ({line.why})")
            if line.envelope.type == "TRACE":
                self.miss_trace(line.envelope.trace, line.why)
        else:
            self.odd(line.why)

    def miss_trace(self, kind: str, why: str) -> None:
        """A TRACE that cannot be read: an error stays one, and whether a stream completed is not known from it."""
        self.unread_error |= kind == "ERROR"
        self.unread_status |= kind == "STREAM_STATUS"
        self.fatal = self.fatal or f"A TRACE message of the connector could not be read ({why})."

    def on_too_long(self, line: TooLong) -> None:
        """A line over every limit."""
        self.odd(f"a line of {line.size:,} bytes, which is longer than any message may be")

    def odd(self, why: str, said: str | None = None) -> None:
        """Something that is no message; logged a few times, counted always. `said`: the connector's own word for it."""
        self.odd_lines += 1
        if self.odd_lines <= _ODD_LINES_LOGGED:
            # Masked before it is quoted and cut: neither half a secret nor a quoted one would be found.
            quoted = "" if said is None else f" {self._journal.hide(said)[:_ODD_CHARACTERS]!r}"
            why = self._journal.hide(why)[:_ODD_CHARACTERS] + quoted
            self._journal.log("WARN", f"The connector wrote {why}; it was ignored.")

    def reason(self, exit_code: int | None) -> str:
        """Why a connector without a result ended, in its own best words: error, fatal log, last lines."""
        if self.error or self.fatal:
            return self.error or self.fatal
        code = "an unknown exit code" if exit_code is None else f"exit code {exit_code}"
        said = "\n".join(self._last_words).strip()
        if said:
            return f"The connector ended with {code}. It last said:\n{said}"
        nothing = "nothing that could be used (the log tells what)" if self.odd_lines else "nothing"
        return f"The connector ended with {code} and printed {nothing}."

    def kind(self, end: End) -> Kind:
        """What a source came to that did not end well: its own word first, then what its end looks like."""
        if end.stalled_seconds:
            return Kind.STALLED
        if end.stopped:
            return Kind.STOPPED
        said = Kind.SOURCE_ERROR if self.fatal else None
        return self.error_kind or said or reasons.of_exit(end.exit_code)

    def why_ended(self, end: End, *, expects_exit_code: bool) -> str:
        """Why what the connector did not complete was not completed."""
        if end.stalled_seconds:
            said = f"the last line was: {self.last}" if self.last else "it never said a word"
            return f"the source sent nothing for {end.stalled_seconds:.0f} s and was stopped; {said}"
        if end.stopped:
            return "the task was stopped from outside (SIGTERM)"
        if end.exit_code is None and expects_exit_code:
            return "not success: no exit code of the source, it was killed or never ran to its end"
        return self.reason(end.exit_code)

    def _say(self, levels: list[str], texts: list[str]) -> list[str]:
        """Logs lines (at least one); returns their texts as masked."""
        said = self._journal.log_all(levels, texts, self._package)
        self._last_words.extend(map(_short, said[-_LAST_WORDS:]))
        self.last = self._last_words[-1]
        return said


def _odd_log(raw: bytes) -> Log | None:
    """A log line with members of unexpected types; None where it says nothing."""
    try:
        found = msgspec.json.decode(raw, type=dict[str, Any])
    except UNREADABLE:
        return None
    level, message = found.get("level"), found.get("message")
    if not message:
        return None
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    return Log(level if isinstance(level, str) else "INFO", text)


def _short(text: str) -> str:
    return text if len(text) <= _SAID_CHARACTERS else f"{text[:_SAID_CHARACTERS]} ..."


_logs = msgspec.json.Decoder(list[Log])
