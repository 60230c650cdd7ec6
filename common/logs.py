"""Log lines: one fixed sentence with `action`, `task_id` and other `extra` values.

A record is one line of printable text, whatever a caller or a connector put into it: nobody can forge a line, or steer
the terminal that shows it.
"""

import json
import logging
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

# The attributes of every record; all others came as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Control characters, what separates lines or reorders letters, invisible letters, half surrogate pairs.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)


def one_line(text: str) -> str:
    r"""Return a text with an escape such as `\n` in the place of each character that is not safe to print."""
    return text if text.isprintable() else _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


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
            encoded = msgspec.json.encode(line, enc_hook=str).decode()
        except (UnicodeEncodeError, TypeError, ValueError):  # a lone surrogate in a text, or a key that is not a text
            plain = {str(key): str(value).encode("utf-8", "replace").decode() for key, value in line.items()}
            encoded = msgspec.json.encode(plain).decode()
        return _UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], encoded)


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message key=value`, then a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Keep a traceback on the line too: it quotes what it is about."""
        extra = "".join(f" {key}={value}" for key, value in _extra(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}{extra}"
        return one_line(f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line)


class RedactingFormatter(logging.Formatter):
    """`LEVEL : message`, then a traceback if there is one, redacted: the sidecar's own log."""

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        super().__init__("%(levelname)s : %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Redact first: a key of several lines would not be found behind its escapes."""
        return one_line(self._redact(super().format(record)))


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
