"""Forward log lines to Bulker's /post, if the deployment wants it. Best effort: it never holds anything up."""

import http.client
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

import msgspec

from common.store import Task
from common.store.task_log import LogLine, LogLines
from sidecar.settings import SidecarSettings

_HOLD_LINES = 5_000
_ANSWER_SECONDS, _PAUSE_SECONDS, _CLOSE_SECONDS = 2.0, 30.0, 3.0

_log = logging.getLogger(__name__)


class LogForwarder(threading.Thread):
    """Send lines by a thread of its own, one event each over one connection; pause if Bulker refuses."""

    def __init__(self, settings: SidecarSettings) -> None:
        super().__init__(name="log-forwarder", daemon=True)
        self._parts = urlsplit(settings.bulker_url)
        self._headers = {
            "Authorization": f"Bearer {settings.bulker_auth_token}",
            "Content-Type": "application/json",
        }
        self._path = (
            f"{self._parts.path.rstrip('/')}/post/{quote(settings.bulker_logs_connection_id, safe='')}"
            "?tableName=task_log"
        )
        self._task: Task = settings.task
        self._lines: deque[LogLine] = deque(maxlen=_HOLD_LINES)
        self._more = threading.Event()
        self._over = False
        self._resume_at = 0.0

    def send(self, lines: Iterable[LogLines]) -> None:
        """Take lines without blocking; drop the oldest if too many wait, and all during a pause."""
        if time.monotonic() >= self._resume_at:
            self._lines.extend(line for together in lines for line in together)
            self._more.set()

    def close(self) -> None:
        """End the thread; wait a moment for the lines left."""
        self._over = True
        self._more.set()
        self.join(_CLOSE_SECONDS)

    def run(self) -> None:
        """Send until `close`."""
        while not self._over or self._lines:
            self._more.wait()
            self._more.clear()
            try:
                self._send_all()
            except (OSError, http.client.HTTPException, ValueError) as error:
                _log.warning("Log lines could not be posted to Bulker: %s", str(error) or type(error).__name__)
                self._resume_at = time.monotonic() + _PAUSE_SECONDS
                self._lines.clear()

    def _send_all(self) -> None:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        # Without a port, http.client takes the end of an IPv6 address for one.
        port = self._parts.port or (http.client.HTTPS_PORT if secure else http.client.HTTP_PORT)
        connection = kind(self._parts.hostname or "", port, timeout=_ANSWER_SECONDS)
        try:
            while self._lines:
                line = msgspec.structs.asdict(self._lines.popleft())
                event = line | {"sync_id": self._task.sync_id, "task_id": self._task.task_id}
                connection.request("POST", self._path, msgspec.json.encode(event), self._headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != http.HTTPStatus.OK:
                    raise http.client.HTTPException(f"it answered {answer.status}")
        finally:
            connection.close()
