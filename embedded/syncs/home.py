"""The five verbs of `common.cluster.Cluster` about declared syncs, over a folder of files.

A file counts as it is at each look. One that cannot be used is shown as such, and stops no other.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from common.cluster import Document, Manifest
from common.cluster.syncs import changed
from common.errors import ClusterUnavailable, Refused
from common.syncs.model import API_VERSION, KIND, SyncState
from common.syncs.validate import Rules
from embedded import files
from embedded.syncs import editing, reading
from embedded.syncs.reading import Found
from embedded.syncs.records import Records

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_MODE = 0o600
"""Of a new file: a configuration may hold a secret."""
_KEPT = ("name", "labels", "annotations")
"""Metadata that a file has; the rest is the home's."""


class SyncHome:
    """A folder of declared syncs; usable from several threads."""

    def __init__(self, folder: Path, rules: Rules) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._rules = folder, rules
        self._records = Records(folder / ".status")
        self._found: dict[Path, Found] = {}
        self._lock = RLock()

    def list_syncs(self) -> list[Document]:
        """See Cluster.list_syncs."""
        with self._lock, self._translated():
            found = {document["metadata"]["name"]: document for document in self._documents()}
            for name in self._records.names() - set(found):
                self._records.forget(name)
            return [document for _, document in sorted(found.items())]

    def get_sync(self, name: str) -> Document | None:
        """See Cluster.get_sync."""
        with self._lock, self._translated():
            return self._get(name)

    def put_sync(self, document: Manifest, resource_version: str) -> Document:
        """See Cluster.put_sync."""
        name = str(document["metadata"]["name"])
        if not _NAME.fullmatch(name):
            raise Refused(f"{name!r} is not a name for a sync; use lower-case letters, digits, '-' and '.'.")
        with self._lock, self._translated():
            current = self._get(name)
            if resource_version and (current is None or current["metadata"]["resourceVersion"] != resource_version):
                raise changed(name)
            self._write(name, document, current)
            written = self._get(name)
        if written is None:
            raise changed(name)
        return written

    def delete_sync(self, name: str, resource_version: str = "") -> bool:
        """See Cluster.delete_sync."""
        with self._lock, self._translated():
            current = self._get(name)
            if current is None:
                return False
            if resource_version and current["metadata"]["resourceVersion"] != resource_version:
                raise changed(name)
            for path in self._paths(name):
                path.unlink(missing_ok=True)
            self._records.forget(name)
            return True

    def set_sync_status(self, name: str, status: Manifest) -> None:
        """See Cluster.set_sync_status."""
        with self._lock, self._translated():
            if self._get(name) is not None:
                self._records.set_status(name, {field: value for field, value in status.items() if value is not None})

    def _documents(self) -> Iterator[Document]:
        for path in self._paths():
            if (document := self._document(path)) is not None:
                yield document

    def _get(self, name: str) -> Document | None:
        return next((document for path in self._paths(name) if (document := self._document(path)) is not None), None)

    def _paths(self, name: str = "") -> list[Path]:
        """Return the files, or those of one name: the one that is called rightly comes last, and so counts."""
        suffixes = (*reading.OTHER_SUFFIXES, reading.SUFFIX)
        if not name:
            every = (path for path in self._folder.iterdir() if path.suffix in suffixes and path.name[0] != ".")
            return sorted(every, key=lambda path: path.suffix == reading.SUFFIX)
        self._folder.stat()  # a folder that is not there does not mean that the sync was deleted
        named = [self._folder / f"{name}{suffix}" for suffix in suffixes]
        return [path for path in named if path.parent == self._folder and name[0] != "." and os.path.lexists(path)]

    def _document(self, path: Path) -> Document | None:
        """Return what a file declares, as the API of a cluster would show it; None if it has just gone."""
        try:
            found = self._found.get(path)
            if found is None or found.stamp != reading.stamp(path):
                found = self._found[path] = reading.read(path, self._rules)
        except FileNotFoundError:
            self._found.pop(path, None)
            return None
        return self._shown(path.stem, found)

    def _shown(self, name: str, found: Found) -> Document:
        spec = found.document and found.document["spec"]
        record = self._records.of(name, spec)
        given = {} if found.document is None else found.document["metadata"]
        metadata: dict[str, Any] = {"name": name} | {key: given[key] for key in _KEPT if key in given}
        metadata |= {
            "resourceVersion": found.version,
            "generation": record.generation,
            "creationTimestamp": record.creation_timestamp,
        }
        shown: Document = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata}
        if spec is None:
            return shown | {"status": {"state": SyncState.INVALID.value, "message": found.problem}}
        return shown | {"spec": spec, "status": dict(record.status)}

    def _write(self, name: str, document: Manifest, current: Document | None) -> None:
        metadata = {} if current is None else current["metadata"]
        given = {key: value for key, value in (metadata | document["metadata"]).items() if key in _KEPT}
        whole = {"apiVersion": API_VERSION, "kind": KIND, "metadata": given, "spec": document["spec"]}
        # A link stays one: the file may be in a folder under version control.
        path = (self._folder / f"{name}{reading.SUFFIX}").resolve()
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            text = ""
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _MODE
        files.write_atomic(path, editing.rewrite(text, whole).encode(), mode, durable=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ClusterUnavailable(f"The files in {self._folder} cannot be used: {error.strerror}.") from error
