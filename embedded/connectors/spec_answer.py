"""Whether a connector that has just been installed answers `spec`, from what it printed."""

from typing import Any

import msgspec

from embedded.connectors import uv


def problem(code: int, output: str) -> str:
    """Return why this is no answer, in one line; "" if it is one.

    Some connectors catch what breaks their start, print it as a TRACE, and end with 0 without a specification.
    """
    messages = [message for line in output.splitlines() if (message := _decoded(line)) is not None]
    errors = [text for message in messages if (text := _error(message))]
    if code == 0 and (not errors or any(message.get("type") == "SPEC" for message in messages)):
        return ""
    *_, last = [*output.strip().splitlines(), *errors] or [f"`spec` ends with code {code}"]
    return uv.summary(last)


def _decoded(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        message = msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _error(message: dict[str, Any]) -> str:
    """Return the text of a TRACE ERROR."""
    trace = message.get("trace")
    error = trace.get("error") if isinstance(trace, dict) and trace.get("type") == "ERROR" else None
    if not isinstance(error, dict):
        return ""
    return str(error.get("internal_message") or error.get("message") or "an error without a message")
