"""A declared sync out of a read by hand: the document, and the Secret that its credentials go into."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from common.errors import SyncError
from common.images import Image
from common.redaction import MASK, Redactor
from common.redaction.marks import SecretMarks

_LONGEST_NAME = 63
_PREFIX = "credentials-"
Path = tuple[str | int, ...]


class Saved(NamedTuple):
    """A document as YAML; the Secret that it refers to, and by key where each value is in the configuration."""

    text: str
    secret: str
    keys: dict[str, Path]


def save(
    sync_id: str, image: Image, config: Raw, specification: Raw, *, streams: Raw | None = None, prefix: str = ""
) -> Saved:
    """Return the document of a read that worked. `streams` is a configured catalog; None is everything.

    What the specification marks as secret, or looks like a secret, becomes a reference. Raise SyncError if the document
    cannot be declared.
    """
    from common.protocol.manifests import INJECTED
    from common.syncs import writing
    from common.syncs.validate import Rules, validate

    name = _name(sync_id)
    secret = f"{_PREFIX}{name}"[:_LONGEST_NAME].rstrip("-.")
    given = msgspec.json.decode(config)
    if manifest := given.pop(INJECTED, None):
        marks = {"connectionSpecification": (manifest.get("spec") or {}).get("connection_specification")}
        specification = Raw(msgspec.json.encode(marks))
    referring, keys = _with_references(given, secret, _Judge(Raw(msgspec.json.encode(given)), specification))
    spec: dict[str, Any] = {} if name == sync_id else {"syncId": sync_id}
    spec |= {"image": str(image)} | ({"manifest": manifest} if manifest else {})
    spec["config"] = referring
    if streams is not None:
        spec["streams"] = [_stream(entry) for entry in msgspec.json.decode(streams)["streams"]]
    if prefix:
        spec["prefix"] = prefix
    document = {
        "apiVersion": "sync-functions.dev/v1alpha1",
        "kind": "Sync",
        "metadata": {"name": name},
        "spec": spec,
    }
    _, findings = validate(document, Rules(secrets=f"{_PREFIX}*"))
    if findings:
        path, sentence = next(iter(findings.items()))
        raise SyncError(f"This read cannot be declared as a sync: {'.'.join(map(str, path))}: {sentence}.")
    return Saved(writing.dump(document), secret, keys)


class _Judge:
    """Tells which values are secret, as the sidecar does that masks them."""

    def __init__(self, config: Raw, specification: Raw) -> None:
        self._redactor = Redactor(())
        self._redactor.learn(bytes(config), bytes(specification))
        self._marked = SecretMarks(msgspec.json.decode(specification)).names

    def is_secret(self, path: Path, value: Any) -> bool:
        """Tell whether a text or a number is secret; one too short to be masked is, if the specification marks it."""
        if value == "" or isinstance(value, bool) or not isinstance(value, str | int | float):
            return False
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        return not self._marked.isdisjoint(path) or MASK in self._redactor.redact(text)


def _with_references(config: Any, secret: str, judge: _Judge) -> tuple[Any, dict[str, Path]]:
    keys: dict[str, Path] = {}

    def replaced(value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {name: replaced(one, (*path, name)) for name, one in value.items()}
        if isinstance(value, list):
            return [replaced(one, (*path, number)) for number, one in enumerate(value)]
        if not judge.is_secret(path, value):
            return value
        key = next(one for one in _keys(path) if one not in keys)
        keys[key] = path
        return {"valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}

    return replaced(config, ()), keys


def _keys(path: Path) -> Iterator[str]:
    """Yield names for a Secret's key: the field's own, then with those above it, then numbered."""
    parts = [re.sub(r"[^A-Za-z0-9]+", "-", str(part)).strip("-") or "value" for part in path]
    for start in reversed(range(len(parts))):
        yield "-".join(parts[start:])[:200]
    yield from (f"{parts[-1][:190]}-{number}" for number in range(2, 10_000))


def _name(sync_id: str) -> str:
    """Return the sync's id as a name of Kubernetes."""
    name = re.sub(r"[^a-z0-9.-]+|\.(?=[.-])|(?<=-)\.", "-", sync_id.lower())[:_LONGEST_NAME].strip("-.")
    return name or "sync"


def _stream(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stream of a configured catalog as a document has it, without what is the default."""
    stream, mode = entry["stream"], entry["sync_mode"]
    found: dict[str, Any] = {"name": stream["name"]}
    if stream.get("namespace"):
        found["namespace"] = stream["namespace"]
    found |= {"mode": mode, "write": entry["destination_sync_mode"]}
    cursor, key = entry.get("cursor_field"), entry.get("primary_key")
    if cursor and mode == "incremental" and not stream.get("source_defined_cursor"):
        found["cursor"] = cursor
    if key and key != stream.get("source_defined_primary_key"):
        found["key"] = key
    return found
