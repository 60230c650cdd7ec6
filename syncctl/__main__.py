"""Where the program begins: importing the commands takes a moment, and Ctrl-C may come within it."""

import os
import sys

_INTERRUPTED = 130


def main() -> None:
    """Runs the command line; no traceback is shown when it is interrupted before it has begun, or cannot be heard."""
    _open_streams()
    try:
        from syncctl.cli import app

        try:
            app()
        finally:
            sys.stdout.flush()  # else Python does it when nobody can catch what goes wrong
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except OSError as error:  # of standard output: the disk that it goes to is full
        _give_up_output()
        sys.exit(f"syncctl: {error.strerror or error}")


def _give_up_output() -> None:
    """Send what could not be written nowhere: Python tries again at its end, and would exit with code 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """A stream that was closed by who started us is None: what goes there is said to nobody."""
    nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open for as long as the process lives
    sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere


if __name__ == "__main__":
    main()
