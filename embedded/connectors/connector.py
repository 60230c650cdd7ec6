"""A connector as a package in a virtual environment of its own, and what is known of it once that is finished."""

import os
import re
from pathlib import Path

import msgspec
from msgspec import Struct

from embedded import files
from embedded.connectors import pythons


class Environment(Struct, frozen=True):
    """A finished environment: the version of its Python, and where it differs from what the connector asks for.

    `replaced` maps a package to its pinned version and the one installed instead; `until`: no package is newer.
    """

    python: str
    requires: str = ""
    replaced: dict[str, tuple[str, str]] = {}
    until: str = ""

    @property
    def note(self) -> str:
        """The differences in words; "" if there are none."""
        instead = [f"{name} {new} instead of {old}" for name, (old, new) in self.replaced.items()]
        if not pythons.allows(self.requires, self.python):
            instead.insert(0, f"Python {self.python} instead of {self.requires}")
        instead += [f"the packages of {self.until[:10]}, the time of its release"] if self.until else []
        return f"runs with {', '.join(instead)}" if instead else ""


class Connector(Struct, frozen=True):
    """A connector as a package of the index, the name of its program, and the folder of its virtual environment.

    `advice` is for the user if the index lacks it; `as_wheel`: it must not be built, which would run its code before
    anything of it is known.
    """

    name: str
    version: str
    program: str
    advice: str
    home: Path
    as_wheel: bool = False

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"

    @property
    def executable(self) -> Path:
        """The program's path."""
        return self.home / "bin" / self.program

    @property
    def ready(self) -> Path:
        """The file that holds the Environment once it is finished."""
        return self.home / "ready"

    def is_ready(self) -> bool:
        """Tell whether it is finished, this account's own, and not damaged as far as a cheap look can tell."""
        try:
            made = self.made()
            return files.is_own(self.home) and self._is_whole(made.python)
        except OSError:
            return False

    def note(self) -> str:
        """Return how the environment differs from what the connector asks for; "" if it does not, or is missing."""
        try:
            return self.made().note
        except OSError:
            return ""

    def made(self) -> Environment:
        """Return the finished environment. Raise OSError if there is none."""
        try:
            return msgspec.json.decode(self.ready.read_bytes(), type=Environment)
        except msgspec.DecodeError as exc:
            raise FileNotFoundError(f"{self.ready} is damaged") from exc

    def _is_whole(self, version: str) -> bool:
        """Tell whether program, packages and Python are there; the latter is a link to one of this machine."""
        python = self.home / "bin" / "python"
        named = re.fullmatch(r"python(\d+\.\d+)", python.resolve().name)
        packages = self.home / "lib" / f"python{'.'.join(version.split('.')[:2])}" / "site-packages"
        return (
            (self.home / "pyvenv.cfg").exists()
            and all(os.access(program, os.X_OK) and program.stat().st_size for program in (self.executable, python))
            and (named is None or pythons.same(named[1], version))
            and any(packages.glob(f"{self.name.replace('-', '_')}-*.dist-info"))
        )
