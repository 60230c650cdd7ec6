"""One sweep over all declared syncs: begin what is due, let what waits go on, and show each sync's status.

However many syncs there are, their documents are one list and their tasks a few statements; only one that is due, waits
or looks otherwise than before costs more. One that cannot run, or cannot be started now, never keeps others waiting.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from msgspec import Struct

from common.cluster import Cluster, data_plane
from common.errors import Conflict, SyncError
from common.runs import run
from common.runs.declared import Declared
from common.runs.due import Start
from common.runs.look import View, look
from common.settings import Settings
from common.store import Database, events
from common.store.runs import WaitingRun, Wanted

_log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_STARTS = 50
"""Of one sweep; it is repeated while anything is active."""
_MAX_STEPS = 100
"""Of runs that wait."""
_THREADS = 8
_ABOUT = {"action": "run"}
_NEVER = datetime.min.replace(tzinfo=UTC)


class Reconciled(Struct, frozen=True):
    """How many runs go on without a pod yet, or have just begun, and in how many seconds the next one is due."""

    active: int = 0
    due_seconds: float | None = None


def reconcile(where: Cluster, db: Database, settings: Settings, now: float) -> Reconciled:
    """Do for all syncs what is to be done now."""
    view = look(where.list_syncs(), db, settings, now)
    begun = _begin(view, settings) if settings.syncs_enabled else 0
    _go_on(view, settings)
    _show(where, view)
    _report_skipped(view, db, data_plane.of(settings))
    moments = [plan.next_run.timestamp() for plan in view.plans.values() if plan.next_run is not None]
    return Reconciled(begun + len(view.waiting), min(moments) - now if moments else None)


def _begin(view: View, settings: Settings) -> int:
    """Begin what is due, what has waited longest first; return how many began."""
    starts = [(view.syncs[name], plan.start) for name, plan in view.plans.items() if plan.start is not None]
    able = [(one, start) for one, start in starts if isinstance(one, Declared)]
    able.sort(key=lambda pair: (pair[1].moment is None, pair[1].moment and pair[1].moment.timestamp()))

    def begin(pair: tuple[Declared, Start]) -> bool:
        one, start = pair
        run.begin(one, start, Wanted(one.name), settings)
        return True

    return sum(_each(begin, able[:MAX_STARTS], lambda pair: pair[0].name, otherwise=False))


def _go_on(view: View, settings: Settings) -> None:
    def go_on(one: WaitingRun) -> None:
        run.go_on(one, view.syncs.get(one.wanted.sync), settings)

    able = [one for one in view.waiting if run.can_go_on(one, view.syncs.get(one.wanted.sync))]
    _each(go_on, able[:_MAX_STEPS], lambda one: one.wanted.sync, otherwise=None)


def _show(where: Cluster, view: View) -> None:
    """Write the statuses that differ from those that are there."""
    shown = [(name, view.status(name)) for name in view.syncs]
    changed = [(name, now) for name, now in shown if now != (view.documents[name].get("status") or {})]
    _each(lambda pair: where.set_sync_status(*pair), changed, lambda pair: pair[0], otherwise=None)


def _report_skipped(view: View, db: Database, here: str) -> None:
    """Write an event for moments that came to nothing and have had none: a skipped run leaves no row of its own."""
    some = {name: plan for name, plan in view.plans.items() if plan.skipped}
    able = {one.sync_id: one for name in some if isinstance(one := view.syncs[name], Declared)}
    if not able:
        return
    noted = db.transact(lambda db: events.noted_skipped(db, list(able)))
    for sync_id, one in able.items():
        plan, before = some[one.name], noted.get(sync_id, _NEVER)
        if moments := [moment for moment in plan.skipped if moment > before]:
            about = {"sync_id": sync_id, "name": one.name, "moments": moments, "more": plan.more_skipped}
            db.transact(lambda db, about=about: events.write_skipped(db, here, **about))  # type: ignore[misc]


def _each(work: Callable[[T], Any], items: Sequence[T], name: Callable[[T], str], *, otherwise: Any) -> list[Any]:
    """Return the results of `work`, `otherwise` for an item that failed: it is left to the next sweep."""

    def attempt(item: T) -> Any:
        about = _ABOUT | {"sync": name(item)}
        try:
            return work(item)
        except Conflict as error:  # another sweeper was first, or somebody has started the sync by hand
            _log.info("A sync is not started: %s", error, extra=about)
        except SyncError as error:
            _log.warning("A sync is left to the next sweep: %s", error, extra=about)
        except Exception:  # noqa: BLE001 - and so does one run
            _log.exception("A sync is left to the next sweep.", extra=about)
        return otherwise

    if not items:
        return []
    with ThreadPoolExecutor(min(_THREADS, len(items)), "runs") as pool:
        return list(pool.map(attempt, items))
