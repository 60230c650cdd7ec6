"""SIGTERM: once it has come, whatever waits has a deadline, so that the end is written within the grace period."""

import contextlib
import signal
import socket
import time
from types import FrameType

from sidecar.early_stop import EarlyStop

_READ_SHARE, _SEND_SHARE, _STORE_SHARE = 0.5, 0.7, 0.9
"""The part of the grace period after which reading, Bulker's last answers and the final row are done."""
_READ_SECONDS = 10.0
"""A connector's last lines need no longer."""


class Shutdown:
    """The request to end the task. `woken` is readable once it has come."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._at: float | None = None
        self._wake, self.woken = socket.socketpair()
        for end in (self._wake, self.woken):
            end.setblocking(False)  # noqa: FBT003 - the standard library's own

    def listen(self, early: EarlyStop) -> None:
        """Take over SIGTERM, and one that has come before; from the main thread only."""
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_signal)
        if early.at is not None:  # looked at last: a signal has come there or here
            self.request()
            self._at = early.at

    def request(self) -> None:
        """Act as on SIGTERM, such as for a superseded attempt; from any thread."""
        self._on_signal(0, None)
        with contextlib.suppress(OSError):
            self._wake.send(b"x")

    def close(self) -> None:
        """Close the sockets but keep the handler: a late SIGTERM must not cut the last log lines off."""
        signal.set_wakeup_fd(-1)
        self._wake.close()
        self.woken.close()

    @property
    def requested(self) -> bool:
        """Whether the task is to end."""
        return self._at is not None

    @property
    def reading_over(self) -> bool:
        """Whether the connector has had its time for last lines."""
        limit = min(self._grace_seconds * _READ_SHARE, _READ_SECONDS)
        return self._at is not None and time.monotonic() >= self._at + limit

    def send_deadline(self, deadline: float) -> float:
        """Return a deadline for Bulker (by time.monotonic), earlier once the shutdown is requested."""
        return deadline if self._at is None else min(deadline, self._at + self._grace_seconds * _SEND_SHARE)

    def store_budget(self, wanted: float) -> float:
        """Return how many of the wanted seconds Postgres may be waited for."""
        if self._at is None:
            return wanted
        return max(min(wanted, self._at + self._grace_seconds * _STORE_SHARE - time.monotonic()), 0.0)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if self._at is None:
            self._at = time.monotonic()
