"""Load named SQL blocks: a block starts at `-- name: NAME` and ends at the next one."""

import re
from functools import cache
from pathlib import Path

from common import DATABASE_SCHEMA

_HERE = Path(__file__).parent
_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def load(file: str, schema: str = DATABASE_SCHEMA) -> dict[str, str]:
    """Return the blocks of a .sql file of this folder by name, in the file's order.

    `schema` is that of our own tables; statements name it, because poolers share and reset a session's search_path.
    """
    text = (_HERE / file).read_text(encoding="utf-8").replace("$schema", f'"{schema}"')
    parts = _NAME.split(text)[1:]
    return {name: sql.strip().rstrip(";") for name, sql in zip(parts[::2], parts[1::2], strict=True)}


@cache
def migrations() -> dict[int, str]:
    """Return the numbered files of migrations/, in order."""
    files = sorted((_HERE / "migrations").glob("[0-9]*.sql"))
    return {int(file.name.split("_")[0]): file.read_text(encoding="utf-8") for file in files}
