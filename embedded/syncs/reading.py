"""A file of a declared sync: what it holds, or where its mistake is. Read again only when it has changed."""

import hashlib
import stat
from pathlib import Path
from typing import Any

from msgspec import Struct

from common.syncs.check import check
from common.syncs.source import MAX_BYTES
from common.syncs.validate import Rules

SUFFIX = ".yaml"
OTHER_SUFFIXES = frozenset({".yml", ".json"})
Stamp = tuple[int, ...]


class Found(Struct, frozen=True):
    """A file as it was read: its document, or its first problem."""

    stamp: Stamp
    version: str
    """A hash of the content."""
    document: dict[str, Any] | None
    problem: str = ""


def stamp(path: Path) -> Stamp:
    """Return what differs when a file has changed. Raise FileNotFoundError if it is gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise
    except OSError as error:  # such as a link to itself
        return (error.errno or 0,)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def read(path: Path, rules: Rules) -> Found:
    """Read a file. Raise FileNotFoundError if it is gone."""
    before = stamp(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait for its writer
            return Found(before, "", None, f"{path.name}: is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        return Found(before, "", None, f"{path.name}: cannot be read ({error.strerror})")
    version = hashlib.sha256(content).hexdigest()[:16]
    checked = check({path.name: content}, rules)
    if checked.problems:
        more = f"; and {len(checked.problems) - 1} more" if checked.problems[1:] else ""
        return Found(before, version, None, f"{checked.problems[0]}{more}")
    first, *others = checked.syncs
    if others:
        return Found(before, version, None, f"{others[0].place}: expected one document in a file")
    if path.name != f"{first.name}{SUFFIX}":
        problem = first.problem(("metadata", "name"), f"expected the file to be called {first.name}{SUFFIX}")
        return Found(before, version, None, str(problem))
    return Found(before, version, first.document.data)
