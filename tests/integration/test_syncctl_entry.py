"""The program's first moment."""

import signal
import subprocess
import sys

import pytest

# Stands for a slow disk: the commands' module takes so long to import that a signal surely comes within it.
SLOW = """
import builtins, sys, time
real = builtins.__import__
def slow(name, *rest):
    if name == "syncctl.cli":
        print("importing", flush=True)
        time.sleep(60)
    return real(name, *rest)
builtins.__import__ = slow
from syncctl.__main__ import main
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


@pytest.mark.parametrize(
    ("redirected", "code", "says"),
    [(">&-", 5, "Nothing answers"), ("> /dev/full", 1, "No space left on device"), (">&- 2>&-", 5, "")],
)
@pytest.mark.parametrize("json", ["", "--json"])
def test_an_output_that_takes_nothing_is_no_traceback(
    redirected: str, code: int, says: str, json: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed by the caller, or on a full disk: one sentence, if it can be printed."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # it would hide what Python still wants to write at its end
    if not json and "full" in redirected:
        code, says = 5, "Nothing answers"  # nothing is written there
    program = f"{sys.executable} -c 'from syncctl.__main__ import main; main()' tasks --url http://127.0.0.1:1 {json}"
    done = subprocess.run(["sh", "-c", f"{program} {redirected}"], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr, says in done.stderr) == (code, False, True)
    assert "Exception ignored" not in done.stderr
