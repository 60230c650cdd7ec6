"""A deployment's declared syncs over HTTP, as documents."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from syncctl.api import paths
from syncctl.api.client import Deployment
from syncctl.api.errors import RequestRefused
from syncctl.api.models import Started, WrittenSync

_CONFLICT = 409
_TRIES = 4


class _List(Struct, frozen=True):
    syncs: list[dict[str, Any]]


class _One(Struct, frozen=True):
    sync: dict[str, Any]


class _Applied(Struct, frozen=True):
    results: list[WrittenSync]


class Deleted(Struct, frozen=True, rename="camel"):
    """A sync that is gone: its document, those whose `after` names it, and its run that goes on."""

    sync: dict[str, Any]
    was_after: list[str] = []
    active_task: str | None = None


class StreamView(Struct, frozen=True, rename="camel"):
    """A stream as the sync's last reads have left it."""

    stream: str
    status: str = ""
    rows: int | None = None
    last_record: str | None = None


class StateView(Struct, frozen=True, rename="camel"):
    """A saved state's key, and when it was saved."""

    key: str
    saved_at: str | None = None


class View(Struct, frozen=True):
    """A document with what the sync's runs have left."""

    sync: dict[str, Any]
    streams: list[StreamView] = []
    states: list[StateView] = []


class DeclaredSyncs:
    """Methods raise what those of Deployment do."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def list_all(self) -> Sequence[dict[str, Any]]:
        """Return all, by name."""
        return self._deployment.ask(_List, "GET", "/syncs", {}, repeat=True).syncs

    def get(self, name: str) -> dict[str, Any]:
        """Return one."""
        return self._deployment.ask(_One, "GET", _path(name), {}, repeat=True).sync

    def view(self, name: str) -> "View":
        """Return one with what its runs have left."""
        return self._deployment.ask(View, "GET", _path(name), {}, repeat=True)

    def apply(self, documents: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> Sequence[WrittenSync]:
        """Create or replace these, once all of them have been checked; `dry_run`: only check."""
        query = {"dryRun": "true"} if dry_run else {}
        return self._deployment.ask(_Applied, "PUT", "/syncs", query, list(documents), repeat=True).results

    def delete(self, name: str, *, force: bool = False) -> Deleted:
        """Delete one; `force`: although others start after it."""
        query = {"force": "true"} if force else {}
        return self._deployment.ask(Deleted, "DELETE", _path(name), query, repeat=False)

    def run(self, name: str, task_id: str, streams: Sequence[str] = (), *, full_sync: bool = False) -> Started:
        """Start one now; the same task id starts it once."""
        if any("," in one or one != one.strip() or not one for one in streams):
            raise RequestRefused(
                "A request names streams separated by commas: one with a comma in its name, or with blanks around it, "
                "cannot be chosen. Leave --stream out, to run all its streams."
            )
        query = {"taskId": task_id} | ({"streams": ",".join(streams)} if streams else {})
        query |= {"fullSync": "true"} if full_sync else {}
        return self._deployment.ask(Started, "POST", f"{_path(name)}/run", query, repeat=True)

    def suspend(self, name: str, *, suspend: bool) -> WrittenSync:
        """Suspend a sync, or resume it. What others change meanwhile stays."""
        for tries_left in reversed(range(_TRIES)):
            document = self.get(name)
            if "spec" not in document:
                raise RequestRefused(f"{name} cannot be used as it is: {document.get('status', {}).get('message')}.")
            spec = {key: value for key, value in document.get("spec", {}).items() if key != "suspend"}
            changed = document | {"spec": spec | ({"suspend": True} if suspend else {})}
            try:
                return self._deployment.ask(_Written, "PUT", _path(name), {}, changed, repeat=False).of(name)
            except RequestRefused as refused:
                if refused.code != _CONFLICT or not tries_left:
                    raise
        raise AssertionError


class _Written(Struct, frozen=True):
    result: str
    sync: dict[str, Any]

    def of(self, name: str) -> WrittenSync:
        return WrittenSync(name, self.result, self.sync)


def _path(name: str) -> str:
    return f"/syncs/{paths.part(name)}"
