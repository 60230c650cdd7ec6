"""Images as commands of this machine: the PyPI package of the same name, or a given command.

Every connector has a virtual environment of its own, because connectors pin different versions of the same libraries.
It is made at run time (their licences forbid passing them on) and kept:

cache/airbyte-source-faker-7.2.1        the environment; it counts only with the file `ready` in it
cache/airbyte-source-faker-7.2.1.lock   held while it is made
"""

import re
import shlex
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from common import images
from common.errors import Refused, SettingsError, Unavailable
from common.failures import POLICIES, FailureKind
from embedded import files
from embedded.connectors import published
from embedded.connectors.connector import Connector

NAME = re.compile(r"airbyte/(source-[a-z0-9]+(?:-[a-z0-9]+)*)")
# Both a Docker tag and a Python version; to uv, 0.6.0-rc.1 and PyPI's 0.6.0rc1 are the same.
VERSION = re.compile(r"\d+(\.\d+)*([-.]?(a|b|rc|alpha|beta|post|dev)[-.]?\d*)?")

_MANIFESTS, _CDK_RUNS_MANIFESTS = "source-declarative-manifest", (6, 7)
"""This image's tags are the CDK's versions. Until 6.5.2 the program had its own package; the CDK has it since 6.7."""
_WITH_NOTE = """sh -c 'printf "%s\\n" "$0" >&2; exec "$@"'"""

_OTHER_FOLDER = "Choose a folder of this account's own with SYNCCTL_CONNECTORS."

_CHECK = POLICIES[FailureKind.IMAGE_NAME].advice.rstrip(".")
"""Within a refusal it is not added a second time."""
MAP_IT = "map it to a command of this machine (`syncctl serve --image IMAGE=COMMAND`)"


class Connectors:
    """The commands that run in place of images, and their installation.

    `local_images` maps an image, with a tag or for all its tags, to a shell command that runs instead. `packages` names
    the connectors that may be installed besides those that are known (embedded.connectors.published).
    """

    def __init__(
        self,
        cache: Path,
        local_images: Mapping[str, str],
        environment: Mapping[str, str],
        packages: Collection[str] = (),
    ) -> None:
        self._packages = packages
        self._home = cache.absolute()
        self._local = {_split(image): command.strip() for image, command in local_images.items()}
        self._environment = environment
        if without := [image for image, command in local_images.items() if not command.strip()]:
            raise SettingsError(f"No command is given for image {', '.join(without)}. Give a command line.")

    def command(self, image: str) -> str:
        """Return the value of AIRBYTE_ENTRYPOINT: shell text that takes the connector's arguments after it.

        Install nothing. Raise Refused for an image that can neither be installed nor is mapped.
        """
        if local := self.mapped(image):
            return local
        connector = self._parse(image)
        program = shlex.quote(str(connector.executable))
        if note := connector.note():
            # To stderr, so that it becomes a line of each task's log.
            return f"{_WITH_NOTE} {shlex.quote(f'{connector.title} {note}')} {program}"
        return program

    def is_ready(self, image: str) -> bool:
        """Tell whether the command can run now. Raise Refused as `command` does."""
        return bool(self.mapped(image)) or self._parse(image).is_ready()

    def install(self, image: str, report: Callable[[str], None]) -> None:
        """Make the image's command ready, unless it is; `report` gets sentences on the progress.

        Safe to call from several threads and processes, and after one of them was killed. Raise Refused if a retry
        cannot help (the package is not allowed, or there is no such version), Unavailable if it can (network, disk),
        SyncError if another account may change the cache.
        """
        if self.is_ready(image):
            return
        connector = self._parse(image)
        published.check(connector.program, self._packages, MAP_IT)
        waiting = f"waiting for another install of {connector.title} ..."
        try:
            files.own_folder(self._home, _OTHER_FOLDER)
            with files.lock(connector.home.with_name(f"{connector.home.name}.lock"), lambda: report(waiting)) as lock:
                if not connector.is_ready():
                    self._install(connector, report, lock)
        except OSError as exc:
            why = f"{exc.strerror} ({exc.filename})" if exc.filename else exc
            raise Unavailable(f"{connector.title} cannot be installed in {self._home}: {why}. {_OTHER_FOLDER}") from exc

    def mapped(self, image: str) -> str | None:
        """Return the command that the user gave for an image, if any."""
        repository, tag = _split(image)
        return self._local.get((repository, tag)) or self._local.get((repository, ""))

    def _parse(self, image: str) -> Connector:
        repository, tag = _split(image)
        name = NAME.fullmatch(repository)
        if not name:
            meant = f"airbyte/{repository}"
            ask = f"Did you mean {meant}:{tag}? " if NAME.fullmatch(meant) and VERSION.fullmatch(tag) else ""
            raise Refused(
                f"Image {image} cannot run without a container runtime: only images airbyte/source-NAME have "
                f"a Python package to run instead. {_CHECK}. {ask}To run this one, {MAP_IT}, or let docker or "
                "podman run images (`syncctl serve --runtime podman`)."
            )
        if "@" in image and not tag:
            raise Refused(
                f"Image {image} cannot be installed: a digest names an image, not a version of the Python package that "
                f"runs instead. {_CHECK}: give a version such as 1.2.3, or {MAP_IT}."
            )
        if not VERSION.fullmatch(tag):
            raise Refused(
                f"Image {image} cannot be installed: its tag must be a version such as 1.2.3, not "
                f'"{tag or "latest"}". {_CHECK}, or {MAP_IT}.'
            )
        advice = f"{_CHECK}, or {MAP_IT}."
        package = _package(name[1], tag)
        as_wheel = not published.is_allowed(name[1], self._packages)
        return Connector(package, tag, name[1], advice, self._home / f"{package}-{tag}", as_wheel=as_wheel)

    def _install(self, connector: Connector, report: Callable[[str], None], lock: int) -> None:
        from embedded.connectors import uv
        from embedded.connectors.environments import EnvironmentBuilder

        began = time.monotonic()
        report(f"installing {connector.title}, which may take a minute or more ...")
        try:
            made = EnvironmentBuilder(connector, uv.uv_variables(self._environment), lock, report).build()
            files.write_atomic(connector.ready, msgspec.json.encode(made))
        finally:
            if not connector.is_ready():
                with suppress(OSError):
                    files.remove(connector.home)
        note = made.note and f"; it {made.note}"
        report(f"installed {connector.title} in {time.monotonic() - began:.0f} s{note}")


def _package(name: str, version: str) -> str:
    """Return the package of a connector's image."""
    if name != _MANIFESTS:
        return f"airbyte-{name}"
    from packaging.version import Version

    return "airbyte-cdk" if Version(version).release >= _CDK_RUNS_MANIFESTS else f"airbyte-{name}"


def _split(image: str) -> tuple[str, str]:
    """Return repository and tag, without Docker's own registry and a digest, which say nothing about the version."""
    return images.split(image.strip().removeprefix("docker.io/").partition("@")[0])
