"""The sweep on a timer, and when a pod ends: what the CronJob and the pod events do in a cluster."""

import logging
import threading

from common.errors import SyncError
from common.settings import Settings
from common.sweep.sweep import sweep
from embedded.task_announcer import TaskAnnouncer

_log = logging.getLogger(__name__)


class SweepTimer(threading.Thread):
    """Sweeps every few seconds, and when woken, until closed; after a failed sweep the next one tries again."""

    def __init__(self, settings: Settings, seconds: float) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._settings, self._seconds = settings, seconds
        self._announcer = TaskAnnouncer(settings)
        self._woken, self._closed = threading.Event(), False

    def remember(self) -> None:
        """Remember the tasks that exist, so that they are not announced; call it before anybody can ask for one."""
        self._announcer.look()

    def run(self) -> None:
        """Sweep at once, which repairs what a crash left, and then on."""
        while True:
            try:
                sweep(self._settings)
                self._announcer.look()
            except SyncError as error:
                _log.warning("The sweep failed and will be repeated: %s", error)
            except Exception:  # noqa: BLE001 - a timer that ends would leave every later task unfinished
                _log.exception("The sweep failed and will be repeated.")
            self._woken.wait(self._seconds)
            self._woken.clear()
            if self._closed:
                return

    def wake(self) -> None:
        """Sweep at once, or once more if a sweep is running."""
        self._woken.set()

    def close(self) -> None:
        """Stop, and wait for a running sweep."""
        self._closed = True
        self.wake()
        self.join()
