"""Kills a process at one of its steps, a step being what it says to Postgres or to the Kubernetes API, or hears of it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.kube_api import Answer, Asked, KubeApi
from tests.support.proxy import Proxy


class Steps:
    """Counts steps once `pid` is set, and kills that process when the `at`-th is carried out, before it hears of it."""

    def __init__(self, at: int) -> None:
        self.pid = self.taken = 0
        self.killed = threading.Event()
        self._at = at
        self._lock = threading.Lock()

    def step(self) -> bool:
        """Whether this is the one."""
        with self._lock:
            if not self.pid or self.killed.is_set():
                return False
            self.taken += 1
            return self.taken == self._at

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.killed.set()

    def watch(self, api: KubeApi) -> None:
        """Counts requests to the API too."""

        def fail(asked: Asked, _: int) -> Answer | bool:
            if not self.step():
                return False
            api.answer(asked)
            self.kill()
            return None

        api.fail = fail


class KillingProxy(Proxy):
    """A proxy before Postgres that takes Steps; `counts` may leave some connections out, by their mark and first words."""

    steps: Steps | None = None

    def __init__(self, url: str) -> None:
        self.counts: Callable[[threading.Event, bytes], bool] = lambda _connection, _data: True
        super().__init__(url)

    def _ask(self, data: bytes, lost: threading.Event) -> bool:
        if self.counts(lost, data) and self.steps is not None and self.steps.step():
            lost.set()
        return True

    def _answer(self, _: bytes, lost: threading.Event) -> bool:
        if lost.is_set() and self.steps is not None and not self.steps.killed.is_set():
            self.steps.kill()
        return not lost.is_set()


@contextmanager
def killing_proxy(url: str) -> Iterator[KillingProxy]:
    """A running one."""
    running = KillingProxy(url)
    try:
        yield running
    finally:
        running.close()
