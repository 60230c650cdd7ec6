"""What a sweep does besides looking at pods and rows. None of it stops the sweep: what fails waits for the next one."""

import logging
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import structs

from common.cluster import Cluster
from common.errors import StoreRefused, SyncError, SyncsNotInstalled
from common.settings import Settings
from common.store import Database, events, retention, states, totals
from common.store.encryption import Keys
from common.store.retention import Keep, Removed

if TYPE_CHECKING:
    from common.runs.reconcile import Reconciled

_log = logging.getLogger(__name__)

_FOLDS = 5
"""How many batches of ended tasks a sweep adds to the sums."""


class Chores:
    """The chores of one sweep, in one data plane. What an event's sweep does not need is imported when it is done."""

    def __init__(self, settings: Settings, where: Cluster, db: Database, here: str) -> None:
        self._settings, self._where, self._db, self._here = settings, where, db, here

    def encrypt_configs(self) -> None:
        """Encrypt with the first key what none has encrypted yet, or an older one: so that can be taken away."""
        keys = Keys(self._settings.encryption_keys)
        with _left("Changed configurations are left", "encrypt"):
            if keys and (encrypted := self._db.transact(lambda db: states.encrypt_configs(db, keys))):
                _log.info("Encrypted %d changed configurations.", encrypted, extra={"action": "encrypt"})

    def sweep_syncs(self, now: float) -> "Reconciled":
        """Begin runs of declared syncs, and let those that wait go on."""
        from common.runs.reconcile import Reconciled, reconcile

        with _left("Declared syncs are left", "sweep"):
            try:
                return reconcile(self._where, self._db, self._settings, now)
            except SyncsNotInstalled:
                pass  # nobody declares any here
        return Reconciled()

    def count_ended(self) -> None:
        """Add tasks that have ended to the sums; of thousands, the rest is for the next sweep."""
        grace = self._settings.container_grace_shutdown_seconds
        with _left("Ended tasks are left", "count"):
            for _ in range(_FOLDS):
                if not self._db.transact(lambda db: totals.fold_ended(db, grace)):
                    break

    def remove_old(self, seen: AbstractSet[str]) -> None:
        """Go on with the removal of old tasks; `seen`: those that have a pod."""
        settings = self._settings
        keep = Keep(settings.keep_days, settings.keep_tasks_per_sync, settings.keep_caller_tables)
        with _left("Old tasks are left", "remove"):
            try:
                removed = retention.remove(self._db, keep, seen)
            except StoreRefused as error:
                _log.warning("Old tasks stay, for an hour at least: %s", error, extra={"action": "remove"})
                self._db.transact(retention.rest)
                return
            if removed != Removed():
                _log.info("Removed.", extra={"action": "remove", **structs.asdict(removed)})

    def send_events(self, *, only_if_all_goes_well: bool = False) -> None:
        """Send what has happened to whatever is to hear of it, for a few seconds at most.

        Where a target is slow or away, an event about a pod is not kept waiting for it: its sender waits for an answer.
        """
        from common.outbox import targets
        from common.outbox.deliver import deliver

        with _left("Events are left", "deliver"):
            if only_if_all_goes_well and self._db.transact(lambda db: events.have_failed(db, self._here)):
                return
            deliver(self._db, self._here, targets.of(self._settings, self._where))

    def push_metrics(self) -> None:
        """Send all metrics to a collector, if there is one."""
        if not self._settings.otlp_endpoint:
            return
        with _left("The metrics are left", "push"):
            from common.metrics import otlp

            otlp.push(self._db, self._settings.otlp_endpoint)


@contextmanager
def _left(what: str, action: str) -> Iterator[None]:
    """Log what fails, and go on."""
    about = {"action": action}
    try:
        yield
    except SyncError as error:
        _log.warning("%s to the next sweep: %s", what, error, extra=about)
    except Exception:  # noqa: BLE001 - tasks that run are swept all the same
        _log.exception("%s to the next sweep.", what, extra=about)
