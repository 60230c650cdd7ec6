"""The program's first moment."""

import signal
import subprocess
import sys

# Stands for a slow disk: the commands' module takes so long to import that a signal surely comes within it.
SLOW = """
import builtins, sys, time
real = builtins.__import__
def slow(name, *rest):
    if name == "syncctl.main":
        print("importing", flush=True)
        time.sleep(60)
    return real(name, *rest)
builtins.__import__ = slow
from syncctl.entry import main
main()
"""


def test_ctrl_c_while_the_commands_are_imported_is_no_traceback() -> None:
    """Exit 130 and nothing on stderr."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")
