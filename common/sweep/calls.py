"""Calls that sweep everything, of which one at a time goes on while anything is active.

Knative keeps an instance only while a request lasts. So the sweeper calls itself, at SYNCCTL_SWEEPER_URL, when an event
finds an active pod, and when a call's time is over while anything is active. Without that setting, and after a failure,
the CronJob starts the next call.
"""

import http.client
import logging
import threading
import urllib.error
import urllib.request

from common.settings import Settings
from common.sweep.sweep import Summary, keep_sweeping

_log = logging.getLogger(__name__)
_MARGIN_SECONDS = 60


class Calls:
    """The calls of one process; further ones of other processes do no harm."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._going = False
        """Whether a call goes on while anything is active."""
        self._again = False
        """Whether an event has found an active pod since that call began."""
        self._calling = False
        """Whether this process is calling itself."""
        self._followed = False
        """Whether it will do so once more."""

    def sweep(self, settings: Settings) -> Summary:
        """Sweep everything, and go on while anything is active unless another call does so already."""
        with self._lock:
            first, self._going = not self._going, True
        if not first:
            return keep_sweeping(settings.model_copy(update={"sweep_seconds": 0}))
        active = False
        try:
            summary = keep_sweeping(settings)
            active = bool(summary.last.active)
        finally:
            with self._lock:
                active, self._again, self._going = active or self._again, False, False
            if active:
                self._call(settings)
        return summary

    def go_on(self, settings: Settings) -> None:
        """See to it that a call goes on: a pod is active."""
        with self._lock:
            if self._going:
                self._again = True
                return
        self._call(settings)

    def _call(self, settings: Settings) -> None:
        with self._lock:
            self._followed = self._calling
            if self._calling or not settings.sweeper_url:
                return
            self._calling = True
        threading.Thread(target=self._call_until_idle, args=(settings,), name="sweep-call", daemon=True).start()

    def _call_until_idle(self, settings: Settings) -> None:
        goes_on = True
        while goes_on:
            try:
                _post(settings)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if isinstance(error, urllib.error.HTTPError):
                    error.close()  # it holds the connection
                # Not the text of an encoding error, which may quote the token.
                unusable = "SYNCCTL_SWEEP_TOKEN is not ASCII, or SYNCCTL_SWEEPER_URL names a host that cannot exist"
                why = unusable if isinstance(error, ValueError) else error
                _log.warning("The sweeper cannot call itself (%s); the CronJob will.", why, extra={"action": "sweep"})
                goes_on = False
            with self._lock:
                goes_on = goes_on and self._followed
                self._followed, self._calling = False, goes_on


def _post(settings: Settings) -> None:
    token = settings.sweep_token.get_secret_value()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(settings.sweeper_url, data=b"", headers=headers)  # noqa: S310 - HttpUrl
    urllib.request.urlopen(request, timeout=settings.sweep_seconds + _MARGIN_SECONDS).close()  # noqa: S310


calls = Calls()
"""Those of this process."""
