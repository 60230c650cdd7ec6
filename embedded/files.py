"""Files that are written whole or not at all, and locks that the kernel releases when their holder dies."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomic(path: Path, content: bytes, mode: int = 0o600, *, durable: bool = False) -> None:
    """Replace a file: readers see the old content or the new one. `durable`: so it is after a crash of the machine."""
    half = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)  # a full disk: half a secret must not stay
        raise


@contextmanager
def lock(path: Path, wait: Callable[[], object] | None = None) -> Iterator[int]:
    """Lock a folder, or a file that is created if missing, and yield its descriptor.

    A process that inherits the descriptor keeps the lock, too. Where another one has it, call `wait` and block; raise
    BlockingIOError without `wait`.
    """
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if wait is None:
                raise
            wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
