"""Names as parts of a path."""

from urllib.parse import quote

from syncctl.api.errors import RequestRefused

_LOST = frozenset({"", ".", ".."})
"""Clients and proxies take them out of a path (RFC 3986, 5.2.4), the last one with the part before it."""


def part(name: str) -> str:
    """Return a name as a part of a path. Raise RequestRefused for one that would get lost in it."""
    if name in _LOST:
        raise RequestRefused(
            f"expected a name instead of '{name}': an address cannot hold that, and without it is another one's."
        )
    return quote(name, safe="")
