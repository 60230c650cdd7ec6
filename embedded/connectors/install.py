"""Image references as commands of this machine: the PyPI package of the same name, or a given command.

Every connector gets a virtual environment of its own, because connectors pin different versions of the same
libraries. It is made at run time (their licences forbid passing them on) and kept:

cache/airbyte-source-faker-7.2.1        the environment; it counts only with the file `ready` in it
cache/airbyte-source-faker-7.2.1.lock   held while it is made
"""

import re
import shlex
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from common import images
from common.errors import Refused, SettingsError, Unavailable
from embedded import files
from embedded.connectors import environments, uv
from embedded.connectors.environments import Made, Package

NAME = re.compile(r"airbyte/(source-[a-z0-9]+(?:-[a-z0-9]+)*)")
# What both a Docker tag and a Python version can say: 0.6.0-rc.1 and PyPI's 0.6.0rc1 are the same to uv.
VERSION = re.compile(r"\d+(\.\d+)*([-.]?(a|b|rc|alpha|beta|post|dev)[-.]?\d*)?")

_WITH_NOTE = """sh -c 'printf "%s\\n" "$0" >&2; exec "$@"'"""

MAP_IT = "map the image to a command of this machine (--image IMAGE=COMMAND)"


@dataclass(frozen=True)
class _Connector:
    """A connector's package, and the folder of its virtual environment."""

    package: Package
    home: Path

    @property
    def ready(self) -> Path:
        return self.home / "ready"

    @property
    def program(self) -> Path:
        return self.home / "bin" / self.package.program

    def is_ready(self) -> bool:
        """Complete, and its Python, a link to one of this machine, is still there."""
        parts = (self.ready, self.home / "bin" / "python", self.program)
        return all(part.exists() for part in parts)

    def note(self) -> str:
        """Return how the environment differs from what the connector asks for; "" if it does not, or is not there."""
        try:
            return msgspec.json.decode(self.ready.read_bytes(), type=Made).note
        except (OSError, msgspec.DecodeError):
            return ""


class Connectors:
    """Knows, and installs, what runs in place of an image.

    `local_images` maps an image, with a tag or for all its tags, to a shell command that runs instead.
    """

    def __init__(self, cache: Path, local_images: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self._home = cache.absolute()
        self._local = {_split(image): command.strip() for image, command in local_images.items()}
        self._environment = uv.understood(environment)
        if without := [image for image, command in local_images.items() if not command.strip()]:
            raise SettingsError(f"No command is given for image {', '.join(without)}. Give a command line.")

    def command(self, image: str) -> str:
        """The value of AIRBYTE_ENTRYPOINT: shell text that takes the connector's arguments after it.

        Installs nothing. Raises Refused for an image that can neither be installed nor is mapped.
        """
        if local := self._mapped(image):
            return local
        connector = self._parse(image)
        program = shlex.quote(str(connector.program))
        if note := connector.note():
            # On stderr, so that it becomes a line of each task's log.
            return f"{_WITH_NOTE} {shlex.quote(f'{connector.package.title} {note}')} {program}"
        return program

    def is_ready(self, image: str) -> bool:
        """Whether the command can run at once; raises Refused as `command` does."""
        return bool(self._mapped(image)) or self._parse(image).is_ready()

    def install(self, image: str, report: Callable[[str], None]) -> None:
        """Makes the image's command ready, and tells how it goes; at once if it is ready.

        Safe to call from several threads and processes, and after one of them was killed. Raises Refused
        where trying again cannot help (no such package or version), Unavailable where it can (network, disk).
        """
        if self.is_ready(image):
            return
        connector = self._parse(image)
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            waiting = f"waiting for another install of {connector.package.title} ..."
            with files.lock(connector.home.with_name(f"{connector.home.name}.lock"), lambda: report(waiting)) as lock:
                if not connector.is_ready():
                    self._install(connector, report, lock)
        except OSError as exc:
            raise Unavailable(
                f"{connector.package.title} cannot be installed: {exc.strerror}. Check the folder for connectors."
            ) from exc

    def _mapped(self, image: str) -> str | None:
        repository, tag = _split(image)
        return self._local.get((repository, tag)) or self._local.get((repository, ""))

    def _parse(self, image: str) -> _Connector:
        repository, tag = _split(image)
        name = NAME.fullmatch(repository)
        if not name:
            raise Refused(
                f"Image {image} cannot run without a container runtime: only images airbyte/source-NAME have "
                f"a Python package to run instead. {_meant(repository, tag)}To run this one, {MAP_IT}."
            )
        if "@" in image and not tag:
            raise Refused(
                f"Image {image} cannot be installed: a digest names an image, not a version of the Python package that "
                f"runs instead. Give a version such as 1.2.3, or {MAP_IT}."
            )
        if not VERSION.fullmatch(tag):
            raise Refused(
                f"Image {image} cannot be installed: its tag must be a version such as 1.2.3, not "
                f'"{tag or "latest"}". Give one, or {MAP_IT}.'
            )
        advice = f"Check name and tag of image {image}, or {MAP_IT}."
        package = Package(f"airbyte-{name[1]}", tag, name[1], advice)
        return _Connector(package, self._home / f"{package.name}-{tag}")

    def _install(self, connector: _Connector, report: Callable[[str], None], lock: int) -> None:
        began, package = time.monotonic(), connector.package
        report(f"installing {package.title}, which may take a minute or more ...")
        try:
            made = environments.Maker(package, connector.home, self._environment, lock, report).make()
            files.write_atomic(connector.ready, msgspec.json.encode(made))
        finally:
            if not connector.is_ready():
                shutil.rmtree(connector.home, ignore_errors=True)
        report(f"installed {package.title} in {time.monotonic() - began:.0f} s" + (made.note and f"; it {made.note}"))


def _split(image: str) -> tuple[str, str]:
    """Return repository and tag, without Docker's own registry and a digest, which say nothing about the version."""
    return images.split(image.strip().removeprefix("docker.io/").partition("@")[0])


def _meant(repository: str, tag: str) -> str:
    """The image that was probably meant where only its folder is missing."""
    meant = f"airbyte/{repository}"
    return f"Did you mean {meant}:{tag}? " if NAME.fullmatch(meant) and VERSION.fullmatch(tag) else ""
