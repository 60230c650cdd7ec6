"""Kills a process at one of its steps, a step being what it says to Postgres or to the Kubernetes API, or hears of it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from common.settings import Settings
from common.sweep.sweep import sweep
from common.tasks.start import start
from tests.support.fake_kubernetes import Answer, Asked, FakeKubernetes
from tests.support.local_system import read_task
from tests.support.proxy import Proxy

# Forked from a process that has imported everything already: an interpreter's start would take most of the time.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "common.cluster.kubernetes", "common.store"])


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

    def watch(self, api: FakeKubernetes) -> None:
        """Counts requests to the API too."""

        def fail(asked: Asked, _: int) -> Answer | bool:
            if not self.step():
                return False
            api.answer(asked)
            self.kill()
            return None

        api.fail = fail


class KillingProxy(Proxy):
    """A proxy before Postgres that takes Steps."""

    steps: Steps | None = None

    def _ask(self, data: bytes, lost: threading.Event) -> bool:
        goodbye = data.startswith(b"X")  # is not answered, and nothing comes after it
        if self.steps is not None and not goodbye and self.steps.step():
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


def until_killed(work: str, environment: dict[str, Any], gate: KillingProxy, steps: Steps) -> None:
    """Runs `start` (of read_task()) or `sweep` in a process of its own, until it is done or killed at its step."""
    ours, theirs = _FORKS.Pipe()
    process = _FORKS.Process(target=_work, args=(work, environment, theirs))
    process.start()
    assert process.pid is not None
    steps.pid, gate.steps = process.pid, steps
    ours.send(None)
    process.join(60)
    assert process.exitcode == (-signal.SIGKILL if steps.killed.is_set() else 0)
    for end in (ours, theirs, process):
        end.close()


def _work(work: str, environment: dict[str, Any], begin: Connection) -> None:
    begin.recv()
    settings = Settings.load(environment)
    if work == "start":
        start(read_task(), settings)
    else:
        sweep(settings)
