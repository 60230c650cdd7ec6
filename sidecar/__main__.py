"""`python -m sidecar`: see sidecar/__init__.py. The source waits for the pipes, so these come before all imports."""

import os
import sys

from sidecar.early_stop import EarlyStop
from sidecar.prepare import call_off, prepare


def start() -> int:
    """Prepare the pod for its source, and run the task; return the exit code."""
    early, trouble = EarlyStop(), None
    early.listen()
    try:
        prepare(os.environ, early)  # noqa: TID251 - settings would have to be imported
    except Exception as error:  # noqa: BLE001 - the task's row has to tell it
        trouble = error
    try:
        from sidecar.run import main

        return main(trouble=trouble, early=early)
    finally:
        call_off(os.environ)  # noqa: TID251 - as above


if __name__ == "__main__":
    sys.exit(start())
