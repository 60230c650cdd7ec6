"""Make the virtual environment of one connector, with a Python that its packages support.

Connectors lag behind Python: many pin a package that has no wheel for a new Python, and some install but cannot be
imported. So an environment counts only once the connector has answered `spec` in it. Tried in turn:

1. the Python that runs us, then others of this machine, then one that uv downloads: everything as published, if the
   connector's Requires-Python allows that Python. A package without a wheel is built, unless that takes a compiler.
2. our Python, with the oldest newer release that has a wheel in place of each package that has none. The newest release
   breaks its users more often: source-faker 7.2.1 starts with whenever 0.8, but not with 0.11.
3. our Python, with the compilers of this machine.
"""

import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

from msgspec import Struct
from packaging.utils import canonicalize_name

from common.errors import Refused
from embedded.connectors import pythons, uv

START_SECONDS = 120
"""For `spec`, which reads no configuration and asks nobody: a connector takes 1 to 3 s for its imports."""
_WITHOUT_COMPILERS = dict.fromkeys(("CC", "CXX", "FC", "CARGO", "RUSTC"), "false")
"""A build that needs one ends within seconds; one that can do without (PyYAML, pendulum) goes on."""
_MOST_REPLACED = 20


class Package(Struct, frozen=True):
    """A connector as the package index knows it, the program that runs it, and advice for when it does not exist."""

    name: str
    version: str
    program: str
    advice: str

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"


class Made(Struct, frozen=True):
    """A finished environment: the version of its Python, and where it differs from what the connector asks for.

    `replaced` maps a package to its pinned version and to the one installed instead.
    """

    python: str
    requires: str = ""
    replaced: dict[str, tuple[str, str]] = {}

    @property
    def note(self) -> str:
        """The difference in words; "" if there is none."""
        instead = [f"{name} {new} instead of {old}" for name, (old, new) in self.replaced.items()]
        if not pythons.allows(self.requires, self.python):
            instead.insert(0, f"Python {self.python} instead of {self.requires}")
        return f"runs with {', '.join(instead)}" if instead else ""


class Unfit(Exception):
    """The connector does not run like this, but may with another Python or with other packages.

    `package` is the name and version of the one that cannot be installed, if that is why.
    """

    def __init__(self, why: str, package: tuple[str, str] | None = None) -> None:
        super().__init__(why)
        self.package = package


class Maker:
    """Makes the environment of `package` in the folder `home`.

    Every program that it runs inherits the descriptor `lock`, so the lock is held until the last of them has ended.
    """

    def __init__(
        self,
        package: Package,
        home: Path,
        environment: Mapping[str, str],
        lock: int,
        report: Callable[[str], None],
    ) -> None:
        self._package, self._home, self._report = package, home, report
        self._environment = dict(environment)
        self._lock = lock
        self._requires = ""

    def make(self) -> Made:
        """Return the first environment that works.

        Raise Refused if none does or the connector does not exist, Unavailable if a retry can help (network, disk).
        """
        self._requires = self._look_up()
        tried: dict[str, Unfit] = {}
        for version, python, download in self._pythons():
            if version in tried:
                continue
            try:
                if not self._make_venv(python, download=download):
                    if download:
                        break  # the next version would come from the same place
                    continue
                return self._install({}, _WITHOUT_COMPILERS)
            except Unfit as unfit:
                tried[version] = unfit
                self._report(f"{self._package.title} does not run with Python {version}: {unfit}; looking further ...")
        return self._make_do(tried)

    def _look_up(self) -> str:
        """Return the connector's Requires-Python, after a look at its package alone."""
        with tempfile.TemporaryDirectory() as folder:
            # For the newest Python, because uv minds lower bounds alone; the whole range is for us to tell.
            options = (
                "--no-deps",
                "--python",
                sys.executable,
                "--python-version",
                pythons.newest(),
                "--target",
                folder,
            )
            try:
                self._uv("pip", "install", *options, self._requirement)
            except Unfit as unfit:
                raise Refused(f"{self._package.title} cannot be installed: {unfit}. {self._package.advice}") from unfit
            (found,) = distributions(name=self._package.name, path=[folder])
            programs = {entry.name for entry in found.entry_points.select(group="console_scripts")}
            if self._package.program not in programs:
                raise Refused(
                    f"{self._package.title} is no connector: it has no program {self._package.program}. "
                    f"{self._package.advice}"
                )
            return str(found.metadata.json.get("requires_python", ""))

    @property
    def _requirement(self) -> str:
        return f"{self._package.name}=={self._package.version}"

    def _pythons(self) -> Iterator[tuple[str, str, bool]]:
        """Version, request to uv, and whether it may be downloaded, of each Python that the connector allows."""
        ours = pythons.OURS
        if pythons.allows(self._requires, ours):
            yield ours, sys.executable, False
        others = [
            one for one in pythons.VERSIONS if not pythons.same(one, ours) and pythons.allows(self._requires, one)
        ]
        yield from ((one, f"cpython@{one}", False) for one in others)
        yield from ((one, f"cpython@{one}", True) for one in others if one in pythons.DOWNLOADED)

    def _allowed(self) -> list[str]:
        return [one for one in pythons.VERSIONS if pythons.allows(self._requires, one)]

    def _make_do(self, tried: Mapping[str, Unfit]) -> Made:
        """Use our Python with other packages, or with compilers."""
        ours = pythons.OURS
        last = tried.get(ours)
        if last is None or last.package is not None:
            for install in (self._replace, lambda: self._install({}, {})):
                try:
                    self._make_venv(sys.executable, download=False)
                    return install()
                except Unfit as unfit:
                    last = last or unfit
        wanted = next((one for one in self._allowed() if not any(pythons.same(one, other) for other in tried)), "")
        raise Refused(f"{self._package.title} does not run with Python {ours}: {last}.\n{self._advice(wanted)}")

    def _advice(self, wanted: str) -> str:
        if not wanted:
            return self._package.advice
        tried = " (it could not be downloaded just now)" if wanted in pythons.DOWNLOADED else ""
        return f"Install Python {wanted} by `{shlex.quote(uv.find())} python install {wanted}`{tried}, and try again."

    def _replace(self) -> Made:
        """Install with newer releases, one more each time that a package turns out to have no wheel."""
        pinned: dict[str, str] = {}
        while True:
            try:
                return self._install(pinned, _WITHOUT_COMPILERS)
            except Unfit as unfit:
                if unfit.package is None or unfit.package[0] in pinned or len(pinned) == _MOST_REPLACED:
                    raise
                pinned |= [unfit.package]
                self._report(f"Python {pythons.OURS}: {unfit}; trying a newer release ...")

    def _make_venv(self, python: str, *, download: bool) -> bool:
        """Make an empty environment; return False if there is no such Python."""
        shutil.rmtree(self._home, ignore_errors=True)
        downloads = ["--no-python-downloads"]
        if download:
            self._report(f"downloading {python.replace('cpython@', 'Python ')} for {self._package.title} ...")
            downloads = []
        arguments = ("venv", "--no-project", *downloads, "--python", python, str(self._home))
        code, words = uv.run(arguments, uv.IMPATIENT | self._environment, self._lock)
        if code and python == sys.executable:
            raise uv.failure(self._package.title, self._package.advice, code, words)
        return code == 0

    def _install(self, pinned: Mapping[str, str], environment: Mapping[str, str]) -> Made:
        """Install into the empty environment, with newer releases of the `pinned` packages; raise Unfit."""
        # Compiled now: a connector starts for every task, and takes a third longer without.
        options = ["--compile-bytecode", "--python", str(self._home / "bin" / "python")]
        wishes = [f"{name}>={version}" for name, version in pinned.items()]
        with tempfile.NamedTemporaryFile("w") as overrides:
            overrides.write("\n".join(wishes))
            overrides.flush()
            if pinned:
                options += ["--overrides", overrides.name, "--resolution", "lowest-direct"]
                options += [f"--only-binary={name}" for name in pinned]
            self._uv("pip", "install", *options, self._requirement, *wishes, extra=environment)
        self._check_start()
        replaced = {
            found.name: (pinned[name], found.version)
            for found in self._installed()
            if (name := canonicalize_name(found.name)) in pinned
        }
        return Made(pythons.version_of(self._home), self._requires, replaced)

    def _installed(self) -> Iterator[Distribution]:
        folders = self._home.glob("lib/python*/site-packages")
        return iter(distributions(path=[str(folder) for folder in folders]))

    def _check_start(self) -> None:
        """Raise Unfit if the connector cannot answer `spec`."""
        command = [str(self._home / "bin" / self._package.program), "spec"]
        code, words = uv.run_program(command, self._environment, self._lock, START_SECONDS)
        if code:
            *_, last = words.strip().splitlines() or [f"`spec` ends with code {code}"]
            raise Unfit(uv.in_short(last))

    def _uv(self, *arguments: str, extra: Mapping[str, str] | None = None) -> None:
        code, words = uv.run(arguments, self._environment | dict(extra or {}), self._lock)
        if not code:
            return
        if not uv.is_transient(words):
            if found := uv.unbuildable(words):
                raise Unfit(f"{found[0]} {found[1]} has no wheel for this Python", found)
            if name := uv.wheelless(words):
                raise Unfit(f"no newer release of {name} has a wheel for this Python")
            if needed := uv.python_needed(words):
                raise Unfit(f"its packages need Python {needed}")
        raise uv.failure(self._package.title, self._package.advice, code, words)
