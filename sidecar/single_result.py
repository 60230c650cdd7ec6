"""spec, check and discover: the last result that the connector prints is the task's."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from common.errors import Refused
from common.failures import Failure, FailureKind
from common.protocol import causes
from common.protocol.catalogs import MISSING
from common.protocol.commands import Command
from common.protocol.messages import DECODE_ERRORS, ConnectionStatus, Message
from common.redaction import Redactor
from common.store import Outcome, TaskState
from sidecar import result_content
from sidecar.read.outcome import unexplained
from sidecar.source import lenient
from sidecar.source.diagnostics import KeepConfig, SourceDiagnostics
from sidecar.source.joining import LineJoiner
from sidecar.source.lines import LINE_BYTES, LineReader, TooLong
from sidecar.source.pipes import End
from sidecar.source.salvage import BadLine, Fault

_EXPECTED = {Command.SPEC: "SPEC", Command.CHECK: "CONNECTION_STATUS", Command.DISCOVER: "CATALOG"}
_PASSED, _SHOWN_PASS = "SUCCEEDED", "SUCCESS"
"""A passed check in the protocol, and in the caller's table."""
_GOOD = {
    Command.SPEC: "The specification came",
    Command.CHECK: "The check passed",
    Command.DISCOVER: "The catalog came",
}
_TEXT_CHARACTERS = 2000


class SingleResult:
    """Collect the one result of a command; `publish` shows it before the connector has ended."""

    def __init__(
        self,
        command: Command,
        diagnostics: SourceDiagnostics,
        redactor: Redactor,
        keep_config: KeepConfig,
        publish: Callable[[Outcome], None] = lambda _: None,
        *,
        expects_exit_code: bool = False,
    ) -> None:
        self._command, self._keep_config, self._publish = command, keep_config, publish
        self._diagnostics, self._expects_exit_code = diagnostics, expects_exit_code
        self._redactor = redactor
        self._lines, self._joiner = LineReader(record_bytes=LINE_BYTES), LineJoiner()
        self._found: Raw = MISSING

    def progress(self) -> dict[str, Any] | None:
        """Return None: there are no streams."""
        return None

    def on_stdout(self, data: bytes) -> None:
        """Take a chunk of the connector's output."""
        self._take(self._lines.feed(data))

    def tick(self) -> None:
        """Log what has waited long enough."""
        self._diagnostics.tick()

    def waits_until(self) -> float:
        """Return 0: no stream waits for a quota."""
        return 0.0

    def settle(self, end: End, insist: Callable[[], None]) -> Outcome:
        """Return the outcome: a result counts whatever else was printed before or after it, but not over a bad exit.

        `insist` brings a changed configuration to Postgres, or tells why it cannot.
        """
        self._take(self._lines.flush())
        for message in self._joiner.flush():
            self._on_message(message)
        self._diagnostics.drain_logs()
        insist()
        if self._found == MISSING:
            return self._without_result(end)
        found = self._with_result()
        return self._spoiled(found, end) if found.state is TaskState.SUCCESS and self._ended_badly(end) else found

    def _ended_badly(self, end: End) -> bool:
        """Return whether the exit speaks against a good result; that of a stopped connector does not, and is logged."""
        if end.stopped or end.stalled_seconds:
            self._diagnostics.log("WARN", "The connector was stopped after its result, which counts all the same.")
            return False
        return self._expects_exit_code if end.exit_code is None else end.exit_code != 0

    def _spoiled(self, found: Outcome, end: End) -> Outcome:
        """Return the failure of a task whose result was good. The result is kept, and the reason names both signs."""
        code = "without an exit code (it was killed)" if end.exit_code is None else f"with exit code {end.exit_code}"
        known, last = self._diagnostics.error or self._diagnostics.fatal, self._diagnostics.last_said
        words = f": {known}" if known else f". It last said:\n{last}" if last else "."
        reason = f"{_GOOD[self._command]}, but then the connector ended {code}{words}"
        return msgspec.structs.replace(
            found,
            state=TaskState.FAILED,
            reason=reason,
            description=self._prefix + reason,
            check_status=str(TaskState.FAILED),
            failure=Failure(self._diagnostics.kind(end), reason),
            provisional=unexplained(end),
        )

    def _with_result(self) -> Outcome:
        if self._command is Command.CHECK:
            return self._checked()
        # Names of streams and columns must stay; a spec is older than any secret.
        return Outcome(TaskState.SUCCESS, result=self._redactor.redact_json(bytes(self._found), words=False))

    def _take(self, blocks: list[bytes | TooLong]) -> None:
        for block in blocks:
            if isinstance(block, TooLong):
                self._diagnostics.on_too_long(block)
                continue
            for message in self._joiner.decode(block):
                self._on_message(message)

    def _on_message(self, message: Message | BadLine) -> None:
        if isinstance(message, BadLine):
            if message.fault is Fault.QUOTED:
                return
            if message.fault is Fault.BROKEN and message.envelope.type == _EXPECTED[self._command]:
                self._diagnostics.unusable_result(
                    f"The connector's {message.envelope.type} message cannot be read: {message.why}."
                )
            self._diagnostics.on_bad_line(message)
            return
        payloads = {
            "SPEC": message.spec,
            "CATALOG": message.catalog,
            "CONNECTION_STATUS": message.connectionStatus,
        }
        if message.type == "LOG":
            self._diagnostics.on_logs([message.log])
        elif message.type == "TRACE":
            self._diagnostics.on_trace(message.trace)
        elif message.type == _EXPECTED[self._command]:
            self._on_result(message.type, payloads[message.type])
        elif message.type == "CONTROL":
            self._on_control(message.control)
        elif message.type not in {"RECORD", "STATE", *payloads}:
            self._diagnostics.count_malformed("a message of the unknown type", message.type)

    def _on_control(self, raw: Raw) -> None:
        config = self._diagnostics.on_control(raw)
        # A spec has no configuration that could change.
        if config is not None and self._command is not Command.SPEC:
            self._keep_config(config)

    def _on_result(self, kind: str, payload: Raw) -> None:
        """Keep a result; an unusable one never replaces one that was found, now or earlier."""
        payload = Raw(lenient.readable(payload))
        try:
            payload = result_content.usable(kind, payload)
        except (*DECODE_ERRORS, Refused) as error:
            self._diagnostics.count_malformed(f"a {kind} message without usable content ({error})")
            text = self._redactor.redact(result_content.message_in(payload))[:_TEXT_CHARACTERS]
            why = f"The connector's {kind} message has no usable content ({error})."
            self._diagnostics.unusable_result(f"{why} It says: {text}" if text else why)
            return
        self._found = payload
        self._diagnostics.drain_logs()
        # Some connectors linger for a minute, and consoles do not wait that long.
        self._publish(self._with_result())

    def _without_result(self, end: End) -> Outcome:
        reason, kind = self._diagnostics.reason(end.exit_code), self._diagnostics.kind(end)
        if end.stalled_seconds:
            last = f"; it last said: {self._diagnostics.last_line}" if self._diagnostics.last_line else ""
            why = f"The connector sent nothing for {end.stalled_seconds:.0f} s and was stopped{last}"
            reason = self._diagnostics.with_error(why)
        elif end.stopped:
            why = "The task was stopped from outside (SIGTERM) before the connector had answered"
            reason = f"{self._diagnostics.with_error(why)}."
        elif end.exit_code == 0 and not self._diagnostics.error and not self._diagnostics.fatal:
            reason = f"The connector ended without its {_EXPECTED[self._command]} message. {reason}"
            kind = FailureKind.NO_RESULT
        return Outcome(
            TaskState.FAILED,
            reason=reason,
            description=self._prefix + reason,
            failure=Failure(kind, reason),
            provisional=unexplained(end),
        )

    @property
    def _prefix(self) -> str:
        return "" if self._command is Command.DISCOVER else "FAILED: "

    def _checked(self) -> Outcome:
        passed = msgspec.json.decode(self._found, type=ConnectionStatus).status == _PASSED
        status = msgspec.json.decode(self._redactor.redact_json(bytes(self._found)), type=ConnectionStatus)
        text = status.text if passed else self._why_refused(status)
        return Outcome(
            TaskState.SUCCESS if passed else TaskState.FAILED,
            reason="" if passed else text,
            description=text,
            result=self._redactor.redact_json(bytes(self._found)),
            # The table's word for a pass is unknown to the protocol: from a connector it does not mean one.
            check_status=_SHOWN_PASS if passed else status.status if status.status != _SHOWN_PASS else "FAILED",
            failure=None if passed else Failure(FailureKind.CONFIG_ERROR, text),
        )

    def _why_refused(self, found: ConnectionStatus) -> str:
        """Return the check's own reason, with the best words beside it if it explains nothing."""
        known = self._diagnostics.refusal
        if found.text and not (known and causes.is_vague(found.text)):
            return found.text
        if found.status != "FAILED":
            status = found.status[:40]
            return f"The connector answered with the status {status!r}, which is neither SUCCEEDED nor FAILED."
        return causes.explained(found.text, known) or "The connector refused the configuration and gave no reason."
