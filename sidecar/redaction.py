"""Hides the configuration's secrets in whatever the connector prints."""

import json
import logging
import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from common import nesting
from sidecar.secret_forms import SHORTEST, forms_of

MASK = "********"
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
"""Keys such as auth_type or primary_key: what they hold is a word, unless it does not look like one."""
_OPEN_KEY = re.compile(
    r"user|host|port|mail|ur[il]|endpoint|region|account|database|schema|path|date|version", re.IGNORECASE
)
"""What a group of secrets, such as credentials, holds beside them."""
_NUMBER_KEY = re.compile(r"pass|pwd|secret|(?:api|access|account|private)_?(?:key|token)$|^token$", re.IGNORECASE)
_SHORTEST_NUMBER = 6
_MOST_DIGITS = 4300
"""Of an integer: Python's own limit, unless it is set lower."""
_WORDS = re.compile(r"[A-Za-z]+(?:[ .:/_-][A-Za-z]+)*(?:[0-9](?:\.[0-9])?)?")
_PUBLIC_VALUES = frozenset({"true", "false", "null", "none", "oauth2.0", "oauth", "bearer", "basic", "client"})
_VALUES = ("value", "val")
_LABELS = ("name", "key", "header", "parameter", "param", "field")
_ASSIGNED = re.compile(
    r"(?:passw(?:or)?d|pwd|secret|token|(?:api|access|account|shared|private)_?key|sig(?:nature)?)=([^;&\s\"']+)",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"//[^/@:\s]*:([^/\s]+)@")
_TOLD = (
    re.compile(
        r"(?:passw(?:or)?d|passphrase|pwd|secret|token|auth(?:orization)?|key|sig(?:nature)?)[\"']?\s*[=:]\s*[\"']?"
        r"(?:(?:bearer|basic|token)\s+)?([^;&\s\"',]+)",
        re.IGNORECASE,
    ),
    re.compile(r"//([^/@:\s]+)@|jdbc:[^@\s]*/([^/@\s]+)@"),
)
"""Less sure signs: what they point at counts unless it looks like a word."""
_SCHEME = re.compile(r"(?:bearer|basic|token)\s+(\S+)", re.IGNORECASE)


class Redactor:
    """Replaces every form in which a secret may show up: as it is, in JSON, Python, HTML or a URL, in base64."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._marked: frozenset[str] = frozenset()
        self._forms: list[str] = []
        self._odd_forms: list[str] = []
        self._add(secrets)

    def redact(self, text: str) -> str:
        """The text with every secret replaced."""
        return _replace(self._forms, text)

    def redact_json(self, document: bytes, *, words: bool = True) -> bytes:
        """The same for a document's strings; the very bytes that came where nothing is to be hidden.

        `words=False` leaves secrets alone that look like words: in a catalog they are names of streams and columns.
        """
        forms = self._forms if words else self._odd_forms
        text = document.decode("utf-8", "replace")
        if any(form in text for form in forms):
            text = json.dumps(_walk(forms, _decoded(text.encode())), ensure_ascii=False)
        return text.encode("utf-8", "replace")

    def learn(self, config: bytes, marked: Iterable[str] = ()) -> None:
        """Hides a (changed) configuration's secrets too: connectors renew tokens while they run.

        `marked`: properties that are secrets whatever they are called, from now on.
        """
        self._marked |= frozenset(marked)
        self._add(_leaves(_decoded(config), marked=self._marked))

    def _add(self, secrets: Iterable[str]) -> None:
        # Replaced as a whole: another thread may be reading.
        self._secrets = self._secrets | set(secrets)
        self._forms = _ordered(self._secrets)
        self._odd_forms = _ordered(secret for secret in self._secrets if not _looks_like_a_word(secret))


class RedactingFormatter(logging.Formatter):
    """For our own log: tracebacks may repeat what a connector sent."""

    def __init__(self, pattern: str, redactor: Redactor) -> None:
        super().__init__(pattern)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.redact(super().format(record))


def of_config(raw: bytes, *others: str) -> Redactor:
    """The secrets of a connector's configuration, and others we hold ourselves (URLs give their password)."""
    found = set(_leaves(_decoded(raw)))
    for other in others:
        found.update(list(_within(other)) or [other])
    return Redactor(found)


def _ordered(secrets: Iterable[str]) -> list[str]:
    """All forms of all secrets, the longest first: one may be a part of another."""
    return sorted({form for secret in secrets for form in forms_of(secret) if len(form) >= SHORTEST}, key=len)[::-1]


def _replace(forms: list[str], text: str) -> str:
    # A search for each is many times faster than one expression for all.
    for form in forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def _walk(forms: list[str], value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _walk(forms, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_walk(forms, inner) for inner in value]
    return _replace(forms, value) if isinstance(value, str) else value


def _looks_like_a_word(secret: str) -> bool:
    return len(secret) < 2 * SHORTEST or _WORDS.fullmatch(secret) is not None


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
    """Reads what a strict decoder refuses; an integer with more digits than Python makes a number of stays a text."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= _MOST_DIGITS else digits)


class _Found(IntEnum):
    """What a string's place says of it."""

    NOTHING = 0
    IF_ODD = 1
    """Among secrets: it counts unless it looks like a word."""
    SECRET = 2


def _leaves(value: Any, place: _Found = _Found.NOTHING, *, marked: frozenset[str] = frozenset()) -> Iterator[str]:
    """Strings under a key that sounds secret, odd ones beside them, and passwords within strings anywhere."""
    if isinstance(value, dict):
        labelled = any(isinstance(value.get(label), str) and _SECRET_KEY.search(value[label]) for label in _LABELS)
        for key, inner in value.items():
            told = (labelled and key in _VALUES) or key in marked
            yield from _leaves(inner, _Found.SECRET if told else _place(str(key), inner, place), marked=marked)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, place, marked=marked)
    elif isinstance(value, str):
        if place is _Found.SECRET and value.lower() not in _PUBLIC_VALUES:
            yield value
            yield from _SCHEME.findall(value)
        elif place is _Found.IF_ODD and not _looks_like_a_word(value):
            yield value
        yield from _within(value)
        if value.lstrip().startswith(("{", "[")):
            yield from _embedded(value)
    elif place is _Found.SECRET and type(value) is int and len(str(value)) >= _SHORTEST_NUMBER:
        yield str(value)


def _place(key: str, value: Any, around: _Found) -> _Found:
    if isinstance(value, int | float):
        # Numbers under most such keys are limits and times.
        return _Found.SECRET if _NUMBER_KEY.search(key) else _Found.NOTHING
    if _SECRET_KEY.search(key) and not _is_public(key, value):
        # A group such as "credentials" holds public words too.
        return _Found.IF_ODD if isinstance(value, dict) else _Found.SECRET
    return _Found.NOTHING if _PUBLIC_KEY.search(key) or _OPEN_KEY.search(key) else min(around, _Found.IF_ODD)


def _is_public(key: str, value: Any) -> bool:
    return isinstance(value, str) and bool(_PUBLIC_KEY.search(key)) and _WORDS.fullmatch(value) is not None


def _embedded(text: str) -> Iterator[str]:
    """Service accounts and the like: JSON in a string."""
    try:
        nesting.check(text.encode("utf-8", "replace"))
        yield from _leaves(_load(text))
    except (ValueError, RecursionError):
        return


def _within(text: str) -> Iterator[str]:
    """Passwords and keys inside of URLs and connection strings."""
    try:
        password = urlsplit(text).password
    except ValueError:
        password = None
    sure = [*([password] if password else []), *_IN_URL.findall(text), *_ASSIGNED.findall(text)]
    told = (found[found.lastindex or 0] for sign in _TOLD for found in sign.finditer(text))
    for one in (*sure, *(one for one in told if not _looks_like_a_word(one))):
        yield one
        yield unquote(one)
