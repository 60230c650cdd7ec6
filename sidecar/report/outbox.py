"""Bring states, and a changed configuration, to Postgres in order, without holding rows up while it is away."""

import time
from collections.abc import Callable

from msgspec import Struct

from common.errors import SyncError
from common.failures import FailureKind, of_store
from common.store import Database

Work = Callable[[Database], object]
_PAUSE_SECONDS = 5.0
_SHARE = 10
"""Pause after a slow try, as a multiple of its time: a hanging server takes a tenth of the sidecar's time at most."""
_BURST_SECONDS = 1.0
"""How much writing goes at once. Behind it half of the time at most: some connectors send thousands of states without a
row between them, of which only the newest matters.
"""


class _Entry(Struct, frozen=True):
    work: Work
    refused: Callable[[SyncError], None]


class Outbox:
    """Hold the newest entry of each name: tried at once, retried while Postgres is away, insisted on at the end.

    `db` must not wait (patience 0).
    """

    def __init__(self, db: Database) -> None:
        self.written = 0
        self._db = db
        self._waiting: dict[str, _Entry] = {}
        self._not_before = self._paid_at = 0.0
        self._last_error = SyncError("Postgres stayed away")

    def put(self, name: str, work: Work, refused: Callable[[SyncError], None]) -> None:
        """Write `work` now or later; `refused` gets the reason if Postgres never takes it, or stayed away."""
        self.forget(name)
        self._waiting[name] = _Entry(work, refused)
        self.retry()

    def forget(self, name: str) -> None:
        """Drop an entry that still waits: something newer takes its place."""
        self._waiting.pop(name, None)

    def retry(self) -> None:
        """Try what waits, unless Postgres was away a moment ago."""
        if not self._waiting or time.monotonic() < self._not_before:
            return
        before = time.monotonic()
        written = self._write(self._db)
        now = time.monotonic()
        self._paid_at = max(self._paid_at, before) + 2 * (now - before)
        pause = max(_PAUSE_SECONDS, (now - before) * _SHARE)
        self._not_before = self._paid_at - _BURST_SECONDS if written else now + pause

    def finish(self, patient: Database) -> None:
        """Try for the last time, for as long as `patient` waits, and give up the rest."""
        while self._waiting and not self._write(patient):
            name, entry = next(iter(self._waiting.items()))
            del self._waiting[name]
            entry.refused(self._last_error)

    def _write(self, db: Database) -> bool:
        """Return False if Postgres is away; the rest stays."""
        while self._waiting:
            name, entry = next(iter(self._waiting.items()))
            try:
                db.transact(entry.work)
                self.written += 1
            except SyncError as error:
                if is_away(error):
                    self._last_error = error
                    return False
                entry.refused(error)
            del self._waiting[name]
        return True


def is_away(error: SyncError) -> bool:
    """Return whether Postgres is only out of reach: it neither refuses nor lacks the tables."""
    return of_store(error) is FailureKind.POSTGRES_AWAY
