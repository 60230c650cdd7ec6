"""Versions of Python: ours, those to try for a connector, and those that a Requires-Python allows."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

OURS = ".".join(map(str, sys.version_info[:3]))
"""Our own version, such as 3.13.1."""
VERSIONS = ("3.11", "3.12", "3.10", "3.13", "3.14", "3.9")
"""To try in this order: Airbyte's own images have 3.11 now, and had 3.10 and 3.9 before."""
DOWNLOADED = VERSIONS[:3]
"""To download, too."""
ANSWER_SECONDS = 5
"""For an interpreter to give its version: wrappers may wait for a network."""
_ASK = (
    "import platform, sys; sys.exit(platform.python_implementation() != 'CPython' or print(platform.python_version()))"
)


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
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

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


class Interpreters:
    """The CPythons on PATH. Left to look itself, uv would wait for one that hangs."""

    def __init__(self, variables: Mapping[str, str], lock: int) -> None:
        self._variables, self._lock = variables, lock
        self._versions: dict[str, str] = {}

    def find(self, version: str) -> str:
        """Return the path of an interpreter; "" without one."""
        for folder in filter(os.path.isabs, self._variables.get("PATH", os.defpath).split(os.pathsep)):
            for name in (f"python{version}", "python3", "python"):
                program = str(Path(folder, name))
                if os.access(program, os.X_OK) and same(self._version_of(program), version):
                    return program
        return ""

    def _version_of(self, program: str) -> str:
        """Return the version of a CPython; "" if it gives no answer in time."""
        from embedded.connectors import uv

        if program not in self._versions:
            try:
                command = [program, "-I", "-S", "-c", _ASK]
                code, output = uv.run_program(command, self._variables, self._lock, ANSWER_SECONDS)
            except OSError:
                code, output = 1, ""
            self._versions[program] = "" if code else output.strip()
        return self._versions[program]
