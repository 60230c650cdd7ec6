"""Decode words for people leniently: an error or a log line is not lost for a few bytes that are no JSON or no text.

Half a surrogate pair (a text that was cut within an emoji), a NaN, a raw control character, Latin-1: what cannot be
kept becomes U+FFFD or null. Never used for rows, states or configurations, which stay as they came.
"""

import json

from common import nesting


def readable(raw: bytes) -> bytes:
    """Return JSON in UTF-8, whatever bytes its strings hold."""
    return bytes(raw).decode("utf-8", "replace").encode()


def mended(line: bytes) -> bytes:
    """Return as strict JSON a line that only a lenient reader takes; b"" if not even that does."""
    try:
        nesting.check(line)
        value = json.loads(line.decode("utf-8", "replace"), strict=False, parse_constant=lambda _: None)
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return b""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
