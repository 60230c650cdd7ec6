"""What a task's Secret can hold, in bytes: the same bounds for the sidecar, which saves, and functions, which load.

What is saved is handed to a later task as a whole. So it is measured before it is saved, in the form in which it will
be handed back, and its stored size is asked for before it is loaded.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import RLock

from common.errors import Refused, TooLarge

SECRET_BYTES = 1024 * 1024
"""The API server's limit on a Secret's data, before base64."""
ROOM_BYTES = SECRET_BYTES - 16 * 1024
"""For config, catalog and state together, compressed: credentials and keys are in the same Secret."""
UNPACKED_BYTES = 64 * 1024 * 1024
"""For the same three as files: the size limit of their volume in the pod."""
STATES_BYTES = 8 * 1024 * 1024
"""For all states of a sync, before compression."""
LOADED_BYTES = 2 * STATES_BYTES
"""For the same states as jsonb writes them: with a space behind each comma and colon."""
RESULT_BYTES = 10 * 1024 * 1024
"""For what a spec, check or discover has found: as long a line as the original took."""
CONFIG_BYTES = 1024 * 1024
"""For a configuration that a connector has changed, before compression."""

SPLIT = "split its streams over several syncs; a state that only ever grows begins from nothing with fullSync=true"
"""What to do where states are too large."""
PACKED = ".gz"
"""How the key of a compressed part in a Secret ends."""
_ONE_LARGE = RLock()


@contextmanager
def one_at_a_time(*, large: bool) -> Iterator[None]:
    """Let only one thread work on something large: several at once outgrow a function's memory."""
    if not large:
        yield
        return
    with _ONE_LARGE:
        yield


def states_problem(size: int, total: int) -> str:
    """Return why a state of this size, with a sync's others of `total` bytes, can be given to no task; "" if it can."""
    if total <= STATES_BYTES:
        return ""
    return (
        f"it has {size:,} bytes, and with this sync's other states {total:,}; a task can be given {STATES_BYTES:,}: "
        f"{SPLIT}"
    )


def pack(part: bytes) -> bytes:
    """Return a part of a task's Secret as it is stored where it would be too large otherwise."""
    return gzip.compress(part, compresslevel=6, mtime=0)


def is_packed(values: Iterable[str]) -> bool:
    """Return whether a Secret with these keys has compressed parts."""
    return any(key.endswith(PACKED) for key in values)


def unpack(name: str, packed: bytes) -> bytes:
    """Return what `pack` was given; name the part if it is larger than its volume in the pod, or was changed by hand.

    Raise TooLarge, or Refused.
    """
    reader = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        part = reader.decompress(packed, UNPACKED_BYTES)
    except zlib.error as error:
        raise Refused(f"The {name} in the task's Secret cannot be unpacked; start the task again.") from error
    if not reader.eof:
        raise TooLarge(
            f"The {name} in the task's Secret unpacks to more than {UNPACKED_BYTES:,} bytes; {advice(name)}."
        )
    return part


def advice(largest: str) -> str:
    """Return what a caller can do where this part of config, catalog and state is the largest."""
    begin = " (a saved one is left behind by fullSync=true, or by a `state` of {} in the body)"
    return f"select fewer streams, or shorten {largest}{begin if largest == 'state' else ''}"
