"""A declared sync as runs need it, from the document as its home holds it. Pure; each content is checked once."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from common import images
from common.images import Image
from common.syncs import schedule, source
from common.syncs.model import Spec, Sync
from common.syncs.schedule import UTC_NAME, Schedule
from common.syncs.validate import Rules, validate

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT = 5_000
"""Contents in memory: more than any installation declares."""
_SHOWN = 5
DEADLINE_SECONDS = 600
DISCOVER_HOURS = 24


class Declared(Struct, frozen=True):
    """A sync that can run."""

    sync: Sync
    schedule: Schedule | None
    storage_key: str
    """Of its discoveries: the same for the same image and configuration, as it is written."""
    created: datetime = _EPOCH

    @property
    def name(self) -> str:
        """The document's name."""
        return self.sync.metadata.name

    @property
    def spec(self) -> Spec:
        """What is wanted."""
        return self.sync.spec

    @property
    def sync_id(self) -> str:
        """The id of its tasks and states."""
        return self.spec.sync_id or self.name

    @property
    def image(self) -> Image:
        """The connector."""
        return images.parse(*images.split(self.spec.image))

    @property
    def deadline_seconds(self) -> int:
        """How late a moment may be."""
        return self.spec.starting_deadline_seconds or DEADLINE_SECONDS

    @property
    def discover_hours(self) -> int:
        """How old a discovery may be."""
        return DISCOVER_HOURS if self.spec.discover_hours is None else self.spec.discover_hours


class Invalid(Struct, frozen=True):
    """A document that cannot run as it is, and why."""

    name: str
    why: str


def read(document: Mapping[str, Any], rules: Rules) -> Declared | Invalid:
    """Return the sync of a document, or what is wrong with it by field."""
    metadata = document.get("metadata") or {}
    name = str(metadata.get("name", ""))
    if "spec" not in document and (known := (document.get("status") or {}).get("message")):
        return Invalid(name, str(known))  # its home has found that, with the place in the file
    content = {key: document.get(key) for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name}}
    found = _read(msgspec.json.encode(content), rules.secrets, rules.allowed_images)
    if isinstance(found, Invalid):
        return found
    return msgspec.structs.replace(found, created=_created(metadata))


@lru_cache(_KEPT)
def _read(content: bytes, secrets: str, allowed_images: str) -> Declared | Invalid:
    data = msgspec.json.decode(content)
    sync, findings = validate(data, Rules(secrets, allowed_images))
    if sync is None:
        problems = [f"{source.shown(path)}: {why}" if path else why for path, why in findings.items()]
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        return Invalid(data["metadata"]["name"], "; ".join(problems[:_SHOWN]) + more + ".")
    spec = sync.spec
    times = schedule.parse(spec.schedule, spec.time_zone or UTC_NAME) if spec.schedule else None
    return Declared(sync, times, _storage_key(spec.image, data["spec"]))


def _storage_key(image: str, spec: Mapping[str, Any]) -> str:
    asked = [image, *(spec.get(member) for member in ("config", "env", "manifest"))]
    return f"sync-{hashlib.sha256(msgspec.json.encode(asked, order='sorted')).hexdigest()[:40]}"


def _created(metadata: Mapping[str, Any]) -> datetime:
    try:
        found = datetime.fromisoformat(str(metadata["creationTimestamp"]))
    except (KeyError, ValueError):
        return _EPOCH
    return found if found.tzinfo else found.replace(tzinfo=UTC)
