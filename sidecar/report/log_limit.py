"""Bound what one attempt of a task adds to task_log, in bytes of rows. Pure.

The connector's lines below ERROR may fill most of it, its errors and the sidecar's own lines the rest; a `certain` line
always has room. What has none is left to the container's own log.
"""

import math

from msgspec import structs

from common.store.task_log import LogLines

LOGGER = "jitsu"
"""The logger name of the sidecar's own lines (docs/reference/contract.md D)."""
_ROUTINE_SHARE = 7 / 8
_ROW_BYTES = 150
"""A row without its texts, and its entries in two indexes, one of which repeats the ids."""
_ERRORS = frozenset({"ERROR", "FATAL"})


class LogLimit:
    """Let lines through while there is room; a line of the log tells where it ended.

    `ids`: what each row holds twice.
    """

    def __init__(self, most_bytes: int, ids: str) -> None:
        self._most = most_bytes
        self._row_bytes = _ROW_BYTES + 2 * len(ids.encode())
        self._used = self._left_out = 0
        self._routine_over = self._errors_over = False

    def admit(self, lines: LogLines) -> list[LogLines]:
        """Return those of the lines that there is room for, and lines that tell, once each, that others have none."""
        fitting = self._take(lines, self._bound(lines))
        admitted = [lines.part(0, fitting)] if fitting else []
        if fitting == len(lines):
            return admitted
        rest = lines.part(fitting, len(lines))
        if not self._routine_over:
            self._routine_over = True
            admitted.append(self._notice(lines, "only errors follow"))
        errors = None if rest.logger == LOGGER else rest.only(_ERRORS)
        late = self._take(errors, self._most) if errors else 0
        if errors and late:
            admitted.append(errors.part(0, late))
        if errors and late < len(errors) and not self._errors_over:
            self._errors_over = True
            admitted.append(self._notice(lines, "errors have no room left either"))
        self._left_out += len(rest) - late
        return admitted

    def summary(self, like: LogLines) -> list[LogLines]:
        """Return a line, at the time of `like`, that counts those left out since the last one."""
        left_out, self._left_out = self._left_out, 0
        return [_own(like, f"{left_out:,} lines had no room in this log.")] if left_out else []

    def _bound(self, lines: LogLines) -> float:
        if lines.certain or lines.logger == LOGGER:
            return math.inf if lines.certain else self._most
        return 0 if self._routine_over else self._most * _ROUTINE_SHARE

    def _take(self, lines: LogLines, bound: float) -> int:
        """Return how many of the lines fit, and count them."""
        row_bytes = self._row_bytes + len(lines.logger)
        whole = len(lines.messages.encode("utf-8", "replace")) + len(lines) * row_bytes
        if self._used + whole <= bound:
            self._used += whole
            return len(lines)
        if self._used + row_bytes > bound:
            return 0
        for number, line in enumerate(lines):
            size = len(line.message.encode("utf-8", "replace")) + row_bytes
            if self._used + size > bound:
                return number
            self._used += size
        return len(lines)

    def _notice(self, like: LogLines, what: str) -> LogLines:
        return _own(
            like,
            f"This log has reached its limit, {self._most:,} bytes for this attempt (SYNCCTL_TASK_LOG_BYTES): {what}. "
            "The log of the task's pod has every line, for as long as the pod is there and its node keeps them.",
        )


def _own(like: LogLines, text: str) -> LogLines:
    return structs.replace(like, logger=LOGGER, levels="WARN", messages=text)
