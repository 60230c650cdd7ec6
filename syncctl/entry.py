"""Where the program begins: importing the commands takes a moment, and Ctrl-C may come within it."""

import sys

_INTERRUPTED = 130


def main() -> None:
    """Runs the command line; no traceback is shown when it is interrupted before it has begun."""
    try:
        from syncctl.main import app

        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
