"""Hides the configuration's secrets in whatever the connector prints."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import msgspec

MASK = "********"
_SHORTEST = 4
"""Shorter values are words that logs are full of; hiding them would hide everything else."""
_SECRET_KEY = re.compile(
    r"pass|pwd|secret|token|key|credential|auth|private|cert|signature|cookie|session|jwt|sas|dsn|conn|salt|pin\b",
    re.IGNORECASE,
)
_PUBLIC_VALUES = frozenset({"true", "false", "null", "none", "oauth2.0", "oauth", "bearer", "basic", "client"})


class Masks:
    """Replaces every form in which a secret may show up: as it is, JSON-escaped, URL-quoted, base64."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def hide(self, text: str) -> str:
        """The text with every secret replaced."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def of_config(raw: bytes, *others: str) -> Masks:
    """The secrets of a connector's configuration, and others we hold ourselves (URLs give their password)."""
    try:
        config: Any = msgspec.json.decode(raw or b"{}")
    except (msgspec.MsgspecError, RecursionError):
        config = {}
    found = set(_leaves(config, secret=False))
    for other in others:
        found.update(_password(other) or [other])
    return Masks(found)


def _leaves(value: Any, *, secret: bool) -> Iterator[str]:
    """Strings under a key that sounds secret, and passwords in URLs anywhere."""
    if isinstance(value, dict):
        for key, inner in value.items():
            hides = bool(_SECRET_KEY.search(str(key)))
            # A group such as "credentials" holds public words too; its own keys decide.
            yield from _leaves(inner, secret=hides and not isinstance(inner, dict))
            if hides and isinstance(inner, str) and inner.lstrip().startswith(("{", "[")):
                yield from _embedded(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, secret=secret)
    elif isinstance(value, str):
        if secret and value.lower() not in _PUBLIC_VALUES:
            yield value
        yield from _password(value)


def _embedded(text: str) -> Iterator[str]:
    """Service accounts and the like: JSON in a string."""
    try:
        yield from _leaves(json.loads(text), secret=False)
    except (ValueError, RecursionError):
        return


def _password(text: str) -> list[str]:
    try:
        password = urlsplit(text).password
    except ValueError:
        return []
    return [password] if password else []


def _forms(secret: str) -> Iterator[str]:
    lines = [line.strip() for line in secret.splitlines() if len(line.strip()) >= 2 * _SHORTEST]
    for text in {secret, secret.strip(), *lines}:
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield quote(text, safe="")
        yield quote_plus(text)
        yield from _base64(text.encode("utf-8", "surrogatepass"))


def _base64(raw: bytes) -> Iterator[str]:
    """Alone, and as the middle of something encoded whole (user:password): at each of the three offsets."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        for offset in range(3):
            text = encode(b"\0" * offset + raw).decode().rstrip("=")
            skip = (0, 2, 3)[offset]
            # The last characters depend on what follows.
            inner = text[skip : len(text) - (1 if (len(raw) + offset) % 3 else 0)]
            if len(inner) >= 2 * _SHORTEST:
                yield inner
