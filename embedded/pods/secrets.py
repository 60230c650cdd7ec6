"""Secrets as files that only this user can read; an owned one lives as long as its owner."""

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from common.errors import Conflict, Refused
from embedded import files
from embedded.credentials import Credentials
from embedded.pods.manifest import KeyPath, ProjectedSecret, SecretVolume

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")


class SecretFiles:
    """All Secrets of a cluster, one file each."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, secret: Mapping[str, Any]) -> None:
        """Keep a Secret. Raise Conflict if one of that name exists, Refused for an unusable name."""
        metadata = secret["metadata"]
        path = self._path(metadata["name"])
        if path is None:
            raise Refused(
                f"{metadata['name']!r} is not a name for a Secret; use lower-case letters, digits, '-' and '.'."
            )
        half = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        owners = [owner["uid"] for owner in metadata.get("ownerReferences") or ()]
        files.write_atomic(half, json.dumps({"owners": owners, "data": dict(secret.get("data") or {})}).encode())
        try:
            os.link(half, path)  # whole, and never over another one
        except FileExistsError:
            raise Conflict(f"A Secret named {metadata['name']} exists already.") from None
        finally:
            half.unlink(missing_ok=True)

    def read(self, name: str) -> dict[str, bytes] | None:
        """Return the decoded values of a Secret, if it exists."""
        path = self._path(name)
        try:
            content = None if path is None else json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return None if content is None else {k: base64.b64decode(v) for k, v in content["data"].items()}

    def remove_owned_by(self, uid: str) -> None:
        """Delete the Secrets of an owner that is gone."""
        for path in self._all():
            if uid in _owners(path):
                path.unlink(missing_ok=True)

    def remove_orphans(self, living: set[str]) -> None:
        """Delete half-written Secrets, and those that have owners of which none is in `living`."""
        for path in self.root.glob(".*"):
            path.unlink(missing_ok=True)
        for path in self._all():
            if (owners := _owners(path)) and not owners & living:
                path.unlink(missing_ok=True)

    def _all(self) -> list[Path]:
        return [path for path in self.root.iterdir() if not path.name.startswith(".")]

    def _path(self, name: str) -> Path | None:
        return self.root / name if _NAME.fullmatch(name) else None


def mount(volume: SecretVolume, values: Mapping[str, bytes], folder: Path) -> None:
    """Fill a Secret's volume; raise Refused if it asks for a key that the Secret lacks."""
    for item in volume.items or [KeyPath(key, key) for key in values]:
        path = PurePosixPath(item.path)
        if item.key not in values:
            raise Refused(f"references non-existent secret key: {item.key}")
        if path.is_absolute() or ".." in path.parts:
            raise Refused(f"{item.path!r} leads out of the Secret's folder.")
        (folder / path.parent).mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_atomic(folder / path, values[item.key])


def mount_users(sources: Iterable[ProjectedSecret], credentials: Credentials, folder: Path) -> None:
    """Fill a projected volume with the user's Secrets; what is missing is left out, as of optional ones."""
    for source in sources:
        for item in source.items:
            value = credentials.read(source.name, item.key)
            if value is not None:
                path = folder / source.name / item.key
                path.parent.mkdir(mode=0o700, exist_ok=True)
                files.write_atomic(path, value)


def _owners(path: Path) -> set[str]:
    try:
        return set(json.loads(path.read_bytes())["owners"])
    except FileNotFoundError:
        return set()
    except ValueError:
        return {"unreadable"}  # nobody's: it goes with the orphans
