"""Versions of Python: ours, those to try for a connector, and those that a Requires-Python allows."""

import sys
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

OURS = ".".join(map(str, sys.version_info[:3]))
"""Our own version, such as 3.13.1."""
VERSIONS = ("3.11", "3.12", "3.10", "3.13", "3.14", "3.9")
"""To try in this order: Airbyte's own images have 3.11 now, and had 3.10 and 3.9 before."""
DOWNLOADED = VERSIONS[:3]
"""To download, too."""
ASK = (
    "import platform, sys; sys.exit(platform.python_implementation() != 'CPython' or print(platform.python_version()))"
)
"""Prints the version of a CPython."""
ANSWER_SECONDS = 5
"""For an interpreter to say its version: wrappers may wait for a network."""


def newest() -> str:
    """Return the newest known version."""
    return max(*VERSIONS, OURS, key=lambda version: [int(part) for part in version.split(".")])


def same(one: str, other: str) -> bool:
    """Tell whether two versions take the same wheels."""
    return one.split(".")[:2] == other.split(".")[:2]


def allows(requires: str, version: str) -> bool:
    """Tell whether a Requires-Python allows a version; for one such as 3.11, any release of it.

    One that cannot be parsed (old packages have `>=3.6.*`) allows all.
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
