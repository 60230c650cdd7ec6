"""Runs commands, and tells how long things take."""

import contextlib
import fcntl
import hashlib
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tools.cluster import settings

Part = str | Path


class ClusterError(Exception):
    """A sentence for whoever started the tool."""


def run(*command: Part, cwd: Path | None = None, env: Mapping[str, str] | None = None, quiet: bool = False) -> str:
    """Runs a command that has to succeed and returns what it printed; `quiet` hides its errors unless it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        check=True,
        text=True,
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
    )
    return done.stdout


def show(*command: Part) -> None:
    """Runs a command that has to succeed and whose output is for the user."""
    subprocess.run([str(part) for part in command], check=True)


def succeeds(*command: Part) -> bool:
    """Whether a command succeeds; what it prints is thrown away."""
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True)
    return done.returncode == 0


def say(line: str) -> None:
    """Prints a line in one piece: two phases may run at the same time."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Prints what is being done and, when done, how long it took."""
    say(f"{name} ...")
    started = time.monotonic()
    yield
    say(f"{name}: {time.monotonic() - started:.1f} s")


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Lets one process at a time do what the name says."""
    with Path(f"/run/lock/sync-cluster-{name}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def wait_until(what: str, condition: Callable[[], bool], died: Callable[[], list[str]], seconds: float = 90) -> None:
    """Polls; gives up at once when one of the daemons that `died` watches is dead."""
    deadline = time.monotonic() + seconds
    while not condition():
        for name in died():
            raise ClusterError(f"{name} died; see {settings.LOGS / name}.log")
        if time.monotonic() > deadline:
            raise ClusterError(f"gave up after {seconds:g} s waiting until {what}; `logs` shows what the daemons said")
        time.sleep(0.2)


def digest(*parts: Part) -> str:
    """A short hash over files and strings."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        total.update(b"\0")
    return total.hexdigest()[:12]


def substitute(template: Path, **values: str) -> str:
    """The text of a template file with this cluster's addresses and folders."""
    return string.Template(template.read_text()).substitute(settings.names() | values)
