"""Find passwords and keys within texts: in URLs, connection strings and headers, in time by the text's length."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from common.redaction.forms import looks_like_a_word

_ASSIGNED = re.compile(
    r"(?:passw(?:or)?d|pwd|secret|token|(?:api|access|account|shared|private)_?key|sig(?:nature)?)\s*=\s*"
    r"(?:'((?:[^'\\]|\\.|'')*+)'|\"((?:[^\"\\]|\\.|\"\")*+)\"|\{([^{}]*+)\}|(?<==)([^;&\s\"']+))",
    re.IGNORECASE | re.DOTALL,
)
"""Plain, or quoted as libpq, ADO and ODBC have it."""
_QUOTE = re.compile(r"\\(.)|(['\"])\2", re.DOTALL)
"""An escaped or doubled quote."""
_IN_URL = re.compile(r"//[^/@:\s]*:([^/\s]+)@")
_WEAK_SIGNS = (
    re.compile(
        r"(?:passw(?:or)?d|passphrase|pwd|secret|token|auth(?:orization)?|key|sig(?:nature)?)[\"']?\s*[=:]\s*[\"']?"
        r"(?:(?:bearer|basic|token)\s+)?([^;&\s\"',]+)",
        re.IGNORECASE,
    ),
    # A piece is looked at once, from its beginning: not from each of its "jdbc:" to its end.
    re.compile(r"//([^/@:\s]+)@|(?<![^@\s])(?>[^@\s]*?jdbc:)[^@\s]*/([^/@\s]+)@"),
)
"""Their values count unless they look like words."""
_LONGEST_URL = 64 * 1024


def _assigned(text: str) -> Iterator[str]:
    """Yield the values of assignments, as they are written and as they are meant."""
    for values in _ASSIGNED.findall(text):
        value = "".join(values)
        yield value
        yield _QUOTE.sub(r"\1\2", value)


def within(text: str) -> Iterator[str]:
    """Yield passwords and keys in URLs and connection strings."""
    try:
        password = urlsplit(text).password if len(text) <= _LONGEST_URL else None
    except ValueError:
        password = None
    sure = [*([password] if password else []), *_IN_URL.findall(text), *_assigned(text)]
    likely = (found[found.lastindex or 0] for sign in _WEAK_SIGNS for found in sign.finditer(text))
    for one in (*sure, *(one for one in likely if not looks_like_a_word(one))):
        yield one
        yield unquote(one)
