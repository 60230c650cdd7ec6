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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO

import psutil
from uv import find_uv_bin

from common.errors import Refused, SettingsError, Unavailable

log = logging.getLogger(__name__)

INSTALL_SECONDS = 1800
"""uv has time-outs for the network; this one is for a build that hangs."""

NAME = re.compile(r"airbyte/(source-[a-z0-9]+(?:-[a-z0-9]+)*)")
# What both a Docker tag and a Python version can say: 0.6.0-rc.1 and PyPI's 0.6.0rc1 are the same to uv.
VERSION = re.compile(r"\d+(\.\d+)*([-.]?(a|b|rc|alpha|beta|post|dev)[-.]?\d*)?")

MAP_IT = "map the image to a command of this machine (--image IMAGE=COMMAND)"

PASSED_ON = re.compile(
    r"UV_(?!WORKING_DIR|PROJECT|PYTHON$).+|(PIP_|SSL_|XDG_).+|(HTTP|HTTPS|ALL|NO)_PROXY|(CURL|REQUESTS)_CA_BUNDLE"
    r"|HOME|PATH|LANG|LC_ALL|TMPDIR|NETRC|LD_LIBRARY_PATH",
    re.IGNORECASE,
)
"""What an install may see of our environment: never our settings, virtual environment or PYTHONPATH."""

LIKE_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}
"""A machine set up for pip works for uv too, which does not read pip's variables."""

PERMANENT = re.compile(
    r"no solution found|failed to (download and )?build|failed to parse|invalid|incompatible", re.IGNORECASE
)
TRANSIENT = re.compile(
    r"error sending request|failed to fetch|request failed|network (was|is) disabled|timed? ?out|dns error"
    r"|connect(ion)? (error|refused|reset)|could not be queried|unauthorized|forbidden|too many requests"
    r"|no space left|permission denied",
    re.IGNORECASE,
)
"""In what uv says: another try, or a machine set right, can help. Outweighs PERMANENT."""

LONGEST = 600
"""Characters of uv's words that go into an error."""


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
        self._environment = _for_uv(environment)
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
        """Runs uv in an empty folder, so that no project's settings or files apply."""
        with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [_find_uv(), "--color=never", "--no-progress", *arguments],
                cwd=empty,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # uv holds the lock too: if we are killed, no other install begins before uv has ended.
                pass_fds=(lock.fileno(),),
            )
            limit = Timer(INSTALL_SECONDS, _end, [process])
            limit.start()
            try:
                process.wait()
            finally:
                limit.cancel()
                _end(process)
            output.seek(0)
            said = output.read().decode(errors="replace")
        if process.returncode:
            raise _failure(connector, process.returncode, said)


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


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends uv and whatever it builds with, if it still runs."""
    if process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            uv = psutil.Process(process.pid)
            for one in (uv, *uv.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        process.wait()


def _find_uv() -> str:
    try:
        return find_uv_bin()
    except FileNotFoundError as exc:
        raise Unavailable('uv is not installed. Install "sync-functions[embedded]".') from exc


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What an install may see of an environment."""
    return {name: value for name, value in environment.items() if PASSED_ON.fullmatch(name)}


def _for_uv(environment: Mapping[str, str]) -> dict[str, str]:
    passed = passed_on(environment)
    for name, ours in LIKE_PIP.items():
        if name in passed:
            # Lists: blanks divide them for pip, and for UV_INDEX; UV_FIND_LINKS wants commas.
            value = ",".join(passed[name].split()) if ours == "UV_FIND_LINKS" else passed[name]
            passed.setdefault(ours, value)
    return passed


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
    why = _in_short(said) or f"uv ended with code {code} and said nothing"
    if PERMANENT.search(said) and not TRANSIENT.search(said):
        return Refused(f"{connector.title} cannot be installed: {why}. {connector.advice}")
    return Unavailable(
        f"{connector.title} cannot be installed now: {why}. Check this machine's network, disk and settings "
        f"for packages (uv reads UV_DEFAULT_INDEX or its uv.toml, not pip.conf), and try again."
    )


def _in_short(said: str) -> str:
    """uv's reason in one line, without addresses (they may hold passwords) and without paths."""
    reason = said[max(said.find("error: "), 0) :].removeprefix("error: ")
    reason = re.sub(r"[\w+.-]+://[^\s)`]+", "the package index", reason)
    reason = reason.removeprefix("No solution found when resolving dependencies")
    reason = re.sub(r"\n\s*(cause|hint): ", "; ", reason).removeprefix("; ")
    reason = re.sub(r"^[\s╰─▶]*Because (?=\S+ was not found|there is no version)", "", reason)
    reason = re.sub(r"(?<![\w.])(/[\w.@+-]+){2,}", "...", reason)
    reason = " ".join(reason.split())
    reason = re.sub(r"(,| And because| and) you require \S+, we can conclude that your .*? unsatisfiable\.", "", reason)
    if len(reason) > LONGEST:
        reason = f"{reason[: LONGEST // 3]} ... {reason[-LONGEST * 2 // 3 :]}"
    return reason.rstrip(".")
