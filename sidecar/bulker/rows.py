"""Find rows for which Bulker would refuse the whole request, before they are sent."""

import struct
from datetime import UTC, datetime
from operator import countOf

from msgspec import Raw

from sidecar.bulker import numbers
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


def is_clean(rows: list[Raw], block: bytes, *, any_number: bool = False) -> bool:
    """Return whether every row of a block can be sent; `block` is the rows, joined by line feeds.

    The decoder has checked that each is JSON. `any_number`: the destination takes all of them.
    """
    if len(block) > LINE_BYTES or not _are_objects(rows) or not _is_utf8(block):
        return False
    return any_number or not numbers.may_overflow(block)


def fault(row: bytes, *, any_number: bool = False) -> str:
    """Return why one row cannot be sent; "" if it can."""
    if not row:
        return "it has no data"
    if row[:1] != b"{":
        return "its data is not a JSON object"
    if len(row) > LINE_BYTES:
        return f"it has {len(row):,} bytes, and Bulker takes {LINE_BYTES:,}"
    if not _is_utf8(row):
        return "it is not valid UTF-8"
    return "" if any_number else numbers.fault(row)


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
