"""Log lines: one fixed sentence with `action`, `task_id` and other `extra` values."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

# The attributes of every record; all others came as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_ESCAPES = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, the `extra` values, error (a traceback)."""

    def __init__(self, instance_id: str = "") -> None:
        super().__init__()
        self._common = {"instance": instance_id} if instance_id else {}

    def format(self, record: logging.LogRecord) -> str:
        """Convert values that are not JSON to text, and replace invalid Unicode."""
        line = {"time": _time(record), "level": record.levelname, "logger": record.name}
        line |= {"message": record.getMessage(), **self._common, **_extra(record)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        try:
            return msgspec.json.encode(line, enc_hook=str).decode()
        except (UnicodeEncodeError, TypeError, ValueError):  # a lone surrogate in a text, or a key that is not a text
            plain = {str(key): str(value).encode("utf-8", "replace").decode() for key, value in line.items()}
            return msgspec.json.encode(plain).decode()


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message key=value`, on one line but for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Escape line breaks within a message, so that nobody can forge a line."""
        extra = "".join(f" {key}={value}" for key, value in _extra(record).items())
        text = f"{record.getMessage()}{extra}".translate(_ESCAPES)
        line = f"{_time(record)} {record.levelname} {record.name}: {text}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up(log_format: str = "text", instance_id: str = "") -> None:
    """Send log lines to stderr, unless the root logger has a handler already."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(instance_id) if log_format == "json" else TextFormatter())
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
