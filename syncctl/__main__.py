"""The entry point: catches what happens while the commands are imported, and after they have ended."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import syncctl

_INTERRUPTED = 130


def main() -> None:
    """Run the command line, without a traceback if Ctrl-C comes early or standard output fails."""
    _open_streams()
    try:
        _check_packages()
        run = _program()
        try:
            run()
        finally:
            sys.stdout.flush()  # Python would do it after this handler
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except OSError as error:  # standard output goes to a disk that is full
        # Python would write the rest again at its end, and exit with code 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(f"syncctl: {error.strerror or error}")


def _program() -> Callable[[], None]:
    """Return syncctl, or the plugin of Knative's kn, if this file is called as one."""
    if Path(sys.argv[0]).stem == "kn-sync":
        from syncctl.kn import cli as plugin

        return plugin.run
    from syncctl.cli import app

    return app


def _check_packages() -> None:
    """Exit with a sentence if PYTHONPATH has another package called `common`."""
    import common

    found, ours = (Path(package.__file__ or "").resolve().parent for package in (common, syncctl))
    if found.parent != ours.parent:
        sys.exit(f"syncctl: {found} hides this program's own package. Unset PYTHONPATH, and try again.")


def _open_streams() -> None:
    """Replace the streams that the caller closed, which are None."""
    nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open for as long as the process lives
    sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere


if __name__ == "__main__":
    main()
