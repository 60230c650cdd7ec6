"""The sockets of this process: whether they are closed, or left to the finalizer."""

import contextlib
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.fake_bulker import wait_for


@contextmanager
def no_socket_is_left() -> Iterator[None]:
    """Not even until a finalizer comes: none runs in here, and whoever is in here keeps what was raised."""
    before = _sockets()
    gc.collect()
    gc.disable()
    try:
        yield
        wait_for(lambda: _sockets() <= before, what="no new socket")
    finally:
        gc.enable()


def _sockets() -> set[str]:
    """The numbers of this process's open sockets, each with which one it is."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own
            if (name := str(descriptor.readlink())).startswith("socket:"):
                found.add(f"{descriptor.name} {name}")
    return found
