"""Messages that are words for people: an error or a log line is not lost for a few bytes that are no JSON or no text.

Half a surrogate pair (a text that was cut within an emoji), a NaN, a raw control character, Latin-1: what cannot be
kept shows as U+FFFD or null. Never for rows, states or configurations, which stay as they came.
"""

import json

from common import nesting

KINDS = frozenset({"TRACE", "LOG", "CONNECTION_STATUS"})


def readable(raw: bytes) -> bytes:
    """JSON in UTF-8, whatever bytes its strings hold."""
    return bytes(raw).decode("utf-8", "replace").encode()


def mended(line: bytes) -> bytes:
    """A line that only a lenient reader takes, as JSON; b"" where not even that helps."""
    try:
        nesting.check(line)
        value = json.loads(line.decode("utf-8", "replace"), strict=False, parse_constant=lambda _: None)
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return b""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
