"""A runner's event loop: its containers' reports, its owner's orders, the pod's time limits."""

import json
import os
import selectors
import time
from collections.abc import Callable
from math import inf

from embedded.pods import processes
from embedded.pods.container import Container
from embedded.pods.launch import Launch
from embedded.pods.manifest import PodSpec

_OWNER = 0  # standard input: a pipe that the owner holds open for as long as it lives
_DEAF_SECONDS = 5.0
_DEFAULT_GRACE_SECONDS = 30.0


class Stopped(Exception):
    """The pod had to end, and nothing of it runs any more."""


class EventLoop:
    """Waits for several things at once, in one thread.

    `on_change` is called at every change of a container, `on_end(reason, message)` when the pod is ended from outside.
    """

    def __init__(
        self,
        spec: PodSpec,
        on_change: Callable[[Container], None],
        on_end: Callable[[str, str], None],
    ) -> None:
        self.running: dict[str, Container] = {}
        self._on_change = on_change
        self._on_end = on_end
        self._grace = spec.termination_grace_period_seconds or _DEFAULT_GRACE_SECONDS
        self._expires_at = time.monotonic() + (spec.active_deadline_seconds or inf)
        self._stopping = False
        self._kill_at = inf
        self._deaf_at = inf
        # Not epoll: a fork would keep watching what this process has closed.
        self._selector = selectors.PollSelector()
        self._selector.register(_OWNER, selectors.EVENT_READ, self._hear_owner)

    def start(self, launch: Launch) -> Container:
        """Start a container. In a pod that is to end, wait for the others instead, and raise Stopped."""
        if self._stopping:
            self.wait(lambda: False)
        container = Container(launch, self.running.values())
        self.running[launch.name] = container
        self._selector.register(container.control, selectors.EVENT_READ, lambda: self._hear_container(container))
        self._on_change(container)
        return container

    def wait(self, done: Callable[[], bool], pause_seconds: float = inf) -> None:
        """Return when `done`, asked after every event and pause. Raise Stopped once the pod was ended from outside."""
        while not done():
            self._check_time()
            if self._stopping and not self.running:
                raise Stopped
            limit = min(self._expires_at, self._kill_at, self._deaf_at) - time.monotonic()
            timeout = min(pause_seconds, max(limit, 0.0))
            for key, _ in self._selector.select(None if timeout == inf else timeout):
                key.data()
        if self._stopping and not self.running:
            raise Stopped

    def wait_seconds(self, seconds: float) -> None:
        """Wait for so long; events are served."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= end, pause_seconds=seconds)

    def _hear_owner(self) -> None:
        orders = os.read(_OWNER, 64 * 1024)
        if not orders:
            processes.kill_descendants()
            os._exit(1)
        for order in orders.splitlines():
            self._stop(**json.loads(order))

    def _hear_container(self, container: Container) -> None:
        container.receive()
        if container.ended:
            self._selector.unregister(container.control)
            del self.running[container.name]
            # Only if its supervisor was killed can there be anything left, and then it is ours.
            processes.kill_descendants({other.supervisor.pid for other in self.running.values()})
        self._on_change(container)

    def _stop(self, grace: float, reason: str = "", message: str = "") -> None:
        if reason:
            self._on_end(reason, message)
        self._kill_at = min(self._kill_at, time.monotonic() + grace)
        if not self._stopping:
            self._stopping = True
            for container in self.running.values():
                container.terminate()

    def _check_time(self) -> None:
        now = time.monotonic()
        if now >= self._expires_at:
            self._expires_at = inf
            self._stop(self._grace, "DeadlineExceeded", "The pod was active longer than its deadline allows.")
        if now >= self._deaf_at:
            self._deaf_at = inf
            processes.kill_descendants()
        if now >= self._kill_at:
            self._kill_at, self._deaf_at = inf, now + _DEAF_SECONDS
            for container in self.running.values():
                container.kill()
