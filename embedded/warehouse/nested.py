"""Finds the value of a key that names a nested field, as Bulker's flattening would have named it."""

from msgspec import Raw

from embedded.warehouse.rows import Row, decode


def find(row: Row, name: str) -> Raw | None:
    """The value at the path whose parts, joined with "_", are `name` (`meta_id` is `id` in `meta`), or None."""
    if name in row:
        return row[name]
    for key, value in row.items():
        if name.startswith(f"{key}_") and bytes(value).startswith(b"{"):
            found = find(decode(value), name[len(key) + 1 :])
            if found is not None:
                return found
    return None
