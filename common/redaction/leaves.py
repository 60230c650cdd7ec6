"""Find the texts of a configuration that are secret: by their names, their places, and what they look like."""

import json
import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import msgspec

from common import nesting
from common.redaction.forms import LOG_WORDS, SHORTEST, WORDS, looks_like_a_word
from common.redaction.urls import within

_TEMPLATE = "{{"
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
_SCHEME = re.compile(r"(?:bearer|basic|token)\s+(\S+)", re.IGNORECASE)


class Place(IntEnum):
    """Whether a string is a secret by its place; AMONG_SECRETS: unless it looks like a word; MARKED: all within too."""

    PUBLIC = 0
    AMONG_SECRETS = 1
    SECRET = 2
    MARKED = 3


def leaves(value: Any, place: Place = Place.PUBLIC, *, marked: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield strings under a secret-sounding key, odd ones beside them, and passwords within strings anywhere."""
    left = [(value, place, marked)]
    while left:  # a generator for each level would pass each secret through all of them
        value, place, marked = left.pop()
        if isinstance(value, dict | list):
            for key, inner, at in _members(value, place, marked):
                if place > Place.PUBLIC and _is_secret_key(key, place):
                    yield key
                left.append((inner, at, marked))
        elif isinstance(value, str):
            yield from _of_text(value, place)
            left += ((inner, at, frozenset()) for inner, at in _embedded(value, place))
        elif type(value) in {int, float} and _is_secret_number(value, place):
            yield str(value)


def _members(value: Any, place: Place, marked: frozenset[str]) -> Iterator[tuple[str, Any, Place]]:
    """Yield the members of an object, or items of an array, each with its name and place."""
    if isinstance(value, list):
        yield from (("", inner, place) for inner in value)
        return
    labelled = any(isinstance(value.get(label), str) and _SECRET_KEY.search(value[label]) for label in _LABELS)
    for key, inner in value.items():
        if key in marked or place is Place.MARKED:
            at = Place.MARKED
        else:
            at = Place.SECRET if labelled and key in _VALUES else _place(str(key), inner, place)
        yield str(key), inner, at


def _is_secret_key(key: str, place: Place) -> bool:
    """Return whether a member's name is itself a secret, such as a token with its scopes."""
    if looks_like_a_word(key):
        return False
    return place is Place.MARKED or sum(map(str.isdigit, key)) >= _KEY_DIGITS


def of_manifest(manifest: Any) -> Iterator[str]:
    """Yield what somebody wrote into a manifest instead of the configuration: names and templates are no secrets."""
    return (text for text in leaves(manifest) if _TEMPLATE not in text and not WORDS.fullmatch(text.replace("_", " ")))


def weak_paths(value: Any, place: Place, marked: frozenset[str], path: str = "") -> Iterator[str]:
    """Yield the paths of secrets that are not hidden wherever they stand."""
    if isinstance(value, dict | list):
        for key, inner, at in _members(value, place, marked):
            yield from weak_paths(inner, at, marked, f"{path}.{key}".strip("."))
    elif place >= Place.SECRET and isinstance(value, str) and is_weak(value.strip().lower()):
        yield path


def is_weak(word: str) -> bool:
    """Return whether a secret, in small letters, is not hidden wherever it stands."""
    return 0 < len(word) < SHORTEST or word in LOG_WORDS - _PUBLIC_VALUES


def _is_secret_number(value: float, place: Place) -> bool:
    if place is Place.SECRET:
        return isinstance(value, int) and len(str(value)) >= _SHORTEST_NUMBER
    return place is Place.MARKED


def _of_text(value: str, place: Place) -> Iterator[str]:
    if place >= Place.SECRET and value.lower() not in _PUBLIC_VALUES:
        yield value
        yield from _SCHEME.findall(value)
    elif place is Place.AMONG_SECRETS and not looks_like_a_word(value):
        yield value
    yield from within(value)


def _place(key: str, value: Any, around: Place) -> Place:
    if isinstance(value, int | float):
        # Numbers under most such keys are limits and times.
        return Place.SECRET if _NUMBER_KEY.search(key) else Place.PUBLIC
    if _SECRET_KEY.search(key) and not _is_public(key, value):
        # A group such as "credentials" holds public words too.
        return Place.AMONG_SECRETS if isinstance(value, dict) else Place.SECRET
    return Place.PUBLIC if _PUBLIC_KEY.search(key) or _OPEN_KEY.search(key) else min(around, Place.AMONG_SECRETS)


def _is_public(key: str, value: Any) -> bool:
    return isinstance(value, str) and bool(_PUBLIC_KEY.search(key)) and WORDS.fullmatch(value) is not None


def _embedded(text: str, place: Place) -> Iterator[tuple[Any, Place]]:
    """Yield what JSON in a string holds, such as a service account, and its place."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return
    try:
        nesting.check(text.encode("utf-8", "replace"))
        yield _load(text), place if place is Place.MARKED else Place.PUBLIC
    except (ValueError, RecursionError):
        return


def decoded(raw: bytes) -> Any:
    """Return what a JSON text holds, as well as it can be decoded; {} if it cannot, or is too deep."""
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
