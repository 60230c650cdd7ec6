"""What is known of a declared sync besides its file: since when, how often its spec has changed, its status."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from embedded import files
from embedded.pods.status import now


class Record(Struct, frozen=True):
    """`spec` is a hash, by whose change a generation ends."""

    creation_timestamp: str
    generation: int = 0
    spec: str = ""
    status: dict[str, Any] = {}


_RECORD = msgspec.json.Decoder(Record)


class Records:
    """The records of a folder, a file each. Only one process writes them, so they are read once."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._known: dict[str, Record] = {}
        for path in folder.glob("*.json"):
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):  # a status is computed again
                self._known[path.stem] = _RECORD.decode(path.read_bytes())

    def names(self) -> set[str]:
        """Return the names of all records."""
        return set(self._known)

    def of(self, name: str, spec: Any) -> Record:
        """Return the record of a sync with that spec, None if it cannot be used; it may be a new one."""
        record = self._known.get(name) or Record(now())
        found = record.spec if spec is None else hashlib.sha256(msgspec.json.encode(spec)).hexdigest()[:16]
        if name not in self._known or record.spec != found:
            record = structs.replace(record, generation=record.generation + 1, spec=found)
            self._write(name, record)
        return record

    def set_status(self, name: str, status: dict[str, Any]) -> None:
        """Replace the status of a sync that has a record."""
        self._write(name, structs.replace(self._known[name], status=status))

    def forget(self, name: str) -> None:
        """Delete a record."""
        self._known.pop(name, None)
        self._path(name).unlink(missing_ok=True)

    def _write(self, name: str, record: Record) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)  # another folder of syncs may have taken the place of the first
        files.write_atomic(self._path(name), msgspec.json.encode(record))
        self._known[name] = record

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"
