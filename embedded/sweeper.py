"""The sweep on a timer: what the CronJob and the pod events do in a cluster."""

import logging
import threading

from common.errors import SyncError
from common.settings import Settings
from common.tasks.sweep import sweep

_log = logging.getLogger(__name__)


class SweepTimer(threading.Thread):
    """Sweeps every few seconds until closed; a failed sweep is logged and the next one tries again."""

    def __init__(self, settings: Settings, seconds: float) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._settings, self._seconds = settings, seconds
        self._over = threading.Event()

    def run(self) -> None:
        """One sweep at once: it repairs what a crash left."""
        while True:
            try:
                sweep(self._settings)
            except SyncError as error:
                _log.warning("The sweep failed and will be repeated: %s", error)
            except Exception:  # noqa: BLE001 - a timer that ends would leave every later task unfinished
                _log.exception("The sweep failed and will be repeated.")
            if self._over.wait(self._seconds):
                return

    def close(self) -> None:
        """Returns when no sweep is running."""
        self._over.set()
        self.join()
