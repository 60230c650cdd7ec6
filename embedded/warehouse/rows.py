"""A line of a request as a row: its keys, and each value's JSON text as it came."""

import json
from collections.abc import Iterator
from typing import NoReturn

import msgspec
from msgspec import Raw, Struct

from common import nesting
from common.errors import BadRequest

Row = dict[str, Raw]
"""The last value of a repeated key counts."""

decode = msgspec.json.Decoder(Row).decode


class KeyPart(Struct, frozen=True):
    """A part of the primary key, found at `path` if there is one, else by its name (`find_nested`)."""

    name: str
    path: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """Its key in a row. That of a nested one is its path as JSON: the joined name may be another field's."""
        return json.dumps(self.path) if len(self.path) > 1 else self.name

    def find(self, row: Row) -> Raw | None:
        """Return the part's value in a row, if it has one."""
        if not self.path:
            return find_nested(row, self.name)
        value = row.get(self.path[0])
        for name in self.path[1:]:
            value = decode(value).get(name) if value is not None and bytes(value).startswith(b"{") else None
        return value


class RefusedRow(Exception):
    """This row alone cannot be stored. The reason quotes nothing of the row."""


def find_nested(row: Row, name: str) -> Raw | None:
    """Return the value at the path whose parts, joined by "_" as in Bulker, are `name`: `meta_id` is `id` in `meta`."""
    if name in row:
        return row[name]
    for key, value in row.items():
        if name.startswith(f"{key}_") and bytes(value).startswith(b"{"):
            found = find_nested(decode(value), name[len(key) + 1 :])
            if found is not None:
                return found
    return None


def decode_carefully(lines: list[bytes], first_number: int) -> Iterator[Row | RefusedRow]:
    """Yield rows, and the reason for each that cannot be stored.

    Raise BadRequest in Bulker's words for a line that ends the request: ABORT, a blank one, anything but a JSON object.
    """
    for number, line in enumerate(lines, first_number):
        if line.startswith(b"ABORT"):
            raise BadRequest("aborted: the sender took the request back; nothing was stored")
        if not line.strip():
            raise BadRequest(f"unmarhsal error: line {number} is blank")
        yield _decode_one(line, number)


def _decode_one(line: bytes, number: int) -> Row | RefusedRow:
    # First, because a decoder's own limit depends on the Python.
    if nesting.is_deep(line) and line.lstrip()[:1] == b"{":
        return RefusedRow(f"it is {nesting.TooDeep()}")
    try:
        line.decode()
        return decode(line)
    except UnicodeDecodeError:
        if _is_object(line):
            return RefusedRow("its text is not UTF-8")
        raise BadRequest(f"unmarhsal error: line {number} is neither UTF-8 nor a JSON object") from None
    except msgspec.MsgspecError as exc:
        if _is_object(line):
            return RefusedRow("it holds half of a surrogate pair, which no text can keep")
        # msgspec's message names the place and the fault, never the text.
        raise BadRequest(f"unmarhsal error: line {number} is not a JSON object: {exc}") from exc


def _is_object(line: bytes) -> bool:
    """Tell whether a line is a JSON object by grammar, whatever its text decodes to."""
    try:
        found = json.loads(
            line.decode(errors="replace"), parse_int=str, parse_float=str, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
