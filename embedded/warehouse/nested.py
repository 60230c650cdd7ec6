"""Finds the value of a key that names a nested field, as Bulker's flattening would have named it."""

import msgspec
from msgspec import Raw

Row = dict[str, Raw]

_decode = msgspec.json.Decoder(Row).decode


def find(row: Row, name: str) -> Raw | None:
    """The value at the path whose parts joined with "_" are `name` (`meta_id` is `id` in `meta`), or None."""
    if name in row:
        return row[name]
    for key, value in row.items():
        if not name.startswith(key + "_") or not bytes(value).startswith(b"{"):
            continue
        if (found := find(_decode(value), name[len(key) + 1 :])) is not None:
            return found
    return None
