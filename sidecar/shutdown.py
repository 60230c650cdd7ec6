"""SIGTERM: once it has come, whatever waits has a deadline, so that the end is written within the grace period."""

import contextlib
import signal
import socket
import time
from types import FrameType

_READING, _SENDING, _STORING = 0.5, 0.7, 0.9
"""Which part of the grace period may be over when reading, Bulker's last answers and the final row are done."""
_READING_SECONDS = 10.0
"""A connector's last words need no longer."""


class Shutdown:
    """The one thing that SIGTERM changes. `woken` is readable once it has come."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._at: float | None = None
        self._wake, self.woken = socket.socketpair()
        for end in (self._wake, self.woken):
            end.setblocking(False)  # noqa: FBT003 - the standard library's own

    def listen(self) -> None:
        """Takes SIGTERM over; from the main thread only."""
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_signal)

    def request(self) -> None:
        """The same from inside, as where nobody waits for this run any more; from any thread."""
        self._on_signal(0, None)
        with contextlib.suppress(OSError):
            self._wake.send(b"x")

    def close(self) -> None:
        """Lets go of the sockets, not of the signal: a late SIGTERM must not cut the last words off."""
        signal.set_wakeup_fd(-1)
        self._wake.close()
        self.woken.close()

    @property
    def requested(self) -> bool:
        """Whether the task is to end."""
        return self._at is not None

    @property
    def reading_over(self) -> bool:
        """Whether the connector has had its time for last words."""
        limit = min(self._grace_seconds * _READING, _READING_SECONDS)
        return self._at is not None and time.monotonic() >= self._at + limit

    def send_deadline(self, deadline: float) -> float:
        """A deadline for Bulker (as time.monotonic tells), drawn nearer by a stop."""
        return deadline if self._at is None else min(deadline, self._at + self._grace_seconds * _SENDING)

    def store_budget(self, wanted: float) -> float:
        """How long Postgres may be waited for, of the seconds wanted."""
        if self._at is None:
            return wanted
        return max(min(wanted, self._at + self._grace_seconds * _STORING - time.monotonic()), 0.0)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if self._at is None:
            self._at = time.monotonic()
