"""Redact the configuration's secrets in the connector's output."""

import json
import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any

import msgspec

from common import nesting
from common.protocol import sizes
from common.redaction.forms import COMMON_WORD, LOG_WORDS, SHORTEST, WORDS, alone, assigned, forms_of, looks_like_a_word
from common.redaction.marks import SecretMarks
from common.redaction.urls import within

MASK = "********"
_NAMED = 20
_SECRET_KEY = re.compile(
    r"pass|pwd|secret|token|key|creds?\b|credential|auth|bearer|private|cert|signature|cookie|session|jwt|sas|dsn|conn"
    r"|salt|hmac|webhook|(?:\b|_)(?:pw|otp)\b|pin\b",
    re.IGNORECASE,
)
_PUBLIC_KEY = re.compile(
    r"(?:type|method|mode|kind|title|name|space|id|column|field|format|style|option|strategy|scheme)s?$"
    r"|^(?:primary|partition|sort|cursor|foreign|unique|group)_?keys?$",
    re.IGNORECASE,
)
"""Keys such as auth_type or primary_key: their values are words, unless they do not look like words."""
_OPEN_KEY = re.compile(
    r"user|host|port|mail|ur[il]|endpoint|region|account|database|schema|path|date|version", re.IGNORECASE
)
"""Keys beside the secrets in a group such as credentials."""
_NUMBER_KEY = re.compile(r"pass|pwd|secret|(?:api|access|account|private)_?(?:key|token)$|^token$", re.IGNORECASE)
_SHORTEST_NUMBER = 6
_KEY_DIGITS = 3
"""A member's name with so many digits among secrets is none of a person's: `s3_bucket` has fewer."""
_MOST_DIGITS = 4300
"""Python's default limit for integers."""
_PUBLIC_VALUES = frozenset({"true", "false", "null", "none", "oauth2.0", "oauth", "bearer", "basic", "client"})
_VALUES = ("value", "val")
_LABELS = ("name", "key", "header", "parameter", "param", "field")
_CHANGED_SECRETS, _CHANGED_CHARACTERS = 2000, 256 * 1024
"""How much of what a connector has changed is masked: each secret is kept in dozens of forms, and looked for in all."""
_SCHEME = re.compile(r"(?:bearer|basic|token)\s+(\S+)", re.IGNORECASE)


class Redactor:
    """Replace every form of a secret: as it is, in JSON, Python, HTML or a URL, in base64."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._changed: dict[str, None] = {}
        """Secrets of what the connector made of its configuration, oldest first."""
        self._marks = SecretMarks()
        self._forms: list[str] = []
        self._wordless_forms: list[str] = []
        self._add(secrets)

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced."""
        return _replace(self._forms, text)

    def redact_cut(self, text: str) -> str:
        """Redact a text that may have been cut: at its ends a part of a secret counts too."""
        text = self.redact(text)
        head = max((_overlap(form, text) for form in self._forms), default=0)
        tail = max((_overlap(form[::-1], text[::-1]) for form in self._forms), default=0)
        if head + tail >= len(text):
            return MASK if head or tail else text
        return (MASK if head else "") + text[head : len(text) - tail] + (MASK if tail else "")

    def redact_json(self, document: bytes, *, words: bool = True) -> bytes:
        """Return the document with secrets replaced in its strings; the same bytes if it holds none.

        `words=False` leaves secrets alone that look like words: in a catalog they are names of streams and columns.
        """
        forms = self._forms if words else self._wordless_forms
        text = document.decode("utf-8", "replace")
        if any(form in text for form in forms):
            text = json.dumps(_walk(forms, self._wordless_forms, _decoded(text.encode())), ensure_ascii=False)
        return text.encode("utf-8", "replace")

    def learn(self, config: bytes, specification: bytes = b"") -> None:
        """Redact a configuration's secrets too.

        `specification`: the connector's own, if it is known; what it marks is secret from now on, whatever its name.
        """
        if specification:
            self._marks = SecretMarks(_decoded(specification))
        self._add(self._found(config))

    def learn_change(self, config: bytes) -> None:
        """Redact the secrets of a configuration that the connector has changed: they renew tokens while they run.

        The newest ones count, up to a bound; of a configuration that is too large to be kept, none.
        """
        if len(config) > sizes.CONFIG_BYTES:
            return
        for secret in self._found(config):
            if SHORTEST <= len(secret) <= _CHANGED_CHARACTERS and secret not in self._secrets:
                self._changed.pop(secret, None)
                self._changed[secret] = None
        characters = sum(map(len, self._changed))
        while len(self._changed) > _CHANGED_SECRETS or characters > _CHANGED_CHARACTERS:
            oldest = next(iter(self._changed))
            del self._changed[oldest]
            characters -= len(oldest)
        self._add(())

    def _found(self, config: bytes) -> Iterator[str]:
        decoded = _decoded(config)
        yield from _leaves(decoded, marked=self._marks.names)
        yield from _leaves(list(self._marks.values(decoded)), _Place.MARKED)

    def weak(self, config: bytes) -> str:
        """Return the names of secrets that are too short to be hidden, or hidden only where they are a value."""
        names = list(dict.fromkeys(_weak(_decoded(config), _Place.PUBLIC, self._marks.names)))
        return ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")

    def _add(self, secrets: Iterable[str]) -> None:
        # Replaced as a whole: another thread may be reading.
        self._secrets = self._secrets | set(secrets)
        known = self._secrets | self._changed.keys()
        self._forms = _ordered(known)
        self._wordless_forms = _ordered(secret for secret in known if not looks_like_a_word(secret))


def of_config(raw: bytes, *others: str) -> Redactor:
    """Return a redactor of a configuration's secrets and of others (the passwords of URLs)."""
    found = set(_leaves(_decoded(raw)))
    for other in others:
        found.update(list(within(other)) or [other])
    return Redactor(found)


def _ordered(secrets: Iterable[str]) -> list[str]:
    """Return all forms of all secrets, the longest first: one may be a part of another."""
    return sorted({form for secret in secrets for form in forms_of(secret) if len(form) >= SHORTEST}, key=len)[::-1]


def _replace(forms: list[str], text: str) -> str:
    # One search each is many times faster than one regular expression for all.
    for form in forms:
        if form in text:
            if COMMON_WORD.fullmatch(form):
                text = (assigned if form.lower() in LOG_WORDS else alone)(form).sub(MASK, text)
            else:
                text = text.replace(form, MASK)
    return text


def _overlap(form: str, text: str) -> int:
    """Return how many characters the text begins with that a form ends with; fewer than a secret has do not count."""
    if text[:SHORTEST] not in form:
        return 0
    longest = min(len(form), len(text))
    return next((size for size in range(longest, SHORTEST - 1, -1) if form.endswith(text[:size])), 0)


def _walk(forms: list[str], in_names: list[str], value: Any) -> Any:
    """Redact strings, and names that do not look like words: others read the members by those that do."""
    if isinstance(value, dict):
        return {_replace(in_names, key): _walk(forms, in_names, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_walk(forms, in_names, inner) for inner in value]
    return _replace(forms, value) if isinstance(value, str) else value


def _decoded(raw: bytes) -> Any:
    if nesting.is_deep(raw):
        return {}
    for decode in (msgspec.json.decode, _load):
        try:
            return decode(raw or b"{}")
        except (ValueError, RecursionError):
            continue
    return {}


def _load(text: bytes | str) -> Any:
    """Decode leniently; an integer with more digits than Python converts stays a text."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= _MOST_DIGITS else digits)


class _Place(IntEnum):
    """Whether a string is a secret by its place; AMONG_SECRETS: unless it looks like a word; MARKED: all within too."""

    PUBLIC = 0
    AMONG_SECRETS = 1
    SECRET = 2
    MARKED = 3


def _leaves(value: Any, place: _Place = _Place.PUBLIC, *, marked: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield strings under a secret-sounding key, odd ones beside them, and passwords within strings anywhere."""
    left = [(value, place, marked)]
    while left:  # a generator for each level would pass each secret through all of them
        value, place, marked = left.pop()
        if isinstance(value, dict | list):
            for key, inner, at in _members(value, place, marked):
                if place > _Place.PUBLIC and _is_secret_key(key, place):
                    yield key
                left.append((inner, at, marked))
        elif isinstance(value, str):
            yield from _of_text(value, place)
            left += ((inner, at, frozenset()) for inner, at in _embedded(value, place))
        elif type(value) in {int, float} and _is_secret_number(value, place):
            yield str(value)


def _members(value: Any, place: _Place, marked: frozenset[str]) -> Iterator[tuple[str, Any, _Place]]:
    """Yield the members of an object, or items of an array, each with its name and place."""
    if isinstance(value, list):
        yield from (("", inner, place) for inner in value)
        return
    labelled = any(isinstance(value.get(label), str) and _SECRET_KEY.search(value[label]) for label in _LABELS)
    for key, inner in value.items():
        if key in marked or place is _Place.MARKED:
            at = _Place.MARKED
        else:
            at = _Place.SECRET if labelled and key in _VALUES else _place(str(key), inner, place)
        yield str(key), inner, at


def _is_secret_key(key: str, place: _Place) -> bool:
    """Return whether a member's name is itself a secret, such as a token with its scopes."""
    if looks_like_a_word(key):
        return False
    return place is _Place.MARKED or sum(map(str.isdigit, key)) >= _KEY_DIGITS


def _weak(value: Any, place: _Place, marked: frozenset[str], path: str = "") -> Iterator[str]:
    """Yield the paths of secrets that are not hidden wherever they stand."""
    if isinstance(value, dict | list):
        for key, inner, at in _members(value, place, marked):
            yield from _weak(inner, at, marked, f"{path}.{key}".strip("."))
    elif place >= _Place.SECRET and isinstance(value, str) and _is_weak(value.strip().lower()):
        yield path


def _is_weak(word: str) -> bool:
    return 0 < len(word) < SHORTEST or word in LOG_WORDS - _PUBLIC_VALUES


def _is_secret_number(value: float, place: _Place) -> bool:
    if place is _Place.SECRET:
        return isinstance(value, int) and len(str(value)) >= _SHORTEST_NUMBER
    return place is _Place.MARKED


def _of_text(value: str, place: _Place) -> Iterator[str]:
    if place >= _Place.SECRET and value.lower() not in _PUBLIC_VALUES:
        yield value
        yield from _SCHEME.findall(value)
    elif place is _Place.AMONG_SECRETS and not looks_like_a_word(value):
        yield value
    yield from within(value)


def _place(key: str, value: Any, around: _Place) -> _Place:
    if isinstance(value, int | float):
        # Numbers under most such keys are limits and times.
        return _Place.SECRET if _NUMBER_KEY.search(key) else _Place.PUBLIC
    if _SECRET_KEY.search(key) and not _is_public(key, value):
        # A group such as "credentials" holds public words too.
        return _Place.AMONG_SECRETS if isinstance(value, dict) else _Place.SECRET
    return _Place.PUBLIC if _PUBLIC_KEY.search(key) or _OPEN_KEY.search(key) else min(around, _Place.AMONG_SECRETS)


def _is_public(key: str, value: Any) -> bool:
    return isinstance(value, str) and bool(_PUBLIC_KEY.search(key)) and WORDS.fullmatch(value) is not None


def _embedded(text: str, place: _Place) -> Iterator[tuple[Any, _Place]]:
    """Yield what JSON in a string holds, such as a service account, and its place."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return
    try:
        nesting.check(text.encode("utf-8", "replace"))
        yield _load(text), place if place is _Place.MARKED else _Place.PUBLIC
    except (ValueError, RecursionError):
        return
