"""The configured catalog of a run: what a sync selects of what its source offers. Pure."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from common.errors import Refused
from common.protocol.catalogs import StreamId, SyncMode
from common.protocol.messages import DECODE_ERRORS
from common.syncs.model import Stream, Write

_NAMED = 10


class NotOffered(Refused):
    """The source does not offer a stream that a sync selects, or not in that way."""


class Offered(Struct, frozen=True):
    """A stream as `discover` describes it, with the members that are used here."""

    name: str
    namespace: str | None = None
    supported_sync_modes: list[str] | None = None
    source_defined_cursor: bool | None = None
    default_cursor_field: list[str] | None = None
    source_defined_primary_key: list[list[str]] | None = None

    @property
    def key(self) -> str:
        """`name` or `namespace.name`."""
        return StreamId(self.name, self.namespace).key

    def offers(self, mode: SyncMode) -> bool:
        """Return whether it can be read so; a source that names no modes can do a full refresh."""
        return mode in (self.supported_sync_modes or (SyncMode.FULL_REFRESH,))


class _Discovered(Struct, frozen=True):
    streams: list[Raw]


class _Selected(Struct, frozen=True):
    """A stream of the sync, found among those that the source offers."""

    offered: Offered
    raw: Raw
    wish: Stream | None = None


def configure(discovered: bytes, wishes: Sequence[Stream] | None, only: Collection[str] = ()) -> bytes:
    """Return the configured catalog for these wishes; without any, of all that is offered.

    `only` leaves those of the sync's streams that have these names or keys. Raise NotOffered, naming each stream that
    is not offered, or not in the way that is wished for.
    """
    selected = _chosen(_select(_decode(discovered), wishes), only)
    problems = list[str]()
    configured = [_configured(one, problems) for one in selected]
    if problems:
        raise NotOffered(f"spec.streams: {'; '.join(problems[:_NAMED])}{_more(problems)}.")
    return msgspec.json.encode({"streams": configured})


def check_only(wishes: Sequence[Stream] | None, only: Collection[str]) -> None:
    """Raise NotOffered for names in `only` that the sync cannot mean, as far as that shows without the catalog."""
    if wishes is None:
        return
    keys = [StreamId(wish.name, wish.namespace).key for wish in wishes]
    known = {*keys, *(wish.name for wish in wishes)}
    ends = tuple(f".{wish.name}" for wish in wishes if wish.namespace is None)
    if unknown := sorted(name for name in set(only) - known if not name.endswith(ends)):
        raise _not_selected(unknown, keys)


def _decode(discovered: bytes) -> list[_Selected]:
    try:
        raws = msgspec.json.decode(discovered, type=_Discovered).streams
        return [_Selected(msgspec.json.decode(raw, type=Offered), raw) for raw in raws]
    except DECODE_ERRORS as error:
        raise Refused(f"The catalog that `discover` has found cannot be read: {error}.") from error


def _select(offered: list[_Selected], wishes: Sequence[Stream] | None) -> list[_Selected]:
    if not offered:
        raise NotOffered("The source offers no streams: nothing would be read.")
    if wishes is None:
        return offered
    by_id = {StreamId(one.offered.name, one.offered.namespace): one for one in offered}
    by_name = dict[str, list[_Selected]]()
    for one in offered:
        by_name.setdefault(one.offered.name, []).append(one)
    selected, problems = list[_Selected](), list[str]()
    for wish in wishes:
        # Most people leave out a namespace where there is but one.
        named = by_name.get(wish.name, []) if wish.namespace is None else []
        found = by_id.get(StreamId(wish.name, wish.namespace)) or (named[0] if len(named) == 1 else None)
        if found is None:
            problems.append(_absent(wish, named))
        else:
            selected.append(_Selected(found.offered, found.raw, wish))
    if problems:
        known = [one.offered.key for one in offered]
        raise NotOffered(
            f"spec.streams: {'; '.join(problems[:_NAMED])}{_more(problems)}. The source offers "
            f"{', '.join(known[:_NAMED])}{_more(known)}."
        )
    return selected


def _absent(wish: Stream, named: Sequence[_Selected]) -> str:
    key = StreamId(wish.name, wish.namespace).key
    if named:
        return f"{key}: expected its namespace, one of {', '.join(str(one.offered.namespace) for one in named)}"
    return f"{key} is not offered by the source"


def _chosen(selected: list[_Selected], only: Collection[str]) -> list[_Selected]:
    if not only:
        return selected
    known = {name for one in selected for name in (one.offered.name, one.offered.key)}
    if unknown := sorted(set(only) - known):
        raise _not_selected(unknown, [one.offered.key for one in selected])
    return [one for one in selected if {one.offered.name, one.offered.key} & set(only)]


def _not_selected(unknown: Sequence[str], keys: Sequence[str]) -> NotOffered:
    return NotOffered(
        f"streams: the sync does not select {', '.join(unknown[:_NAMED])}{_more(unknown)}; it selects "
        f"{', '.join(keys[:_NAMED])}{_more(keys)}."
    )


def _configured(one: _Selected, problems: list[str]) -> dict[str, Any]:
    offered, wish = one.offered, one.wish or Stream(name=one.offered.name)
    cursor = wish.cursor or offered.default_cursor_field or []
    key = wish.key or offered.source_defined_primary_key or []
    mode = wish.mode or _mode(offered, wish, cursor)
    write = wish.write or _write(mode, key)
    problems += (f"{offered.key}: {why}" for why in _problems(offered, mode, cursor, key, write))
    stream: Any = one.raw
    if wish.table is not None:
        members = msgspec.json.decode(one.raw, type=dict[str, Raw])
        stream = members | {"table_name": Raw(msgspec.json.encode(wish.table))}
    return {
        "stream": stream,
        "sync_mode": str(mode),
        "cursor_field": cursor,
        "destination_sync_mode": str(write),
        "primary_key": key,
    }


def _mode(offered: Offered, wish: Stream, cursor: Sequence[str]) -> SyncMode:
    """Return the mode of a stream that names none: incremental where that needs no choice, or it was made."""
    able = offered.offers(SyncMode.INCREMENTAL) and bool(offered.source_defined_cursor or cursor)
    return SyncMode.INCREMENTAL if able and wish.write is not Write.OVERWRITE else SyncMode.FULL_REFRESH


def _write(mode: SyncMode, key: Sequence[Sequence[str]]) -> Write:
    if mode is SyncMode.FULL_REFRESH:
        return Write.OVERWRITE
    return Write.APPEND_DEDUP if key else Write.APPEND


def _problems(
    offered: Offered, mode: SyncMode, cursor: Sequence[str], key: Sequence[Sequence[str]], write: Write
) -> Iterator[str]:
    if not offered.offers(mode):
        yield f"expected mode {' or '.join(offered.supported_sync_modes or (SyncMode.FULL_REFRESH,))}"
    elif mode is SyncMode.INCREMENTAL and not offered.source_defined_cursor and not cursor:
        yield "expected a cursor; the source defines none"
    if write is Write.APPEND_DEDUP and not key:
        yield "expected a key beside write append_dedup; the source defines none"


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
