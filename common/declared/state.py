"""/syncs/NAME/state: a sync's saved states, seen and changed by hand.

NAME is a declared sync, or a syncId that only has tasks or states. Nothing is changed while a read of the sync is
active; what is replaced is in the answer, and kept for an undo (common.store.state_changes).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar, cast

from msgspec import Raw, Struct

from common import cluster
from common.declared import state_bodies
from common.errors import Conflict, NotFound, Refused, SyncsNotInstalled, TooLarge
from common.protocol import resume, saved, sizes
from common.protocol.saved import SHARED, Saved
from common.request import Request, Tagged
from common.settings import Settings
from common.store import Database, TaskRow, adoption, state_changes, states
from common.syncs.others import Link
from common.tasks.parameters import flag, parameters
from common.tasks.query import tag_of

if TYPE_CHECKING:
    from common.declared import answers

T = TypeVar("T")
_DECLARABLE = re.compile("[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_NAMED = 5


class _Target(Struct, frozen=True):
    """A sync as the path names it."""

    name: str
    sync_id: str
    is_declared: bool


def get_state(request: Request) -> "answers.States | answers.StreamState":
    """Answer with all saved states of a sync, or with one stream's."""
    parameters(request.query)
    target, stream = _target(request.names[0], request.settings), _stream(request)
    known = request.known_tag
    return _transact(request.settings, lambda db: _one(db, target, stream) if stream else _all(db, target, known))


def put_state(request: Request) -> "answers.StateChange":
    """Replace all saved states of a sync, or one stream's."""
    parameters(request.query)
    if stream := _stream(request):
        state = state_bodies.parse_one(request.body, stream)
        return _change(request, "set", lambda now: saved.with_state(now, stream, state), stream)
    given = state_bodies.parse_all(request.body)
    return _change(request, "set", lambda _: given)


def delete_state(request: Request) -> "answers.StateChange":
    """Forget all saved states of a sync, or one stream's: the next read of them begins from nothing."""
    parameters(request.query)
    if not (stream := _stream(request)):
        return _change(request, "reset", lambda _: {})

    def forget(now: Saved) -> Saved:
        _require(now, stream)
        return saved.without(now, [stream])

    return _change(request, "reset", forget, stream)


def undo_state(request: Request) -> "answers.StateUndo":
    """Bring back what the last change by hand has replaced."""
    force = flag("force", parameters(request.query, optional=("force",)))
    target = _target(request.names[0], request.settings)

    def undo(db: Database) -> "answers.StateUndo":
        state_changes.lock(db, target.sync_id)
        _refuse_unless_idle(db, target)
        change = state_changes.newest(db, target.sync_id)
        if change is None:
            raise NotFound(f"{target.name}: no change of its states by hand is there to be undone.")
        now = dict(states.load(db, target.sync_id))
        changed = state_changes.undo(db, target.sync_id, change, now, force=force)
        after = dict(states.load(db, target.sync_id))
        return {**_answer(target, "undo", now, after, changed), "undone": change.action}

    return _transact(request.settings, undo)


def copy_state(request: Request) -> "answers.StateCopy":
    """Give another sync the saved states of this one, in the place of its own."""
    to = parameters(request.query, required=("to",))["to"]
    source, target = (_target(name, request.settings) for name in (request.names[0], to))
    if source.sync_id == target.sync_id:
        raise Refused("to: expected another sync than the one in the path.")

    def copy(db: Database) -> "answers.StateCopy":
        state_changes.lock(db, source.sync_id, target.sync_id)
        _require_known(db, source)
        _refuse_unless_idle(db, target)
        given = dict(states.load(db, source.sync_id))
        if not given:
            raise NotFound(f"{source.name}: has no saved state that could be copied.")
        made = _make(db, target, "copy", dict(states.load(db, target.sync_id)), given)
        return {**made, "from": source.sync_id}

    return _transact(request.settings, copy)


def _change(request: Request, action: str, change: Callable[[Saved], Saved], stream: str = "") -> "answers.StateChange":
    target = _target(request.names[0], request.settings)

    def make(db: Database) -> "answers.StateChange":
        state_changes.lock(db, target.sync_id)
        _refuse_unless_idle(db, target)
        try:
            now = dict(states.load(db, target.sync_id))
        except TooLarge:
            if action != "reset" or stream:
                raise
            # What no task can be given is not worth an undo.
            changed = state_changes.clear_all(db, target.sync_id)
            return {**_answer(target, action, {}, {}, changed), "undo": False}
        return _make(db, target, action, now, change(now))

    return _transact(request.settings, make)


def _make(db: Database, target: _Target, action: str, before: Saved, after: Saved) -> "answers.StateChange":
    messages = {key: len(resume.message_of_key(key, state)) for key, state in after.items()}
    largest = max(messages, key=lambda key: messages[key], default="")
    if why := sizes.states_problem(messages.get(largest, 0), sum(messages.values())):
        raise TooLarge(f"{largest}: {why}.")
    changed = state_changes.make(db, target.sync_id, action, before, after)
    return _answer(target, action, before, after, changed)


def _answer(target: _Target, action: str, before: Saved, after: Saved, changed: list[str]) -> "answers.StateChange":
    return {
        "ok": True,
        "syncId": target.sync_id,
        "action": action,
        "kind": saved.kind_of(after),
        "changed": changed,
        "before": _raw({key: before.get(key) for key in changed}),
        "after": _raw({key: after.get(key) for key in changed}),
        "undo": bool(changed) and action != "undo",
    }


def _all(db: Database, target: _Target, known: str) -> "answers.States":
    """Return all states; nothing if they have the `known` tag, and then none is loaded."""
    _require_known(db, target)
    times, active = state_changes.saved_at(db, target.sync_id), _active(db, target.sync_id)
    change = state_changes.newest(db, target.sync_id)
    # A state that is saved has a new time: the tag needs no more of it, and is at most older than the states.
    tag = tag_of(target.sync_id, sorted(times.items()), active and active[0], change and (change.id, change.changed_at))
    if tag == known:
        return cast("answers.States", Tagged(tag, {}))
    now = dict(states.load(db, target.sync_id))
    shown: answers.States = {
        "ok": True,
        "syncId": target.sync_id,
        "kind": saved.kind_of(now),
        "states": _raw(now),
        "savedAt": {key: _stamp(time) for key, time in times.items()},
        "activeTask": active and active[0],
        "undo": None if change is None else _undoable(change),
    }
    return cast("answers.States", Tagged(tag, shown))


def _undoable(change: state_changes.StateChange) -> "answers.Undoable":
    return {"action": change.action, "states": sorted(change.before), "at": _stamp(change.changed_at)}


def _one(db: Database, target: _Target, stream: str) -> "answers.StreamState":
    _require_known(db, target)
    now = dict(states.load(db, target.sync_id))
    state = _require(now, stream)
    times = state_changes.saved_at(db, target.sync_id)
    time = times[stream] if stream in times else max(times.values())  # of the state that it is a part of
    return {
        "ok": True,
        "syncId": target.sync_id,
        "kind": saved.kind_of(now),
        "stream": stream,
        "state": Raw(states.compacted(state)),
        "savedAt": _stamp(time),
    }


def _target(name: str, settings: Settings) -> _Target:
    """Return what a name in a path or a query stands for: a declared sync, or the id itself."""
    try:
        # Another name is none that a sync could be declared by, and in the cluster's paths might mean something else.
        document = cluster.connect(settings).get_sync(name) if _DECLARABLE.fullmatch(name) else None
    except SyncsNotInstalled:  # tasks are there all the same
        document = None
    if document is None:
        return _Target(name, name, is_declared=False)
    if not isinstance(document.get("spec"), dict):
        raise Refused(f"{name}: its document cannot be used, so that its syncId is not known; correct it first.")
    return _Target(name, Link.of_document(document).sync_id, is_declared=True)


def _stream(request: Request) -> str:
    return state_bodies.check_stream(request.names[1]) if len(request.names) > 1 else ""


def _require_known(db: Database, target: _Target) -> None:
    if not target.is_declared and not state_changes.is_known(db, target.sync_id):
        raise NotFound(f"{target.name}: is not declared, and no task or state has this syncId; GET /syncs lists all.")


def _refuse_unless_idle(db: Database, target: _Target) -> None:
    """Raise Conflict if a read is active, NotFound if nothing is known of the sync."""
    _require_known(db, target)
    if (active := _active(db, target.sync_id)) is not None:
        raise Conflict(
            f"Sync {target.name} is being read: task {active[0]} {active[1]}. It would save its own states over yours; "
            "wait for its end, or cancel it."
        )


def _active(db: Database, sync_id: str) -> tuple[str, str] | None:
    """Return the id of the sync's active read, and how it is."""
    for row in map(TaskRow.of, db.run("find_active_read", sync_id=sync_id)):
        return row.task_id, f"is {row.state} and was started {row.age_seconds} s ago"
    for read in adoption.elsewhere(db, sync_id):
        return read.task.task_id, f"runs under another controller and was touched {read.idle_seconds} s ago"
    return None


def _require(now: Saved, stream: str) -> bytes:
    """Return a stream's state; raise Refused if it cannot be told from the others', NotFound if there is none."""
    state = saved.state_of(now, stream)
    if state is not None:
        return state
    if now.keys() & SHARED.keys():
        saved.without(now, [stream])
    names = sorted(saved.streams_of(now)) or sorted(now)
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    raise NotFound(f"{stream}: has no saved state; {f'there are those of {listed}' if names else 'there is none'}.")


def _raw(some: Mapping[str, bytes | None]) -> dict[str, Raw | None]:
    return {key: None if state is None else Raw(states.compacted(state)) for key, state in some.items()}


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _transact(settings: Settings, work: Callable[[Database], T]) -> T:
    with Database(settings.require_database_url(), settings.database_schema) as db:
        return db.transact(work)
