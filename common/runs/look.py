"""What is known of all declared syncs: their documents checked, their last reads, and what to do about each."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, structs

from common.cluster import data_plane
from common.runs import declared, due, status
from common.runs.declared import Declared, Invalid
from common.runs.due import Plan
from common.settings import Settings
from common.store import Database, runs
from common.store.runs import LastRuns, WaitingRun
from common.syncs import others
from common.syncs.others import Link
from common.syncs.validate import Rules

_log = logging.getLogger(__name__)

Documents = Mapping[str, Mapping[str, Any]]
"""By name, as their home has them."""


class View(Struct, frozen=True):
    """All declared syncs by name, at one moment."""

    documents: Documents
    syncs: dict[str, Declared | Invalid]
    last: dict[str, LastRuns]
    plans: dict[str, Plan]
    waiting: list[WaitingRun]
    """The runs of this data plane that have no pod yet."""

    def status(self, name: str) -> dict[str, Any]:
        """Return the status of a sync as it is now."""
        before = self.documents[name].get("status") or {}
        one = self.syncs[name]
        if "spec" not in self.documents[name]:  # its home has found it unusable, and shows why
            return dict(before)
        if isinstance(one, Invalid):
            return status.invalid(one.why, before)
        unknown = [other for other in one.spec.after or () if other not in self.syncs]
        return status.of(one, self.last[name], self.plans[name], unknown)


def look(documents: Sequence[Mapping[str, Any]], db: Database, settings: Settings, now: float) -> View:
    """Look at all declared syncs, in a fixed number of statements; `now`: the database's time, in Unix seconds."""
    by_name = {str(one["metadata"]["name"]): one for one in documents}
    syncs = read(by_name, settings)
    able = {name: one for name, one in syncs.items() if isinstance(one, Declared)}
    last, begun, waiting = db.transact(lambda db: _known(db, able, data_plane.of(settings)))
    time = datetime.fromtimestamp(now, UTC)
    plans = {name: due.plan(one, last, begun, time) for name, one in able.items()}
    return View(by_name, syncs, last, plans, waiting)


def read(documents: Documents, settings: Settings) -> dict[str, Declared | Invalid]:
    """Return each document's sync, or why it cannot run: alone, or beside the others."""
    rules = Rules(settings.secrets, settings.allowed_images)
    syncs: dict[str, Declared | Invalid] = {name: _read(name, one, rules) for name, one in documents.items()}
    able = [one for one in syncs.values() if isinstance(one, Declared)]
    return syncs | {one.name: one for one in (*_shared(able), *_circles(able))}


def _read(name: str, document: Mapping[str, Any], rules: Rules) -> Declared | Invalid:
    try:
        return declared.read(document, rules)
    except Exception:  # noqa: BLE001 - one document costs itself alone
        _log.exception("A declared sync cannot be read.", extra={"action": "run", "sync": name})
        return Invalid(name, "The document cannot be read; the log has the details.")


def _shared(able: Iterable[Declared]) -> Iterator[Invalid]:
    """Find syncs with the id of an older one: kubectl compares no two documents."""
    ids: dict[str, str] = {}
    for one in sorted(able, key=lambda one: (one.created, one.name)):
        if (first := ids.setdefault(one.sync_id, one.name)) != one.name:
            yield Invalid(one.name, f"spec.syncId: expected another syncId; the sync {first} has it.")


def _circles(able: Iterable[Declared]) -> Iterator[Invalid]:
    """Find syncs that would start each other without end."""
    links = {one.name: Link.of(one.sync) for one in able}
    while found := others.circle(links.values()):
        for name in found[1:]:
            links[name] = structs.replace(links[name], after=())
            yield Invalid(name, f"spec.after: expected no circle: {' starts '.join(found)}.")


def _known(
    db: Database, able: Mapping[str, Declared], here: str
) -> tuple[dict[str, LastRuns], set[str], list[WaitingRun]]:
    found = runs.last(db, [one.sync_id for one in able.values()]) if able else {}
    last = {name: found[one.sync_id] for name, one in able.items()}
    ids = [task_id for one in able.values() for task_id, _ in due.candidates(one, last)]
    return last, runs.begun(db, ids), runs.waiting(db, here)
