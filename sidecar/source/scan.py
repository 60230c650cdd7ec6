"""Find type and stream of a line that cannot be decoded, without objects and recursion."""

import re

import msgspec
from msgspec import Struct

SCAN_BYTES = 64 * 1024
"""How far into a line to look: connectors write type and stream first."""
_BOM = b"\xef\xbb\xbf"

# An unclosed string takes the rest of the line: another try at each of its quotes would be quadratic.
_TOKEN = re.compile(rb'"((?:[^"\\]++|\\.)*+)("?)|([{}\[\],:])', re.DOTALL)


class Envelope(Struct, frozen=True):
    """The outside of a message, "" for each part that was not found. `data`: whether it has a record's data; `trace`:
    the type of a trace.
    """

    type: str = ""
    stream: str = ""
    namespace: str = ""
    data: bool = False
    trace: str = ""

    @property
    def is_record(self) -> bool:
        """Whether the line carries a row: its text must not get into a log."""
        return self.type == "RECORD"


def bare(line: bytes) -> bytes:
    """Return a line without white space around it and without the byte order mark of a first line."""
    return line.strip().removeprefix(_BOM).lstrip()


def opens(line: bytes) -> bool:
    """Return whether a line begins like a message."""
    return bare(line)[:1] == b"{"


def read(line: bytes) -> Envelope:
    """Read the keys of the two outer levels, up to a record's data."""
    found: dict[tuple[str, str], str] = {}
    depth, parent, key, expects_value = 0, "", "", False
    for token in _TOKEN.finditer(line[:SCAN_BYTES]):
        text, closed, mark = token.groups()
        if mark is None:
            if not closed:
                break
            if 0 < depth <= 2 and expects_value:
                found[parent, key] = _text(text)
            elif 0 < depth <= 2:
                key = _text(text)
            expects_value = False
            continue
        expects_value = mark == b":"
        if expects_value and 0 < depth <= 2:
            found.setdefault((parent, key), "")
            if ("record", "data") in found and found.get(("", "type")):
                break
        elif mark in b"{[":
            depth += 1
            parent = key if depth == 2 else parent
        elif mark in b"}]":
            depth -= 1
            parent = parent if depth > 1 else ""
    return _of(found)


def object_end(line: bytes, start: int) -> int:
    """Return the position behind the object that begins at a position; 0 if the line ends before it does."""
    depth = 0
    for token in _TOKEN.finditer(line, start):
        mark = token[3]
        depth += (mark in {b"{", b"["}) - (mark in {b"}", b"]"})
        if depth <= 0:
            return token.end()
    return 0


def _of(found: dict[tuple[str, str], str]) -> Envelope:
    kind = found.get(("", "type"), "")
    if not kind and ("", "record") in found:
        kind = "RECORD"
    stream, namespace = found.get(("record", "stream"), ""), found.get(("record", "namespace"), "")
    return Envelope(kind, stream, namespace, ("record", "data") in found, found.get(("trace", "type"), ""))


def _text(raw: bytes) -> str:
    """Return a JSON string's text, undecoded if its escapes are broken."""
    try:
        return msgspec.json.decode(b'"' + raw + b'"', type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return raw.decode("utf-8", "replace")
