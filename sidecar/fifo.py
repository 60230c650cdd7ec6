"""Look at a pipe or file that a connector may have replaced, without waiting on it."""

import os
import stat

_CODE_BYTES = 16


def peek(path: str) -> bytes | None:
    """Return a file's first bytes: none of a pipe that nobody has open, None of one that somebody has.

    The connector may write there too: a link or a pipe in a file's place must not block.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, _CODE_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def is_held(path: str) -> bool:
    """Return whether somebody has a pipe open; not where there is none."""
    try:
        return stat.S_ISFIFO(os.lstat(path).st_mode) and peek(path) is None
    except OSError:
        return False
