"""The saved states of a deployment's syncs over HTTP."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from syncctl.api import paths
from syncctl.api.client import Deployment


class Saved(Struct, frozen=True, rename="camel"):
    """All states of a sync by key; `raw` is the answer that they came in, and `saved_at` are times in RFC 3339."""

    states: dict[str, Raw]
    kind: str | None = None
    saved_at: dict[str, str] = {}
    active_task: str | None = None
    raw: Raw = Raw(b"")


class Changed(Struct, frozen=True, rename="camel"):
    """What a change has done to which states, as they are called; `raw` is the answer, which has the old ones."""

    sync_id: str
    action: str
    changed: list[str]
    undo: bool = False
    undone: str = ""
    raw: Raw = Raw(b"")


class _One(Struct, frozen=True):
    state: Raw


class SyncStates:
    """The states of one sync. Methods raise what those of Deployment do."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        self._deployment = deployment
        self._path = f"/syncs/{paths.part(name)}/state"

    def get(self) -> Saved:
        """Return all states."""
        raw = self._deployment.ask(Raw, "GET", self._path, {}, repeat=True)
        return msgspec.structs.replace(msgspec.json.decode(raw, type=Saved), raw=raw)

    def get_one(self, stream: str) -> Raw:
        """Return the state of a stream."""
        return self._deployment.ask(_One, "GET", self._of(stream), {}, repeat=True).state

    def set(self, states: Raw) -> Changed:
        """Replace all states: by those of an object `states`, or of an array of STATE messages."""
        return self._change("PUT", self._path, body=states)

    def set_one(self, stream: str, state: Raw) -> Changed:
        """Replace the state of a stream."""
        return self._change("PUT", self._of(stream), body=state)

    def reset(self, stream: str | None = None) -> Changed:
        """Forget the state of a stream, or all."""
        return self._change("DELETE", self._path if stream is None else self._of(stream))

    def undo(self, *, force: bool = False) -> Changed:
        """Take the last change back; `force`: although a read has saved a newer state since."""
        return self._change("POST", f"{self._path}/undo", {"force": "true"} if force else {})

    def copy(self, other: str) -> Changed:
        """Give another sync these states, in the place of its own."""
        return self._change("POST", f"{self._path}/copy", {"to": other})

    def _change(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Raw | None = None
    ) -> Changed:
        raw = self._deployment.ask(Raw, method, path, query or {}, body, repeat=False)
        return msgspec.structs.replace(msgspec.json.decode(raw, type=Changed), raw=raw)

    def _of(self, stream: str) -> str:
        return f"{self._path}/{paths.part(stream)}"
