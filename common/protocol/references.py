"""References to Secrets in a configuration: {"valueFrom": {"secretKeyRef": {"name": ..., "key": ...}}} as any value.

They are resolved in a task's pod alone. All else in a configuration stays the bytes that it was.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from common.errors import Refused

SHORTEST = 4
"""Of a value that is looked for within texts; shorter ones would be found everywhere."""
_NULL = b"null"
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])


class KeyRef(Struct, frozen=True, forbid_unknown_fields=True):
    """A key of a Secret."""

    name: str
    key: str


class _Source(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    secret_key_ref: KeyRef


class _Reference(Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """In what a connector has made of its configuration, also what it has put into the reference's place.

    That counts for as long as the Secret has the value that it was made from.
    """

    value_from: _Source
    changed: str | None = None
    since: str = ""
    """A salted hash of that value."""

    @property
    def ref(self) -> KeyRef:
        return self.value_from.secret_key_ref

    def value(self, values: "Values") -> str:
        value = values[self.ref]
        if self.changed is None or _hash(value, self.since.partition(".")[0]) != self.since:
            return value
        return self.changed


_REFERENCE = msgspec.json.Decoder(_Reference)
Values = Mapping[KeyRef, str]


def of(document: bytes) -> list[KeyRef]:
    """Return what a configuration refers to, each once, in its order."""
    found: dict[KeyRef, None] = {}

    def note(reference: _Reference) -> bytes:
        found[reference.ref] = None
        return _NULL

    _replaced(document.strip(), note)
    return list(found)


def resolved(document: bytes, values: Values) -> bytes:
    """Return the configuration with the value, as a text, in the place of each reference; raise KeyError without."""
    return _replaced(document.strip(), lambda reference: msgspec.json.encode(reference.value(values)))


def changes(document: bytes) -> list[str]:
    """Return what a connector has put into the places of references."""
    found: list[str] = []

    def note(reference: _Reference) -> bytes:
        found.extend([] if reference.changed is None else [reference.changed])
        return _NULL

    _replaced(document.strip(), note)
    return found


def refers_to_others(changed: bytes, given: bytes) -> bool:
    """Return whether a changed configuration refers to what the given one does not: a connector may not choose that."""
    return not set(of(given)).issuperset(of(changed))


def restored(changed: bytes, written: bytes, values: Values) -> bytes:
    """Return what a connector made of its configuration, with the references of the `written` one in their places.

    So a value that it left as it was is asked for again the next time, and is stored nowhere; one that it replaced, as
    as a token that can be used once, counts until the Secret gets another value. `values` may hold more than the
    written one refers to. Raise Refused if one would remain within another text, or if the connector refers to a Secret
    that its sync does not.
    """
    changed, written = changed.strip(), written.strip()
    own = of(written)
    if refers_to_others(changed, written):
        raise Refused("it refers to a Secret that its sync does not")
    texts = [value for value in values.values() if len(value) >= SHORTEST]
    by_value = {values[ref]: ref for ref in own if values[ref] in texts}
    restored = _restored(changed, written, values, by_value)
    known = set(_texts(written))
    if any(value in text for text in _texts(restored) if text not in known for value in texts):
        raise Refused("it holds the value of a Secret within another text")
    return restored


def _replaced(raw: bytes, replace: Callable[[_Reference], bytes]) -> bytes:
    if reference := _reference(raw):
        return replace(reference)
    return _rebuilt(raw, lambda _, inner: _replaced(inner, replace))


def _restored(raw: bytes, written: bytes, values: Values, by_value: Mapping[str, KeyRef]) -> bytes:
    if raw.startswith(b'"'):
        text, before = msgspec.json.decode(raw, type=str), _reference(written)
        if before is None:
            return _encoded(by_value[text]) if text in by_value else raw
        if text == values[before.ref]:
            return _encoded(before.ref)
        return written if text == before.value(values) else _encoded(before.ref, text, values[before.ref])
    members = _members(written)
    return _rebuilt(raw, lambda name, inner: _restored(inner, members.get(name, _NULL), values, by_value))


def _encoded(ref: KeyRef, changed: str | None = None, value: str = "") -> bytes:
    since = "" if changed is None else _hash(value, secrets.token_hex(8))
    return msgspec.json.encode(_Reference(_Source(ref), changed, since))


def _hash(value: str, salt: str) -> str:
    return f"{salt}.{hashlib.sha256(f'{salt}.{value}'.encode()).hexdigest()}"


def _rebuilt(raw: bytes, member: Callable[[Any, bytes], bytes]) -> bytes:
    """Return an object or array with other members; anything else as it is."""
    parts = [(name, member(name, inner)) for name, inner in _members(raw).items()]
    match raw[:1]:
        case b"{":
            return b"{" + b",".join(msgspec.json.encode(name) + b":" + part for name, part in parts) + b"}"
        case b"[":
            return b"[" + b",".join(part for _, part in parts) + b"]"
    return raw


def _members(raw: bytes) -> Mapping[Any, bytes]:
    """Return the members of an object, by name, or of an array, by index."""
    match raw[:1]:
        case b"{":
            return {name: bytes(inner) for name, inner in _OBJECT.decode(raw).items()}
        case b"[":
            return {index: bytes(inner) for index, inner in enumerate(_ARRAY.decode(raw))}
    return {}


def _reference(raw: bytes) -> _Reference | None:
    if not raw.startswith(b"{"):
        return None
    try:
        return _REFERENCE.decode(raw)
    except msgspec.ValidationError:
        return None


def _texts(raw: bytes) -> Iterator[str]:
    """Yield each text of a document but its references' names, names of members included."""
    if raw.startswith(b'"'):
        yield msgspec.json.decode(raw, type=str)
    elif reference := _reference(raw):
        yield reference.changed or ""
    else:
        for name, inner in _members(raw).items():
            if isinstance(name, str):
                yield name
            yield from _texts(inner)
