"""The runner's side of a container: forks its supervisor, sends it orders, reads its reports."""

import logging
import os
import signal
import socket
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from common.cluster.objects import ContainerState
from embedded.pods import processes, supervisor
from embedded.pods.launch import Launch
from embedded.pods.processes import Identity
from embedded.pods.status import EndReason, now, terminated

_log = logging.getLogger(__name__)


class Container:
    """A started container."""

    def __init__(self, launch: Launch, others: Iterable["Container"]) -> None:
        launch.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.name = launch.name
        self.state: ContainerState | None = None
        """None until the supervisor's first report."""
        self.ended = False
        self._started = now()
        self._half = b""
        self.control, theirs = socket.socketpair()
        # A fork without exec: the runner has a single thread, and an interpreter's start would cost more
        # than most of what a pod does.
        self._pid = os.fork()
        if self._pid == 0:
            _become_supervisor(launch, theirs, [self, *others])
        theirs.close()
        self.supervisor = processes.identify(self._pid)
        self.identities: list[Identity] = [self.supervisor]

    def receive(self) -> None:
        """Read the supervisor's reports; call it when `control` is readable."""
        try:
            data = self.control.recv(64 * 1024)
        except ConnectionResetError:
            data = b""
        *lines, self._half = (self._half + data).split(b"\n")
        for line in lines:
            report = msgspec.json.decode(line, type=supervisor.Report)
            self.state = report.state
            if report.main:
                self.identities.append(report.main)
        if not data:
            self._collect()

    def terminate(self) -> None:
        """Send SIGTERM to the main process alone."""
        self._order(supervisor.TERMINATE)

    def kill(self) -> None:
        """Send SIGKILL to all processes."""
        self._order(supervisor.KILL)

    def _order(self, order: bytes) -> None:
        with suppress(OSError):  # it has just ended
            self.control.sendall(order)

    def _collect(self) -> None:
        """Reap the supervisor; if it was killed, so is its container."""
        self.ended = True
        self.control.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        if self.state is None or self.state.terminated is None:
            message = "the process that supervised the container was killed"
            self.state = terminated(
                128 + signal.SIGKILL, EndReason.ERROR, self._started, signal=signal.SIGKILL, message=message
            )


def _become_supervisor(launch: Launch, control: socket.socket, not_ours: Iterable[Container]) -> None:
    """Never return: none of the runner's own code may go on in the fork."""
    code = 1
    try:
        # The owner's lifeline, and other containers' sockets, are the runner's alone.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        for container in not_ours:
            container.control.close()
        supervisor.supervise(launch, control)
        code = 0
    except Exception:
        _log.exception("the supervisor of %s failed", launch.name)
        raise
    finally:
        os._exit(code)
