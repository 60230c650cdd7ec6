"""The forms in which a secret may appear in a connector's output."""

import base64
import html
import json
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Shorter values are common words: without them a log would be unreadable."""

COMMON_WORD = re.compile(r"[A-Z]?[a-z]{3,10}|[A-Z]{4,11}|[0-9]{4,7}")
"""Such values (`sync`, `postgres`, `1234`) are parts of other words: they are masked only where they stand alone."""

WORDS = re.compile(r"[A-Za-z]+(?:[ .:/_-][A-Za-z]+)*(?:[0-9](?:\.[0-9])?)?")
"""Names and sentences, in letters alone but for a version at their end."""
# fmt: off
LOG_WORDS = frozenset({
    "sync", "syncing", "read", "reading", "check", "spec", "discover", "source", "sources", "stream", "streams",
    "state", "states", "record", "records", "info", "warn", "warning", "error", "errors", "debug", "trace", "fatal",
    "true", "false", "null", "none", "http", "https", "started", "running", "complete", "success", "failed",
})
# fmt: on
"""Words of every log: hidden where they stand alone, they would take its sense away."""

_ESCAPED = "|".join(
    rf"(?<={sequence})"
    for sequence in (
        r"\\[abfnrtv]",
        r"\\x[0-9a-fA-F]{2}",
        r"\\u[0-9a-fA-F]{4}",
        r"%[0-9a-fA-F]{2}",
        r"%25[0-9a-fA-F]{2}",
        r"[\[;][0-9]m",
        r"[\[;][0-9]{2}m",
    )
)
"""Letters that end an escape sequence, not a word."""


def forms_of(secret: str) -> Iterator[str]:
    """Yield each form, some more than once, and some shorter than SHORTEST."""
    lines = re.split(r"[\r\n]+|\\n", secret)
    texts = {secret, secret.strip(), *(line.strip() for line in lines if len(line.strip()) >= 2 * SHORTEST)}
    for text in texts | {html.unescape(text) for text in texts}:
        yield text
        yield repr(text)[1:-1]
        yield repr(text.encode("utf-8", "surrogatepass"))[2:-1]
        yield from _markup(text)
        in_json = list(_json_forms(text))
        yield from in_json
        for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
            yield from (quoted, quote(quoted))
            yield re.sub("%..", lambda found: found.group().lower(), quoted)
        # Encoded whole: alone, in JSON, and in the encoding of HTTP's older headers.
        for raw in {_encoded(inner) for inner in (text, *in_json)} | _latin(text):
            yield from _base64(raw)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _latin(text: str) -> set[bytes]:
    try:
        return {text.encode("latin-1")}
    except UnicodeEncodeError:
        return set()


def _markup(text: str) -> Iterator[str]:
    """HTML and XML: quotes are escaped or not, by a name or a number."""
    plain = html.escape(text, quote=False)
    for double in ('"', "&quot;", "&#34;", "&#x22;"):
        for single in ("'", "&apos;", "&#39;", "&#039;", "&#x27;"):
            yield plain.replace('"', double).replace("'", single)


def looks_like_a_word(secret: str) -> bool:
    """Return whether a value is a word, or too short to be told from one."""
    return len(secret) < 2 * SHORTEST or WORDS.fullmatch(secret) is not None


@cache
def alone(word: str) -> re.Pattern[str]:
    """Return a pattern for a word that is not a part of a longer one; `\\n`, `%3D` and the like before it are none."""
    return re.compile(rf"(?:(?<![A-Za-z0-9_])|{_ESCAPED}){word}(?![A-Za-z0-9_])")


@cache
def assigned(word: str) -> re.Pattern[str]:
    """Return a pattern for one of LOG_WORDS where it is a value: right behind a quote, `=` or `:`."""
    return re.compile(rf"(?<=[=:\"']){word}(?![A-Za-z0-9_])")


def _json_forms(text: str) -> Iterator[str]:
    """Escaped once and twice (JSON quoted in JSON), in ASCII or not, with slashes escaped or not."""
    for escape_all in (True, False):
        once = json.dumps(text, ensure_ascii=escape_all)[1:-1]
        yield once
        yield once.replace("/", "\\/")
        yield json.dumps(once, ensure_ascii=escape_all)[1:-1]


def _base64(raw: bytes) -> Iterator[str]:
    """Alone, and as the middle of something encoded whole (user:password): at each of the three offsets."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        for offset in range(3):
            text = encode(b"\0" * offset + raw).decode().rstrip("=")
            skip = (0, 2, 3)[offset]
            # The last characters depend on what follows.
            inner = text[skip : len(text) - (1 if (len(raw) + offset) % 3 else 0)]
            if len(inner) >= SHORTEST:
                yield inner
