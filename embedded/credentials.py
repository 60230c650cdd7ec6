"""The user's Secrets on one machine: files NAME/KEY in `secrets` of the home folder, for this account alone.

Declared syncs refer to them as they do to a cluster's Secrets; a task's pod is given those that it refers to.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from common.errors import Refused
from embedded import files

FOLDER = "secrets"
_MOST_BYTES = 1024 * 1024
"""As a cluster's Secret."""
# As common.syncs.types has them; a pod's runner imports this, and should start fast.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY = re.compile(r"[-_a-zA-Z0-9][-._a-zA-Z0-9]{0,252}")


class Credentials:
    """All Secrets of a user. A file that is put there by hand counts at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str, key: str) -> bytes | None:
        """Return a value, if it exists."""
        try:
            return self._path(name, key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, Refused):
            return None

    def values(self, name: str) -> dict[str, bytes] | None:
        """Return all values of a Secret, if it exists."""
        found = {key: value for key in dict(self.all()).get(name, ()) if (value := self.read(name, key)) is not None}
        return found or None

    def set(self, name: str, key: str, value: bytes) -> None:
        """Create or replace a value; raise Refused for an unusable name, key or value."""
        path = self._path(name, key)
        if not value:
            raise Refused("The value is empty; a Secret's has at least one character.")
        if len(value) > _MOST_BYTES:
            raise Refused(f"The value has {len(value):,} bytes; a Secret's has at most {_MOST_BYTES:,}.")
        for folder in (self._root, path.parent):
            files.own_folder(folder)
        files.write_atomic(path, value, durable=True)

    def all(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the names with their keys."""
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            if folder.is_dir() and not folder.name.startswith("."):
                yield folder.name, sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))

    def delete(self, name: str, key: str = "") -> bool:
        """Delete a key, or the whole Secret; return whether there was one."""
        path = self._path(name, key) if key else self._path(name, "any").parent
        if not path.exists():
            return False
        files.remove(path)
        if key:
            with suppress(OSError):  # others are left
                path.parent.rmdir()
        return True

    def _path(self, name: str, key: str) -> Path:
        if not _NAME.fullmatch(name):
            raise Refused("name: expected that of a Secret, lower-case letters, digits, dashes and dots.")
        if not _KEY.fullmatch(key):
            raise Refused("key: expected letters, digits, dashes, dots and underscores, the first no dot.")
        return self._root / name / key
