"""Brings states (and a changed configuration) to Postgres, in order, without holding rows up while it is away."""

import time
from collections.abc import Callable

from msgspec import Struct

from common.errors import SyncError, TablesMissing, TimedOut, Unavailable
from common.store import Database

Work = Callable[[Database], object]
_PAUSE_SECONDS = 5.0
_SHARE = 10
"""After a try that took long, wait so many times as long: a hanging server takes a tenth of our time at most."""
_BURST_SECONDS = 1.0
"""So much writing goes at once. Behind it half of our time at most: some connectors send thousands of states without a
row between them, of which only the newest matters.
"""


class _Kept(Struct, frozen=True):
    work: Work
    refused: Callable[[str], None]


class Outbox:
    """Keeps the newest of each name: tried at once, later where Postgres is away, and insisted on at the end.

    `db` is tried once each time (patience 0).
    """

    def __init__(self, db: Database) -> None:
        self.kept = 0
        self._db = db
        self._waiting: dict[str, _Kept] = {}
        self._not_before = self._paid_at = 0.0

    def put(self, name: str, work: Work, refused: Callable[[str], None]) -> None:
        """`refused` is told why, should it be given up: what Postgres will never take, or did not come back for."""
        self._waiting.pop(name, None)
        self._waiting[name] = _Kept(work, refused)
        self.retry()

    def retry(self) -> None:
        """Tries what waits, unless Postgres was away a moment ago."""
        if not self._waiting or time.monotonic() < self._not_before:
            return
        before = time.monotonic()
        written = self._write(self._db)
        now = time.monotonic()
        self._paid_at = max(self._paid_at, before) + 2 * (now - before)
        self._not_before = (
            self._paid_at - _BURST_SECONDS if written else now + max(_PAUSE_SECONDS, (now - before) * _SHARE)
        )

    def finish(self, patient: Database) -> None:
        """The last try, as long as `patient` waits; what cannot be kept now is lost."""
        while self._waiting and not self._write(patient):
            name, kept = next(iter(self._waiting.items()))
            del self._waiting[name]
            kept.refused("Postgres stayed away")

    def _write(self, db: Database) -> bool:
        """False where Postgres is away: what is left stays."""
        while self._waiting:
            name, kept = next(iter(self._waiting.items()))
            try:
                db.transact(kept.work)
                self.kept += 1
            except SyncError as error:
                if isinstance(error, Unavailable | TimedOut) and not isinstance(error, TablesMissing):
                    return False
                kept.refused(error.message)
            del self._waiting[name]
        return True
