"""A request that has been authenticated, as use cases get it; common.web makes it of Flask's."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from common.settings import Settings

_TAG = re.compile(r'(?:W/)?"([0-9a-f]{1,64})"')

Payload = Mapping[str, Any]
"""A JSON object to answer with."""


class Tagged(dict[str, Any]):
    """A payload that the caller may have already: its tag is the answer's ETag. Empty if the caller has it: 304."""

    def __init__(self, tag: str, payload: Payload) -> None:
        super().__init__(payload)
        self.tag = tag


class Text(Struct, frozen=True):
    """Plain text, part by part: it is sent while it is read."""

    parts: Iterator[str]
    content_type: str = "text/plain; charset=utf-8"


class Query(Protocol):
    """Query parameters, as Werkzeug's MultiDict holds them."""

    def lists(self) -> Iterable[tuple[str, list[str]]]:
        """Return each name with all values given for it."""
        ...


class Request(Struct, frozen=True):
    """The names of headers are in lower case; `names` are the values of a path's placeholders, decoded."""

    query: Query
    body: bytes
    subpath: str
    settings: "Settings"
    headers: Mapping[str, str]
    method: str = "GET"
    names: tuple[str, ...] = ()

    @property
    def known_tag(self) -> str:
        """The tag of the answer that the caller has already (If-None-Match); "" if it has none, or several."""
        found = _TAG.fullmatch(self.headers.get("if-none-match", "").strip())
        return found[1] if found else ""

    @property
    def prefers_text(self) -> bool:
        """Whether Accept names plain text before JSON."""
        named = [kind.partition(";")[0].strip().lower() for kind in self.headers.get("accept", "").split(",")]
        return next((kind for kind in named if kind in {"text/plain", "application/json"}), "") == "text/plain"
