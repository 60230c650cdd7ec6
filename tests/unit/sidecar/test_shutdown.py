"""SIGTERM is handed over from the first handler to the one that acts on it."""

import os
import select
import signal
import time
from collections.abc import Iterator

import pytest

from sidecar.early_stop import EarlyStop
from sidecar.shutdown import Shutdown


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, before)


@pytest.mark.fault(811)
def test_a_signal_before_all_imports_is_acted_on_and_its_time_counts() -> None:
    """The grace period runs from there, however long the imports take."""
    early, shutdown = EarlyStop(), Shutdown(grace_seconds=60)
    early.listen()
    os.kill(os.getpid(), signal.SIGTERM)
    assert early.at is not None
    early.at -= 50
    shutdown.listen(early)
    assert shutdown.requested
    assert select.select([shutdown.woken], [], [], 0)[0]
    assert shutdown.reading_over
    assert shutdown.send_deadline(float("inf")) <= time.monotonic()
    assert 0 < shutdown.store_budget(300) <= 4
    shutdown.close()


@pytest.mark.fault(811)
def test_a_signal_after_the_imports_goes_to_the_second_handler() -> None:
    """The first one asks for nothing where none has come."""
    early, shutdown = EarlyStop(), Shutdown(grace_seconds=60)
    early.listen()
    shutdown.listen(early)
    assert not shutdown.requested
    os.kill(os.getpid(), signal.SIGTERM)
    assert (early.at, shutdown.requested) == (None, True)
    shutdown.close()
