"""Forget the states of a read's streams (`fullSync`, docs/reference/contract.md A17)."""

import msgspec

from common.errors import Refused, TooLarge
from common.protocol import catalogs, saved
from common.protocol.messages import DECODE_ERRORS
from common.protocol.states import GLOBAL_STATE_KEY, GlobalState
from common.store import Database, states
from common.tasks.requests import NewTask


def forget(db: Database, new: NewTask) -> None:
    """Delete the saved states of the streams that a read selects.

    With `new.forget`, of these alone, or their parts of the state of all. Else raise Refused if the sync has one state
    for several streams, and it is, or may be, of others too.
    """
    states.close(db, new.sync_id)
    if new.forget:
        _forget_some(db, new)
        return
    catalog = catalogs.decode_catalog(new.catalog or b'{"streams":[]}')
    selected = {stream.id.key for stream in catalog.streams}
    bare = {stream.id.name for stream in catalog.streams}
    if key := states.shared_key(db, new.sync_id):
        last = states.last_streams(db, new.sync_id)
        # Some sources leave the namespace out; a stream that is really called so was in the last read.
        known = last | {name for name in _named(db, new.sync_id, key) if not last or name not in bare}
        if not known or known - selected:
            raise Refused(_sentence(sorted(selected), sorted(known - selected)))
    states.clear(db, new.sync_id, selected)


def _forget_some(db: Database, new: NewTask) -> None:
    with states.loading(db, new.sync_id, ()) as found:  # the state of all streams, if there is one
        shared = dict(found)
    left = saved.without(shared, new.forget)
    if not left:
        states.clear(db, new.sync_id, new.forget)
    elif left != shared:
        [(key, state)] = left.items()
        states.save(db, new.sync_id, key, state)


def _named(db: Database, sync_id: str, key: str) -> set[str]:
    """Return the streams that a state of all names; of one that is too large to be handed to any task, none."""
    if key != GLOBAL_STATE_KEY:
        return set()
    try:
        with states.loading(db, sync_id, ()) as [(_, state)]:
            parts = msgspec.json.decode(state, type=GlobalState).stream_states
    except (TooLarge, *DECODE_ERRORS):
        return set()
    return {part.stream_descriptor.key for part in parts or ()}


def _sentence(selected: list[str], others: list[str]) -> str:
    chosen, rest = _listed(selected), _listed(others)
    also = f"is also of {rest}, which it does not select" if others else "may also be of streams that are not known"
    return (
        f"fullSync: the catalog selects {chosen}; this sync has one saved state for all of its streams, which {also}, "
        'so it is not forgotten. Send `"state": {}` instead of fullSync: the streams that the catalog selects begin '
        "from nothing, and the state that they save takes the place of this one"
        f"{f'; or add {rest} to the catalog, so that all of them begin from nothing' if others else ''}."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "no stream"
