"""Versions of Python: ours, those worth a try for a connector, and what a Requires-Python has room for."""

import sys
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

OURS = ".".join(map(str, sys.version_info[:3]))
"""The version of the Python that runs us, such as 3.13.1."""
VERSIONS = ("3.11", "3.12", "3.10", "3.13", "3.14", "3.9")
"""Worth a try, most promising first: Airbyte's own images have 3.11 now, and had 3.10 and 3.9 before."""
DOWNLOADED = VERSIONS[:3]
"""Worth a download too."""


def newest() -> str:
    """Return the newest version that is known here."""
    return max(*VERSIONS, OURS, key=lambda version: [int(part) for part in version.split(".")])


def same(one: str, other: str) -> bool:
    """Tell whether two versions are of one minor release, and so take the same wheels."""
    return one.split(".")[:2] == other.split(".")[:2]


def allows(requires: str, version: str) -> bool:
    """Tell whether a Requires-Python has room for a version; for one such as 3.11, for any release of it.

    One that cannot be read (old packages have `>=3.6.*`) has room for all.
    """
    try:
        specifier = SpecifierSet(requires)
    except InvalidSpecifier:
        return True
    return version in specifier or (version.count(".") == 1 and f"{version}.99" in specifier)


def version_of(environment: Path) -> str:
    """Return the version of a virtual environment's Python."""
    lines = (environment / "pyvenv.cfg").read_text().splitlines()
    keys = dict(line.split(" = ", 1) for line in lines if " = " in line)
    return keys.get("version_info") or keys["version"]
