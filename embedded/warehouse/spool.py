"""Rows on their way from a request to the database: one file of JSON tokens, separated by a control character.

A token is a value's JSON text as it came. No JSON text holds the separator, so nothing is quoted or escaped, and
DuckDB reads the file at the speed of a plain CSV. Columns are numbered in the order in which their keys were
first seen; a line may end before the last column.
"""

import json
import logging
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

import msgspec

from common.errors import BadRequest, SyncError
from embedded.warehouse.nested import Row, find

SEPARATOR = b"\x1f"
LINE_BYTES = 4 * 1024 * 1024
"""The longest line of the file: a row's own megabyte, and nested keys repeated in columns of their own."""
_MOST_COLUMNS = 5000
_MOST_SHAPES = 1000
_TOLD_REFUSALS = 5
_MISSING = b""

_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(Row).decode


class _Refused(Exception):
    """This row cannot be stored, its neighbours can; says why, without a word of the row."""


class Spool:
    """A context manager: the file is gone at its end. One request's rows; used by one thread."""

    def __init__(self, folder: Path, table: str, keys: Iterable[str] = ()) -> None:
        self.path = folder / f"{uuid.uuid4().hex}.rows"
        self.layout: list[str] = []
        """The keys of columns 1, 2, ... (column 0 is the row's number in the request, from 1)."""
        self.processed = self.refused = 0
        self._table = table
        self._keys = tuple(keys)
        self._columns: set[str] = set()
        # Rows of one shape (the same keys in the same order) are arranged alike; None: already in layout order.
        self._shapes: dict[tuple[str, ...], tuple[str, ...] | None] = {}

    def __enter__(self) -> Self:
        self._file = _guarded(lambda: self.path.open("wb", buffering=0))
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)
        if self.refused > _TOLD_REFUSALS:
            _log.warning("%d rows for table %r are refused in all.", self.refused, self._table)

    @property
    def stored(self) -> int:
        """Rows in the file."""
        return self.processed - self.refused

    def add(self, block: bytes) -> None:
        """Adds a block of lines. Raises BadRequest where a line is no JSON object: Bulker ends the request then."""
        lines = block.split(b"\n")
        try:
            if not block.isascii():
                block.decode()
            rows = [_decode(line) for line in lines]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._write(lines, _read_carefully)
        else:
            self._write(rows, lambda row: row)

    def _write[Given](self, given: Iterable[Given], read: Callable[[Given], Row]) -> None:
        pass
