"""The sidecar's own output: its container's log, in which each record is one line, redacted."""

import logging
import sys
import threading
from collections.abc import Callable

from common.logs import RedactingFormatter

_log = logging.getLogger(__name__)


def set_up() -> Callable[[Callable[[str], str]], None]:
    """Send records to stderr; return what makes them pass through a `redact` from then on.

    What nobody catches becomes a record too: Python would print its traceback as it is, with what that quotes.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for stream in (sys.stdout, sys.stderr):
        # A connector's text must not fail for want of a locale.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.excepthook = lambda *caught: _log.critical("The sidecar failed.", exc_info=caught)
    threading.excepthook = _on_thread
    return lambda redact: handler.setFormatter(RedactingFormatter(redact))


def _on_thread(args: threading.ExceptHookArgs) -> None:
    cause = (args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
    _log.critical("A thread of the sidecar failed.", exc_info=cause)
