"""Read the connector's two pipes without blocking on either, until the connector is really done."""

import errno
import fcntl
import os
import selectors
import stat
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Self

from msgspec import Struct

from common.errors import SyncError
from sidecar.fifo import is_held, peek
from sidecar.settings import SidecarSettings
from sidecar.shutdown import Shutdown

READ_BYTES = 256 * 1024
"""Larger reads outgrow malloc's retained heap and page-fault on every chunk."""
_PIPE_BYTES = 1024 * 1024
_TICK_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_CODE_PAUSE_SECONDS = 0.02
_HELD_OPEN_SECONDS = 60.0
"""How long processes that a connector left behind may keep writing, not counting the time spent on what they write."""

# What a connector can make of a pipe's place in the volume that it shares; other errors are not its fault.
_REPLACED = {
    errno.ENOENT: "it is gone",
    errno.ELOOP: "a link is there",
    errno.ENXIO: "a socket is there",
    errno.EACCES: "what is there is closed to the sidecar",
}


class PipeReplaced(SyncError):
    """The connector removed a pipe, or put something else in its place, before the sidecar had opened it."""


class PipeEvent(StrEnum):
    """The pipe that bytes came from; TICK is only time passing."""

    STDOUT = "stdout"
    STDERR = "stderr"
    TICK = "tick"


class End(Struct, frozen=True):
    """Why reading ended; `held_open`: something kept a pipe open after the connector had exited."""

    exit_code: int | None = None
    stopped: bool = False
    stalled_seconds: float = 0.0
    held_open: bool = False


class Pipes:
    """Both pipes of one connector: iterate `chunks`, then read `end`.

    Opened with O_NONBLOCK: a FIFO is silent before its first writer and at EOF after its last; both open in
    whatever order the connector opens them. `waits_until`: see Streams.limited_until. Raise PipeReplaced.
    """

    def __init__(self, settings: SidecarSettings, stop: Shutdown, waits_until: Callable[[], float] = float) -> None:
        self._settings, self._shutdown, self._waits_until = settings, stop, waits_until
        self._selector = selectors.DefaultSelector()
        self._selector.register(stop.woken, selectors.EVENT_READ, PipeEvent.TICK)
        self._quiet = 0.0
        self._waited_since_exit: float | None = None
        self._source_over = self._awaited = False
        self._look_at = 0.0
        self._open = 0
        self._begun = not settings.pipes_folder
        self.end = End()

    def __enter__(self) -> Self:
        try:
            for event, path in (
                (PipeEvent.STDERR, self._settings.stderr_pipe_file),
                (PipeEvent.STDOUT, self._settings.stdout_pipe_file),
            ):
                descriptor = _open(event, path)
                self._selector.register(descriptor, selectors.EVENT_READ, event)
                self._open += 1
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not PipeEvent.TICK:
                os.close(key.fd)
        self._selector.close()

    @property
    def begun(self) -> bool:
        """Whether the source has begun; before that its image may still be pulled. Always true in others' pods."""
        self._begun = self._begun or os.path.lexists(self._settings.source_alive_file)
        return self._begun

    def chunks(self) -> Iterator[tuple[PipeEvent, bytes]]:
        """Yield data as it comes, and (TICK, b"") at least twice a second; set `end` when done."""
        while self._open or self._outlives_its_pipes():
            before = time.monotonic()
            ready = self._select()
            # Only time spent waiting counts as the connector's silence, not the consumer's work.
            self._wait(time.monotonic() - before)
            for key in ready:
                if key.data is PipeEvent.TICK:
                    self._shutdown.woken.recv(64)
                elif data := self._read(key.fd):
                    self._quiet = 0.0
                    yield key.data, data
            yield PipeEvent.TICK, b""
            if self._over():
                return
        self.end = End(exit_code=self._exit_code(), stopped=self._shutdown.requested)

    def _outlives_its_pipes(self) -> bool:
        """Return whether the source has closed its pipes, and lives: its exit code will come, unless it hangs."""
        code = self._look_at_source() if self._awaited else self._await_exit_code()
        self._awaited = True
        return code is None and is_held(self._settings.source_alive_file)

    def _select(self) -> list[selectors.SelectorKey]:
        ready = [key for key, _ in self._selector.select(_TICK_SECONDS)]
        if not self._source_over:
            return ready
        # A pipe that the source never opened shows its end only to who reads it.
        pipes = [key for key in self._selector.get_map().values() if key.data is not PipeEvent.TICK]
        return ready + [key for key in pipes if key not in ready]

    def _wait(self, seconds: float) -> None:
        self._quiet += seconds
        if self._waited_since_exit is not None:
            self._waited_since_exit += seconds

    def _over(self) -> bool:
        if self._shutdown.reading_over or (self._shutdown.requested and not self.begun):
            self.end = End(exit_code=self._exit_code(), stopped=True)
            return True
        if not self.begun:
            self._quiet = 0.0
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + _LOOK_SECONDS
        if (code := self._look_at_source()) is not None or self._source_over:
            waited = self._waited_since_exit = self._waited_since_exit or 0.0
            if min(self._quiet, waited) > self._settings.drain_seconds or waited > _HELD_OPEN_SECONDS:
                self.end = End(exit_code=code, stopped=self._shutdown.requested, held_open=True)
                return True
        elif self._stalled():
            self.end = End(stalled_seconds=self._quiet)
            return True
        return False

    def _stalled(self) -> bool:
        """Whether the connector was silent for too long, counted from the end of a rate limit if it reported one."""
        longest = self._settings.stall_timeout_seconds
        return 0 < longest < self._quiet and time.time() - self._waits_until() > longest

    def _read(self, descriptor: int) -> bytes:
        """Return up to READ_BYTES; close the pipe at its EOF."""
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
        """Wait for the exit code, which is written a moment after the pipes close, unless it cannot come any more."""
        deadline = time.monotonic() + self._settings.drain_seconds
        while (code := self._look_at_source()) is None and self._settings.exit_code_file and not self._source_over:
            if time.monotonic() > deadline or self._shutdown.reading_over:
                break
            time.sleep(_CODE_PAUSE_SECONDS)
        return code

    def _look_at_source(self) -> int | None:
        """Return the exit code if it is there. It comes before the source's end, so that is looked at first."""
        self._source_over = self._source_over or peek(self._settings.source_alive_file) == b""
        return self._exit_code()

    def _exit_code(self) -> int | None:
        try:
            return int(peek(self._settings.exit_code_file) or b"")
        except ValueError:
            return None


def _open(event: PipeEvent, path: str) -> int:
    """Open a pipe; raise PipeReplaced for anything else, unread: a link may lead to the sidecar's secrets."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in _REPLACED:
            raise
        raise _replaced(event, path, _REPLACED[error.errno]) from error
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _replaced(event, path, "a file or folder is there")
    _widen(descriptor)
    return descriptor


def _replaced(event: PipeEvent, path: str, what: str) -> PipeReplaced:
    return PipeReplaced(
        f"The connector removed or replaced the pipe for its {event} ({path}) before the sidecar had opened it: "
        f"{what}, and nothing that the connector prints can be read. It has to leave that folder alone."
    )


def _widen(descriptor: int) -> None:
    """Enlarge a pipe, for fewer switches between the two processes; not every kernel allows it."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        return
