"""What a line that cannot be decoded says about itself: its type and its stream. Never builds or recurses."""

import re

from msgspec import Struct

SCAN_BYTES = 64 * 1024
"""How far into a line to look: connectors write type and stream first."""

_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"|([{}\[\],:])|[^\s{}\[\],:"]+')


class Envelope(Struct, frozen=True):
    """The outside of a message; "" for what was not found."""

    type: str = ""
    stream: str = ""
    namespace: str = ""

    @property
    def is_record(self) -> bool:
        """Whether the line carries a row: its text must not get into a log."""
        return self.type == "RECORD"


def read(line: bytes) -> Envelope:
    """Looks at the keys of the two outer levels only."""
    found: dict[tuple[str, ...], str] = {}
    path: list[str] = []
    key, expects_value = "", False
    for token in _TOKEN.finditer(line[:SCAN_BYTES]):
        text, mark = token.group(1), token.group(2)
        if mark in {b"{", b"["}:
            path.append(key if mark == b"{" else "[")
            key, expects_value = "", False
        elif mark in {b"}", b"]"}:
            if path:
                path.pop()
            expects_value = False
        elif mark == b":":
            expects_value = True
        elif mark == b",":
            expects_value = False
        elif text is not None and not expects_value:
            key = text.decode("utf-8", "replace")
        elif text is not None:
            found.setdefault((*path[1:], key), text.decode("utf-8", "replace"))
            expects_value = False
    kind = found.get(("type",), "")
    if not kind and any(names[0] == "record" for names in found):
        kind = "RECORD"
    return Envelope(kind, found.get(("record", "stream"), ""), found.get(("record", "namespace"), ""))
