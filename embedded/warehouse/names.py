"""Unique names of tables and columns for any keys.

DuckDB's names ignore case and cannot be empty. A name is the key itself if that is free, else the key with a number
behind it; embedded.warehouse.registry keeps which key has which name.
"""

from collections.abc import Iterable, Mapping

_LONGEST = 200
_EMPTY = "empty"


def quote(name: str) -> str:
    """Return a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def assign_names(keys: Iterable[str], known: Mapping[str, str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a name for each key: its known one, or a new one that differs from all others and from `taken`."""
    names = {key: known[key] for key in keys if key in known}
    used = {name.casefold() for name in (*known.values(), *taken)}
    for key in keys:
        if key not in names:
            names[key] = _free(key, used)
            used.add(names[key].casefold())
    return names


def _free(key: str, used: set[str]) -> str:
    plain = "".join(c if c.isprintable() else "_" for c in key)[:_LONGEST] or _EMPTY
    name, number = plain, 1
    while name.casefold() in used:
        number += 1
        name = f"{plain}_{number}"
    return name
