"""Find rows for which Bulker would refuse the whole request, before they are sent."""

import struct
from datetime import UTC, datetime
from operator import countOf

from msgspec import Raw

from sidecar.bulker.client import LINE_BYTES

_FIRST_BYTE = struct.Struct("c").unpack_from


def with_time(rows: list[Raw]) -> list[Raw]:
    """Return the rows with the time now in the column `_jitsu_timestamp`; what is not an object stays as it is."""
    stamp = f'"_jitsu_timestamp":"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"}}'.encode()
    return [_with_member(row, bytes(row), stamp) for row in rows]


def _with_member(row: Raw, text: bytes, member: bytes) -> Raw:
    if text[:1] != b"{" or text[-1:] != b"}":
        return row
    head = text[:-1].rstrip()
    return Raw(head + (b"" if head == b"{" else b",") + member)


def is_clean(rows: list[Raw], block: bytes) -> bool:
    """Return whether every row of a block can be sent; `block` is the rows, joined by line feeds.

    The decoder has checked that each is JSON on a line of its own.
    """
    return len(block) <= LINE_BYTES and _are_objects(rows) and _is_utf8(block)


def fault(row: bytes) -> str:
    """Return why one row cannot be sent; "" if it can."""
    if not row:
        return "it has no data"
    if row[:1] != b"{":
        return "its data is not a JSON object"
    if len(row) > LINE_BYTES:
        return f"it has {len(row):,} bytes, and Bulker takes {LINE_BYTES:,}"
    return "" if _is_utf8(row) else "it is not valid UTF-8"


def _are_objects(rows: list[Raw]) -> bool:
    try:
        return countOf(map(_FIRST_BYTE, rows), (b"{",)) == len(rows)
    except struct.error:
        return False


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
