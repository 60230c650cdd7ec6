"""Names for tables and columns: any key gets one, and no two keys share one.

DuckDB's names ignore case and cannot be empty. So a name is the key itself wherever that is free, else the key with
a number behind it; what became of which key is kept in two small tables of the file.
"""

from collections.abc import Iterable, Mapping

_LONGEST = 200
_EMPTY = "empty"


def quote(name: str) -> str:
    """A name as SQL takes it: whatever it holds, it is never read as anything else."""
    return '"' + name.replace('"', '""') + '"'


def assign_names(keys: Iterable[str], known: Mapping[str, str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A name for each key: the one it already has, or a new one that differs from all others and from `taken`."""
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
