"""What a record carries beside its data: the changes that its source made to it, and files, which are not kept."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from common.failures import FailureKind
from common.protocol.catalogs import MISSING
from common.protocol.messages import DECODE_ERRORS, Record
from sidecar.read.stream import StreamWriter

NO_FILES = (
    "files are not kept, only rows: turn its files off in the configuration and in the catalog (include_files), or do "
    "not select it"
)
_WORD_CHARACTERS = 40
_NULL = Raw(b"null")


class _Meta(Struct, frozen=True):
    """A record's `meta`; its members may be of any JSON type, so that no change is overlooked."""

    changes: Any = None


def take(record: Record, stream: StreamWriter, redact: Callable[[str], str]) -> None:
    """Count the changes of one record in its stream, or refuse the stream if the record comes with a file."""
    for name, part in (("file", record.file), ("file_reference", record.file_reference)):
        if part not in (MISSING, _NULL):
            stream.refuse(f"its records come with files ({name}), and {NO_FILES}", FailureKind.CONFIG_ERROR)
    if record.meta not in (MISSING, _NULL):
        for change in _changes(record.meta):
            stream.account.count_change(redact(change)[:_WORD_CHARACTERS])


def _changes(meta: Raw) -> list[str]:
    """Return the protocol's word for each change: NULLED, TRUNCATED, or whatever the source calls it."""
    try:
        changes = msgspec.json.decode(meta, type=_Meta).changes
    except DECODE_ERRORS:
        return ["UNKNOWN"]
    found = changes if isinstance(changes, list) else [] if changes is None else [changes]
    return [str(change.get("change") or "UNKNOWN") if isinstance(change, dict) else "UNKNOWN" for change in found]
