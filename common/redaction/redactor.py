"""Redact the configuration's secrets in the connector's output."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from common.protocol import manifests, sizes
from common.redaction.forms import SHORTEST, forms_of, looks_like_a_word
from common.redaction.leaves import Place, decoded, leaves, of_manifest, weak_paths
from common.redaction.marks import SecretMarks
from common.redaction.search import MASK, Forms
from common.redaction.urls import within

_NAMED = 20
_CHANGED_SECRETS, _CHANGED_CHARACTERS = 2000, 256 * 1024
"""How much of what a connector has changed is masked: each secret is kept in dozens of forms, and looked for in all."""


class Redactor:
    """Replace every form of a secret: as it is, in JSON, Python, HTML or a URL, in base64."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._changed: dict[str, None] = {}
        """Secrets of what the connector made of its configuration, oldest first."""
        self._marks = SecretMarks()
        self._forms = self._wordless_forms = Forms()
        self._add(secrets)

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced."""
        return self._forms.mask(text)

    def redact_cut(self, text: str) -> str:
        """Redact a text that may have been cut: at its ends a part of a secret counts too."""
        text = self.redact(text)
        head = max((_overlap(form, text) for form in self._forms.ordered), default=0)
        tail = max((_overlap(form[::-1], text[::-1]) for form in self._forms.ordered), default=0)
        if head + tail >= len(text):
            return MASK if head or tail else text
        return (MASK if head else "") + text[head : len(text) - tail] + (MASK if tail else "")

    def redact_json(self, document: bytes, *, words: bool = True) -> bytes:
        """Return the document with secrets replaced in its strings; the same bytes if it holds none.

        `words=False` leaves secrets alone that look like words: in a catalog they are names of streams and columns.
        """
        forms = self._forms if words else self._wordless_forms
        text = document.decode("utf-8", "replace")
        if forms.occur(text):
            text = json.dumps(_walk(forms, self._wordless_forms, decoded(text.encode())), ensure_ascii=False)
        return text.encode("utf-8", "replace")

    def learn(self, config: bytes, specification: bytes = b"") -> None:
        """Redact a configuration's secrets too.

        `specification`: the connector's own, if it is known; what it marks is secret from now on, whatever its name.
        """
        # A manifest's own says more than that of the image which runs any manifest.
        own = manifests.specification(manifests.split(decoded(config))[1])
        if own or specification:
            self._marks = SecretMarks(own or decoded(specification))
        self._add(self._found(config))

    def learn_secrets(self, values: Iterable[str]) -> None:
        """Redact texts that are secret as they are, and what they hold, such as JSON or a URL with a password."""
        self._add(leaves(list(values), Place.MARKED))

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
        given, manifest = manifests.split(decoded(config))
        yield from leaves(given, marked=self._marks.names)
        yield from leaves(list(self._marks.values(given)), Place.MARKED)
        yield from of_manifest(manifest)

    def weak(self, config: bytes) -> str:
        """Return the names of secrets that are too short to be hidden, or hidden only where they are a value."""
        given, _ = manifests.split(decoded(config))
        names = list(dict.fromkeys(weak_paths(given, Place.PUBLIC, self._marks.names)))
        return ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")

    def _add(self, secrets: Iterable[str]) -> None:
        # Replaced as a whole: another thread may be reading.
        self._secrets = self._secrets | set(secrets)
        known = self._secrets | self._changed.keys()
        self._forms = Forms(form for secret in known for form in forms_of(secret))
        wordless = (secret for secret in known if not looks_like_a_word(secret))
        self._wordless_forms = Forms(form for secret in wordless for form in forms_of(secret))


def of_config(raw: bytes, *others: str) -> Redactor:
    """Return a redactor of a configuration's secrets and of others (the passwords of URLs)."""
    given, manifest = manifests.split(decoded(raw))
    found = {*leaves(given), *of_manifest(manifest)}
    for other in others:
        found.update(list(within(other)) or [other])
    return Redactor(found)


def _overlap(form: str, text: str) -> int:
    """Return how many characters the text begins with that a form ends with; fewer than a secret has do not count."""
    if text[:SHORTEST] not in form:
        return 0
    longest = min(len(form), len(text))
    return next((size for size in range(longest, SHORTEST - 1, -1) if form.endswith(text[:size])), 0)


def _walk(forms: Forms, in_names: Forms, value: Any) -> Any:
    """Redact strings, and names that do not look like words: others read the members by those that do."""
    if isinstance(value, dict):
        return {in_names.mask(key): _walk(forms, in_names, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_walk(forms, in_names, inner) for inner in value]
    return forms.mask(value) if isinstance(value, str) else value
