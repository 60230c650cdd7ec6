"""Supervises a container's main process and everything it starts; a process that the pod's runner forks.

It is a subreaper, so it owns exactly the container's processes, also those that called setsid or were orphaned. As in
a real container, all of them end with the main process. Their memory is measured together, four times a second; CPU
limits are not enforced.
"""

import logging
import os
import selectors
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct

from common.cluster.objects import ContainerState, Running
from embedded.pods import logs, processes
from embedded.pods.launch import Launch
from embedded.pods.logs import BoundedLog
from embedded.pods.processes import Identity
from embedded.pods.status import EndReason, now, terminated

TERMINATE, KILL = b"T", b"K"
"""What a runner sends: SIGTERM to the main process, SIGKILL to all. The runner's own end means KILL."""

_LOOK_SECONDS = 0.25
_CHUNK_BYTES = 64 * 1024
_CANNOT_START: Final = 128
_MESSAGE_LINES, _MESSAGE_BYTES = 80, 2048
"""A kubelet's bounds for the end of a log as a termination message."""

_log = logging.getLogger(__name__)


class Report(Struct, frozen=True):
    """A container's state, and its main process once that runs."""

    state: ContainerState
    main: Identity | None = None


def supervise(launch: Launch, control: socket.socket) -> None:
    """Run a container to its end, and report over `control` in lines of JSON.

    First that it runs, unless it cannot be started, then how it ended.
    """
    processes.become_subreaper()
    started = now()
    log = BoundedLog(launch.log)
    try:
        with suppress(ConnectionError):  # the runner is gone
            try:
                container = _Container(launch, log)
            except (OSError, ValueError) as exc:
                message = f"{launch.arguments[0]} cannot be started: {exc}"
                _send(control, Report(terminated(_CANNOT_START, EndReason.START_ERROR, started, message=message)))
                return
            main = processes.identify(container.pid)
            _send(control, Report(ContainerState(running=Running(started)), main))
            container.attend(control)
            container.finish()
            _send(control, Report(container.state(started)))
    finally:
        processes.kill_descendants()
        log.close()


class _Container:
    """The main process with its output and its signals."""

    def __init__(self, launch: Launch, log: BoundedLog) -> None:
        self._log = log
        self._launch = launch
        self._limit = launch.memory_bytes
        self._log_file = launch.log if launch.log_is_message else None
        self._out_of_memory = False
        self._wake = _wake_on_child()
        for folder in ("work", "home", "tmp"):
            launch.log.with_name(folder).mkdir(mode=0o700, exist_ok=True)
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        try:
            self._process = subprocess.Popen(
                launch.arguments,
                cwd=launch.work,
                env=launch.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            os.close(output)

    @property
    def pid(self) -> int:
        return self._process.pid

    def attend(self, control: socket.socket) -> None:
        """Wait until the main process has ended, by itself or killed."""
        selector = selectors.DefaultSelector()
        selector.register(self._wake, selectors.EVENT_READ, self._on_child)
        selector.register(control, selectors.EVENT_READ, lambda: self._on_control(control))
        selector.register(self._output, selectors.EVENT_READ, lambda: self._on_output(selector))
        looked = 0.0
        while self._process.poll() is None:
            for key, _ in selector.select(_LOOK_SECONDS):
                key.data()
            if self._limit is not None and time.monotonic() - looked >= _LOOK_SECONDS:
                looked = time.monotonic()
                self._check_memory(self._limit)
        selector.close()

    def finish(self) -> None:
        """End what the main process left, then copy the rest of the output."""
        if self._launch.runtime:
            self._finish_container()
        processes.kill_descendants()
        while self._copy():
            pass  # until its end, or until nothing more is there if some process outlives SIGKILL

    def _finish_container(self) -> None:
        """Remove the container, which may outlive its client; before that, ask whether it had too little memory."""
        from embedded.containers import runtime

        program, name = self._launch.runtime, self._launch.container
        if self._process.returncode == 128 + signal.SIGKILL:
            self._out_of_memory = runtime.was_out_of_memory(program, name)
        runtime.remove(program, name)

    def state(self, started: str) -> ContainerState:
        """Return how it ended."""
        code = self._process.returncode
        if self._out_of_memory:
            return terminated(128 + signal.SIGKILL, EndReason.OUT_OF_MEMORY, started, signal=signal.SIGKILL)
        if code < 0:
            return terminated(128 - code, EndReason.ERROR, started, signal=-code)
        if not code:
            return terminated(code, EndReason.COMPLETED, started)
        said = logs.tail(self._log_file, _MESSAGE_LINES)[-_MESSAGE_BYTES:] if self._log_file else b""
        return terminated(code, EndReason.ERROR, started, message=said.decode("utf-8", "replace"))

    def _copy(self) -> int | None:
        """Copy some output to the log; return how much, 0 at its end, None if there is none now."""
        try:
            data = os.read(self._output, _CHUNK_BYTES)
        except BlockingIOError:
            return None
        self._log.write(data)
        return len(data)

    def _on_output(self, selector: selectors.BaseSelector) -> None:
        if self._copy() == 0:
            selector.unregister(self._output)

    def _on_child(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, _CHUNK_BYTES)
        processes.reap_orphans(self.pid)

    def _on_control(self, control: socket.socket) -> None:
        try:
            order = control.recv(16)
        except ConnectionResetError:
            order = b""
        if not order or KILL in order:
            self._kill()
        elif self._process.poll() is None:
            self._process.terminate()

    def _check_memory(self, limit: int) -> None:
        if self._process.poll() is not None:
            return
        if processes.memory_bytes(processes.descendants(os.getpid()), limit) > limit:
            self._out_of_memory = True
            self._kill()

    def _kill(self) -> None:
        if self._process.poll() is None:
            processes.kill_descendants()
            # kill_descendants waits for every child itself, so the exit status is no longer to be had.
            self._process.returncode = -signal.SIGKILL


def _wake_on_child() -> int:
    """Return a descriptor that becomes readable when a child ends."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _send(control: socket.socket, report: Report) -> None:
    control.sendall(msgspec.json.encode(report) + b"\n")
