"""Checks syncs against those that exist beside them: an id that two would share, a circle of `after`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from msgspec import Struct

from common.syncs.model import Sync
from common.syncs.source import Path


class Link(Struct, frozen=True):
    """What others have to know of a sync."""

    name: str
    sync_id: str
    after: tuple[str, ...] = ()

    @classmethod
    def of(cls, sync: Sync) -> "Link":
        """From a sync that has been checked."""
        name = sync.metadata.name
        return cls(name, sync.spec.sync_id or name, tuple(sync.spec.after or ()))

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "Link":
        """From a document that may hold anything where no API server has checked it."""
        name, spec = str(document["metadata"]["name"]), document.get("spec")
        spec = spec if isinstance(spec, dict) else {}
        after = spec.get("after")
        return cls(name, str(spec.get("syncId") or name), tuple(map(str, after)) if isinstance(after, list) else ())


def findings(new: Iterable[Link], existing: Iterable[Link]) -> Iterator[tuple[str, Path, str]]:
    """Yield name, path and sentence for each of the new syncs that does not go with the existing ones."""
    written = {link.name: link for link in new}
    every = {link.name: link for link in existing} | written
    ids: dict[str, list[str]] = {}
    for link in every.values():
        ids.setdefault(link.sync_id, []).append(link.name)
    for link in written.values():
        if others := [name for name in ids[link.sync_id] if name != link.name]:
            yield link.name, ("spec", "syncId"), f"expected another syncId; the sync {others[0]} has this one"
    if (found := circle(every.values())) and (members := [name for name in found if name in written]):
        yield min(members), ("spec", "after"), f"expected no circle: {' starts '.join(found)}"


def circle(links: Iterable[Link]) -> Sequence[str]:
    """Return syncs that would start each other without end, the first one also last; () if there are none."""
    try:
        TopologicalSorter({link.name: link.after for link in links}).prepare()
    except CycleError as error:
        # Each of them comes before the next, so the arrows go against `after`.
        return tuple(error.args[1])
    return ()


def started_by(name: str, links: Iterable[Link]) -> list[str]:
    """Return the syncs that start when this one has succeeded."""
    return sorted(link.name for link in links if name in link.after)
