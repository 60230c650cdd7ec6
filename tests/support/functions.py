"""Functions as they are deployed, with a search for secrets in whatever they answer and print."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import canaries
from tools import functions
from tools.functions import ROOT, Answer, Server

__all__ = ["ROOT", "Answer", "Server", "peak_kib", "running"]


@contextmanager
def running(name: str, *, token: str = "", source: Path | None = None, **environ: str) -> Iterator[Server]:
    """Run a function, and stop it afterwards; `environ` is all it gets of SYNCCTL_* settings."""
    environ = {"SYNCCTL_BULKER_AUTH_TOKEN": canaries.BULKER, **environ}
    with functions.running(name, token=token, source=source, inspect=canaries.refuse, **environ) as server:
        yield server


def peak_kib(server: Server) -> int:
    """The largest resident memory that the worker of a function's server has had, in KiB."""
    [worker] = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())[0])
