"""SIGTERM until sidecar.shutdown listens: process 1 without a handler, as a sidecar is, never hears of it."""

import signal
import time
from types import FrameType


class EarlyStop:
    """Remember when SIGTERM came first, in `at` (time.monotonic): the grace period runs from there."""

    def __init__(self) -> None:
        self.at: float | None = None

    def listen(self) -> None:
        """Take over SIGTERM; from the main thread only."""
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if self.at is None:
            self.at = time.monotonic()
