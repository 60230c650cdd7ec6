"""Reads the connector's two pipes without ever blocking on either, until the connector is really done."""

import fcntl
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Self

from msgspec import Struct

from sidecar.settings import Settings

READ_BYTES = 1024 * 1024
_PIPE_BYTES = 1024 * 1024
_TICK_SECONDS = 0.5


class Origin(StrEnum):
    """Where bytes came from; TICK is only time passing."""

    STDOUT = "stdout"
    STDERR = "stderr"
    TICK = "tick"


class End(Struct, frozen=True):
    """Why reading ended."""

    exit_code: int | None = None
    stopped: bool = False
    stalled_seconds: float = 0.0
    held_open: bool = False
    """Something kept a pipe open after the connector had exited."""


class Pipes:
    """Both pipes of one connector. Iterate `chunks`, then look at `end`.

    Opened with O_NONBLOCK: a FIFO is silent before its first writer and at EOF after its last; both open in
    whatever order the connector opens them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._stop_at: float | None = None
        self._exited_at: float | None = None
        self.end = End()
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)  # noqa: FBT003 - the standard library's own
        self._selector.register(self._woken, selectors.EVENT_READ, Origin.TICK)
        for origin, path in (
            (Origin.STDERR, settings.stderr_pipe_file),
            (Origin.STDOUT, settings.stdout_pipe_file),
        ):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            _widen(descriptor)
            self._selector.register(descriptor, selectors.EVENT_READ, origin)
        self._open = 2

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_stop)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for key in list(self._selector.get_map().values()):
            if key.data is not Origin.TICK:
                os.close(key.fd)
        self._selector.close()
        self._wake.close()
        self._woken.close()

    @property
    def stopping(self) -> bool:
        """Whether SIGTERM came: what is quick is finished, nothing new is begun."""
        return self._stop_at is not None

    def chunks(self) -> Iterator[tuple[Origin, bytes]]:
        """Whatever comes, as it comes; (TICK, b"") at least twice a second. Sets `end` when done."""
        quiet_since = time.monotonic()
        while self._open:
            ready = self._selector.select(_TICK_SECONDS)
            for key, _ in ready:
                if key.data is Origin.TICK:
                    self._woken.recv(64)
                elif data := self._read(key.fd):
                    yield key.data, data
                    # What the consumer took is not the connector's silence.
                    quiet_since = time.monotonic()
            yield Origin.TICK, b""
            if self._over(quiet_since):
                return
        self.end = End(exit_code=self._await_exit_code(), stopped=self.stopping)

    def _over(self, quiet_since: float) -> bool:
        now = time.monotonic()
        quiet = now - quiet_since
        if self._stop_at is not None and now >= self._stop_at:
            self.end = End(exit_code=self._exit_code(), stopped=True)
            return True
        if self._exit_code() is not None:
            self._exited_at = self._exited_at or now
            if min(quiet, now - self._exited_at) > self._settings.drain_seconds:
                self.end = End(exit_code=self._exit_code(), stopped=self.stopping, held_open=True)
                return True
        elif 0 < self._settings.stall_timeout_seconds < quiet:
            self.end = End(stalled_seconds=quiet)
            return True
        return False

    def _read(self, descriptor: int) -> bytes:
        """Up to a megabyte; closes the pipe at its EOF."""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            self._selector.unregister(descriptor)
            os.close(descriptor)
            self._open -= 1
        return data

    def _await_exit_code(self) -> int | None:
        """The code is written a moment after the pipes close."""
        deadline = time.monotonic() + self._settings.drain_seconds
        while (code := self._exit_code()) is None and self._settings.exit_code_file:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        return code

    def _exit_code(self) -> int | None:
        if not self._settings.exit_code_file:
            return None
        try:
            return int(Path(self._settings.exit_code_file).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        if self._stop_at is None:
            # Half of the grace period for the connector's last words, the other half for Bulker and Postgres.
            self._stop_at = time.monotonic() + min(self._settings.grace_seconds / 2, 10.0)


def _widen(descriptor: int) -> None:
    """A larger pipe means fewer switches between the two processes; not every kernel allows it."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        return
