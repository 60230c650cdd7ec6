"""Names as parts of a path."""

from urllib.parse import quote

from syncctl.api.errors import RequestRefused

_LOST = frozenset({"", ".", ".."})
"""Clients and proxies take them out of a path (RFC 3986, 5.2.4), the last one with the part before it."""


def part(name: str) -> str:
    """Return a name as a part of a path. Raise RequestRefused for one that would get lost in it."""
    if name in _LOST:
        raise RequestRefused(
            f"The name '{name}' cannot be part of an address: without it, that is another one's. The state of a stream "
            "that is called so is changed with all others: `syncctl state get SYNC > states.json`, then `syncctl state "
            "set SYNC -f states.json`."
        )
    return quote(name, safe="")
