"""A request's rows as a file of JSON tokens, separated by a control character; wide rows as several.

A token is a value's JSON text as it came. No JSON text holds the separator, so nothing is quoted or escaped, and
DuckDB reads the file as fast as a plain CSV. Column 0 is the row's number in its request; the others are numbered as
their keys were first seen. A line may end before the last column.
"""

import contextlib
import logging
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import msgspec

from common import nesting
from common.errors import SyncError
from embedded.warehouse.lines import LINE_BYTES
from embedded.warehouse.rows import KeyPart, RefusedRow, Row, decode, decode_carefully

SEPARATOR = b"\x1f"
LONGEST_BYTES = 4 * LINE_BYTES
"""The longest line: a row's own megabyte, and nested keys repeated in columns of their own."""
MOST_COLUMNS = 5000
_UNIT_ROWS, _UNIT_BYTES = 2048, 24 * 1000**2
"""DuckDB works on so many rows at once; so many bytes of them are in memory several times."""
_GROUP_ROWS, _GROUP_BYTES = 122_880, 128 * 1000**2
"""So many rows are in memory until DuckDB writes them to the file, or all of a transaction's."""
_SUFFIX = ".rows"
_MOST_SHAPES = 1000
_LOGGED_REFUSALS = 5
_MISSING = b""

_log = logging.getLogger(__name__)


class Spool:
    """A context manager that deletes the file at its end. For one thread.

    `key` are the parts of the primary key: nested ones become columns of their own.
    """

    def __init__(self, folder: Path, table: str, key: Iterable[KeyPart] = ()) -> None:
        self.paths: list[Path] = []
        """Of the files: one, or as many as the rows need to be stored part by part."""
        self.layout: list[str] = []
        """The keys of columns 1, 2, ..."""
        self.processed = self.refused = 0
        self.refusal = ""
        """The first refused row, and why."""
        self._folder, self._table = folder, table
        self._key = tuple(key)
        self._columns: set[str] = set()
        # The order of values for rows of one shape (the same keys in one order); None: as they are.
        self._shapes: dict[tuple[str, ...], tuple[str, ...] | None] = {}

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        for path in self.paths:
            path.unlink(missing_ok=True)
        if self.refused > _LOGGED_REFUSALS:
            _log.warning("%d rows for the table %r are refused in all.", self.refused, self._table)

    @property
    def stored(self) -> int:
        """The number of rows in the file."""
        return self.processed - self.refused

    def add(self, block: bytes) -> None:
        """Add whole lines. Raise BadRequest if one is not a JSON object, which ends a request in Bulker, too."""
        lines = block.split(b"\n")
        try:
            if not block.isascii():
                block.decode()
            rows = [decode(line) for line in lines]
            if nesting.any_is_deep(block, lines):
                raise nesting.TooDeep
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            tokens = self._join(decode_carefully(lines, self.processed + 1))
        else:
            tokens = self._join_alike(rows) if self._are_alike(rows) else self._join(rows)
        if b"\r" in tokens:
            # Between JSON tokens a carriage return is a blank, but DuckDB ends a line there.
            tokens = tokens.replace(b"\r", b" ")
        if self._is_full:
            self.flush()
            self._file.close()
            self._open()
        with _disk_errors():
            self._file.write(tokens)
        self._count(len(lines), len(tokens))

    def _open(self) -> None:
        path = self._folder / f"{uuid.uuid4().hex}{_SUFFIX}"
        self.paths.append(path)
        self._is_full = False
        self._file_rows = self._file_bytes = self._unit_rows = self._unit_bytes = 0
        with _disk_errors():
            self._file = path.open("wb")

    def _count(self, rows: int, size: int) -> None:
        """Count what was written; the next rows begin another file if this one would be too much for a transaction."""
        if self._unit_rows >= _UNIT_ROWS:
            self._unit_rows = self._unit_bytes = 0
        self._unit_rows += rows
        self._unit_bytes += size
        self._file_rows += rows
        self._file_bytes += size
        is_wide = self._unit_bytes >= _UNIT_BYTES and self._unit_rows < _UNIT_ROWS
        self._is_full = is_wide or (self._file_bytes >= _GROUP_BYTES and self._file_rows < _GROUP_ROWS)

    def flush(self) -> None:
        """Flush the file for another reader."""
        with _disk_errors():
            self._file.flush()

    def _are_alike(self, rows: list[Row]) -> bool:
        """Tell whether all rows have the same keys in the layout's order, which saves most of the work."""
        shapes = set(map(tuple, rows))
        shape = next(iter(shapes))
        return (
            len(shapes) == 1
            and self._shapes.get(shape, shape) is None
            and all(part.column in shape for part in self._key)
        )

    def _join_alike(self, rows: list[Row]) -> bytes:
        first = self.processed + 1
        self.processed += len(rows)
        join = SEPARATOR.join
        return b"".join([b"%d\x1f%b\n" % (number, join(row.values())) for number, row in enumerate(rows, first)])

    def _join(self, rows: Iterable[Row | RefusedRow]) -> bytes:
        out = []
        for row in rows:
            self.processed += 1
            try:
                if isinstance(row, RefusedRow):
                    raise row
                out.append(b"%d\x1f%b\n" % (self.processed, self._arrange(row)))
            except RefusedRow as refused:
                self.refused += 1
                self.refusal = self.refusal or f"row {self.processed} of the request: {refused}"
                if self.refused <= _LOGGED_REFUSALS:
                    _log.warning(
                        "Row %d of a request for the table %r is refused: %s.", self.processed, self._table, refused
                    )
        return b"".join(out)

    def _arrange(self, row: Row) -> bytes:
        for part in self._key:
            if part.column not in row and (value := part.find(row)) is not None:
                row[part.column] = value
        shape = tuple(row)
        try:
            order = self._shapes[shape]
        except KeyError:
            order = self._learn(shape)
        if order is None:
            return SEPARATOR.join(row.values())
        return SEPARATOR.join([row.get(key, _MISSING) for key in order])

    def _learn(self, shape: tuple[str, ...]) -> tuple[str, ...] | None:
        new = [key for key in shape if key not in self._columns]
        if len(self.layout) + len(new) > MOST_COLUMNS:
            raise RefusedRow(f"its keys would make more than {MOST_COLUMNS:,} columns")
        self.layout += new
        self._columns.update(new)
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        # The layout grows at its end only, so the order stays right.
        order = None if list(shape) == self.layout[: len(shape)] else tuple(self.layout)
        self._shapes[shape] = order
        return order


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise SyncError(f"The warehouse's folder cannot be written: {exc.strerror}. Free space there.") from exc


def remove_leftovers(folder: Path) -> None:
    """Delete the files of a process that died."""
    for path in folder.glob(f"*{_SUFFIX}"):
        path.unlink(missing_ok=True)
