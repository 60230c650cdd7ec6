"""Image references as commands of this machine: the PyPI package of the same name, or a given command.

Every connector gets a virtual environment of its own, because connectors pin different versions of the same
libraries. It is made at run time (their licences forbid passing them on) and kept:

cache/py3.11/airbyte-source-faker-7.2.1        the environment; it counts only with the file `ready` in it
cache/py3.11/airbyte-source-faker-7.2.1.lock   held while it is made
"""

import fcntl
import logging
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from common.errors import Refused, SettingsError, Unavailable
from embedded.connectors import uv

log = logging.getLogger(__name__)

NAME = re.compile(r"airbyte/(source-[a-z0-9]+(?:-[a-z0-9]+)*)")
# What both a Docker tag and a Python version can say: 0.6.0-rc.1 and PyPI's 0.6.0rc1 are the same to uv.
VERSION = re.compile(r"\d+(\.\d+)*([-.]?(a|b|rc|alpha|beta|post|dev)[-.]?\d*)?")

MAP_IT = "map the image to a command of this machine (--image IMAGE=COMMAND)"


@dataclass(frozen=True)
class _Connector:
    """A connector as PyPI knows it."""

    image: str
    package: str
    version: str
    program: str
    home: Path

    @property
    def ready(self) -> Path:
        return self.home / "ready"

    def is_ready(self) -> bool:
        """Complete, and its Python, a link to ours, is still there."""
        parts = (self.ready, self.home / "bin" / "python", self.home / "bin" / self.program)
        return all(part.exists() for part in parts)

    @property
    def title(self) -> str:
        return f"{self.package} {self.version}"

    @property
    def advice(self) -> str:
        return f"Check name and tag of image {self.image}, or {MAP_IT}."


class Connectors:
    """Knows, and installs, what runs in place of an image.

    `local_images` maps an image, with a tag or for all its tags, to a shell command that runs instead.
    """

    def __init__(self, cache: Path, local_images: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self._home = cache.absolute() / f"py{sys.version_info.major}.{sys.version_info.minor}"
        self._local = {_short(image): command.strip() for image, command in local_images.items()}
        self._environment = uv.understood(environment)
        if without := [image for image, command in self._local.items() if not command]:
            raise SettingsError(f"No command is given for image {', '.join(without)}. Give a command line.")

    def command(self, image: str) -> str:
        """The value of AIRBYTE_ENTRYPOINT: shell text that takes the connector's arguments after it.

        Installs nothing. Raises Refused for an image that can neither be installed nor is mapped.
        """
        if local := self._mapped(image):
            return local
        connector = self._parse(image)
        return shlex.quote(str(connector.home / "bin" / connector.program))

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
            with _locked(connector, report) as lock:
                if not connector.is_ready():
                    self._install(connector, report, lock)
        except OSError as exc:
            raise Unavailable(
                f"{connector.title} cannot be installed: {exc.strerror}. Check the folder for connectors."
            ) from exc

    def _mapped(self, image: str) -> str | None:
        reference = _short(image)
        return self._local.get(reference) or self._local.get(_split(reference)[0])

    def _parse(self, image: str) -> _Connector:
        repository, tag = _split(_short(image))
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
        package = f"airbyte-{name[1]}"
        return _Connector(image, package, tag, name[1], self._home / f"{package}-{tag}")

    def _install(self, connector: _Connector, report: Callable[[str], None], lock: IO[str]) -> None:
        began, home = time.monotonic(), connector.home
        report(f"installing {connector.title}, which may take a minute or more ...")
        shutil.rmtree(home, ignore_errors=True)  # what an interrupted install left
        try:
            self._uv(connector, lock, "venv", "--no-project", "--python", sys.executable, str(home))
            requirement = f"{connector.package}=={connector.version}"
            # Compiled now: a connector starts for every task, and takes a third longer without.
            python = ("--python", str(home / "bin" / "python"))
            self._uv(connector, lock, "pip", "install", "--compile-bytecode", *python, requirement)
            if not (home / "bin" / connector.program).exists():
                raise Refused(
                    f"{connector.title} is no connector: it has no program {connector.program}. {connector.advice}"
                )
            connector.ready.touch()
        finally:
            if not connector.is_ready():
                shutil.rmtree(home, ignore_errors=True)
        report(f"installed {connector.title} in {time.monotonic() - began:.0f} s")

    def _uv(self, connector: _Connector, lock: IO[str], *arguments: str) -> None:
        # uv holds the lock too: if we are killed, no other install begins before uv has ended.
        code, said = uv.run(arguments, self._environment, lock.fileno())
        if code:
            raise _failure(connector, code, said)


@contextmanager
def _locked(connector: _Connector, report: Callable[[str], None]) -> Iterator[IO[str]]:
    """One install at a time; the kernel lets go of the lock when its holder dies."""
    with connector.home.with_name(connector.home.name + ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for another install of {connector.title} ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _short(image: str) -> str:
    """The reference without what says nothing about the version: Docker's own registry, a digest."""
    return image.strip().removeprefix("docker.io/").partition("@")[0]


def _split(image: str) -> tuple[str, str]:
    """Repository and tag; a colon before the last slash belongs to a registry's port."""
    folder, slash, name = image.rpartition("/")
    name, _, tag = name.partition(":")
    return folder + slash + name, tag


def _meant(repository: str, tag: str) -> str:
    """The image that was probably meant where only its folder is missing."""
    meant = f"airbyte/{repository}"
    return f"Did you mean {meant}:{tag}? " if NAME.fullmatch(meant) and VERSION.fullmatch(tag) else ""


def _failure(connector: _Connector, code: int, said: str) -> Refused | Unavailable:
    log.debug("uv ended with code %d:\n%s", code, said, extra={"action": "install"})
    why = uv.in_short(said) or f"uv ended with code {code} and said nothing"
    if uv.is_permanent(said):
        return Refused(f"{connector.title} cannot be installed: {why}. {connector.advice}")
    return Unavailable(
        f"{connector.title} cannot be installed now: {why}. Check this machine's network, disk and settings "
        f"for packages (uv reads UV_DEFAULT_INDEX or its uv.toml, not pip.conf), and try again."
    )
