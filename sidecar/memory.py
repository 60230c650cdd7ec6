"""Keeps freed memory at hand: asking the kernel for the pages of each chunk anew took a fifth of a read's time."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""glibc's names for them in malloc.h."""
_KEPT_BYTES = 8 * 1024 * 1024
_SINGLE_BYTES = 2 * 1024 * 1024
"""What is larger (long lines) gets pages of its own and gives them back: so the heap cannot fall into pieces."""


def keep() -> None:
    """From here on; does nothing where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, _SINGLE_BYTES)
