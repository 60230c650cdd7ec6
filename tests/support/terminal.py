"""Runs `syncctl`: as its users do, in a pipe or a pseudo-terminal, or quickly, within the test's process."""

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from typer.testing import CliRunner

from syncctl.cli import app
from tests.support import canaries
from tests.support.fake_deployment import TOKEN

COMMAND = (sys.executable, "-c", "from syncctl.cli import app; app()")
_TIMEOUT = 60


class Ran(NamedTuple):
    """What a finished command left. In a terminal `out` holds both streams."""

    code: int
    out: str
    err: str


def environment(url: str = "", **more: str) -> dict[str, str]:
    """This process's, without what would change the command's behaviour by accident."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SYNCCTL_")}  # noqa: TID251 - a child gets the tests' own
    return kept | {"SYNCCTL_URL": url, "SYNCCTL_TOKEN": TOKEN, "TZ": "UTC", "TERM": "xterm", "COLUMNS": "100"} | more


def run(url: str, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Ran:
    """Runs to the end within this process, which spares the start of an interpreter; not in a terminal."""
    done = CliRunner().invoke(app, arguments, input=stdin, env=environment(url, **(env or {})))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return _ran(done.exit_code, done.stdout, done.stderr)


def run_in_pipe(url: str, *arguments: str) -> Ran:
    """Runs to the end as a process of its own, with pipes."""
    with running(url, *arguments) as process:
        out, err = process.communicate(timeout=_TIMEOUT)
    return _ran(process.returncode, out, err)


def run_in_terminal(url: str, *arguments: str) -> Ran:
    """Runs to the end in a pseudo-terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen([*COMMAND, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment(url))
    os.close(slave)
    output = bytearray()
    reader = threading.Thread(target=_drain, args=(master, output))
    reader.start()
    code = process.wait(_TIMEOUT)
    reader.join(_TIMEOUT)
    os.close(master)
    return _ran(code, output.decode(), "")


@contextmanager
def running(url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is still running; ended by its id at the latest when the block ends."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(url),
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _ran(code: int, out: str, err: str) -> Ran:
    canaries.refuse("what syncctl printed", out, err)
    return Ran(code, out, err)


def _drain(master: int, output: bytearray) -> None:
    # Linux reports a terminal whose other side is closed as an input/output error.
    try:
        while data := os.read(master, 65536):
            output += data
    except OSError:
        return
