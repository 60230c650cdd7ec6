"""`python3 -m common.sweep.leave`: end what runs in this data plane, before its deployment is removed.

Run by the CronJob `leave`, which is suspended: knative/leave.sh makes a Job of it once nothing can be started any more.
"""

import logging
import time

from common import cluster, logs
from common.cluster import data_plane
from common.errors import SyncError, TimedOut
from common.settings import Settings
from common.store import Database, runs, sweeps
from common.tasks.cancel import cancel
from common.tasks.requests import CancelQuery

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_MARGIN_SECONDS = 60


def leave(settings: Settings) -> int:
    """Cancel every active task of this data plane, wait until no task pod is left, and return how many were cancelled.

    Raise TimedOut if pods or active tasks stay longer than a stopping pod may, ClusterUnavailable or StoreUnavailable
    if either cannot be asked. Safe to repeat.
    """
    where, here = cluster.connect(settings), data_plane.of(settings)
    deadline = time.monotonic() + settings.container_grace_shutdown_seconds + _MARGIN_SECONDS
    cancelled = 0
    while True:
        active = _active(settings, here)
        for task_id in active:
            cancel(CancelQuery(task_id=task_id), settings)
        cancelled += len(active)
        # After the rows: a pod whose row is final is not started again.
        pods = list(where.list_pods())
        for pod in pods:
            if not pod.is_ending:
                where.delete_pod(pod.name, pod.uid, settings.container_grace_shutdown_seconds)
        if not pods and not active:
            return cancelled
        if time.monotonic() > deadline:
            raise TimedOut(f"{len(pods)} task pods are still there: {', '.join(pod.name for pod in pods[:5])}.")
        time.sleep(_PAUSE_SECONDS)


def _active(settings: Settings, here: str) -> list[str]:
    def read(db: Database) -> list[str]:
        names = sorted(sweeps.expected_pods(db, here))
        return [row.task.task_id for row in sweeps.active_of(db, names, here)] + runs.waiting_ids(db, here)

    with Database(settings.require_database_url(), settings.database_schema) as db:
        return db.transact(read)


def main() -> None:
    """Print what was done, or why it could not be, in one line."""
    try:
        settings = Settings.load()
        logs.set_up(settings.log_format, settings.instance_id)
        cancelled = leave(settings)
    except SyncError as error:
        raise SystemExit(error.message) from None
    _log.info("Nothing runs any more.", extra={"action": "leave", "cancelled": cancelled})


if __name__ == "__main__":
    main()
