"""Make the virtual environment of a connector, with a Python that its packages support.

Connectors lag behind Python: many pin a package that has no wheel for a new Python, and some install but cannot be
imported. So an environment counts only once the connector has answered `spec` in it. Tried in turn:

1. our own Python, then others of this machine, then one that uv downloads: all packages as published, if the
   connector's Requires-Python allows that Python. A package without a wheel is built, unless that takes a compiler: old
   CDKs pin such packages (pendulum 2), and with wheels alone uv would silently take another release of them. Where the
   connector does not start with the newest packages, the same Python gets those of the day of its release: its image
   has a lock file, its package only bounds, and newer CDKs refuse what older ones took.
2. our Python, and for each package without a wheel the oldest newer release that has one. The newest release breaks its
   users more often: source-faker 7.2.1 starts with whenever 0.8, but not with 0.11.
3. our Python, with the compilers of this machine.
"""

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from common.errors import Refused
from embedded import files
from embedded.connectors import published, pythons, releases, spec_answer, uv
from embedded.connectors.connector import Connector, Environment
from embedded.connectors.uv import Incompatible

START_SECONDS = 120
"""For `spec`, which reads no configuration and no network: a connector takes 1 to 3 s for its imports."""
_WITHOUT_COMPILERS = dict.fromkeys(("CC", "CXX", "FC", "CARGO", "RUSTC"), "false")
"""A build that needs one fails within seconds; one that can do without (PyYAML, pendulum) succeeds."""
_MOST_REPLACED = 20


class DoesNotStart(Incompatible):
    """The connector is installed, and does not answer `spec`."""


class EnvironmentBuilder:
    """Builds the environment of a connector, but for its file `ready`.

    Every program that it runs inherits the descriptor `lock`, so the lock is held until the last of them has ended.
    """

    def __init__(
        self, connector: Connector, variables: Mapping[str, str], lock: int, report: Callable[[str], None]
    ) -> None:
        self._connector, self._variables, self._lock, self._report = connector, dict(variables), lock, report
        self._requirement = f"{connector.name}=={connector.version}"
        self._own_wheel = [f"--only-binary={connector.name}"] if connector.as_wheel else []
        self._requires = ""
        self._released: str | None = None
        self._plain = uv.program_variables(variables)
        self._interpreters = pythons.Interpreters(self._plain, lock)

    def build(self) -> Environment:
        """Make the first environment that works.

        Raise Refused if none does or the connector does not exist, Unavailable if a retry can help (network, disk).
        """
        self._requires = self._look_up()
        tried: dict[str, Incompatible] = {}
        for version, python, download in self._pythons():
            if version in tried:
                continue
            try:
                if not self._make_venv(python, download=download):
                    if download:
                        break  # the next version would come from the same place
                    continue
                return self._install_as_published(python, download=download)
            except Incompatible as problem:
                tried[version] = problem
                title = self._connector.title
                self._report(f"{title} does not run with Python {version}: {problem}; looking further ...")
        return self._fall_back(tried)

    def _install_as_published(self, python: str, *, download: bool) -> Environment:
        """Install the newest packages that the connector allows; if it does not start, those of its release."""
        try:
            return self._install({}, _WITHOUT_COMPILERS)
        except DoesNotStart as problem:
            until = self._until()
            if not until or not self._make_venv(python, download=download):
                raise
            self._report(f"{self._connector.title} does not start ({problem}); trying the packages of {until[:10]} ...")
            try:
                return self._install({}, _WITHOUT_COMPILERS, until)
            except Incompatible:
                raise problem from None

    def _until(self) -> str:
        """Return the day of the connector's release; looked up once."""
        if self._released is None:
            self._released = releases.newest_day(self._requirement, self._variables, self._lock)
        return self._released

    def _look_up(self) -> str:
        """Return the connector's Requires-Python, after an installation without its dependencies."""
        connector = self._connector
        with tempfile.TemporaryDirectory() as folder:
            # For the newest Python, because uv checks lower bounds alone; `pythons` checks the whole range.
            newest = ("--python", sys.executable, "--python-version", pythons.newest())
            try:
                options = ["--no-deps", *self._own_wheel, *newest, "--target", folder]
                self._uv("pip", "install", *options, self._requirement)
            except Incompatible as problem:
                build = f" To build it from source, allow it: {published.SETTING}=airbyte/{connector.program}."
                advice = connector.advice + (build if connector.as_wheel else "")
                raise Refused(f"{connector.title} cannot be installed: {problem}. {advice}") from problem
            (found,) = distributions(name=connector.name, path=[folder])
            if connector.program not in {entry.name for entry in found.entry_points.select(group="console_scripts")}:
                raise Refused(
                    f"{connector.title} is not a connector: it has no program {connector.program}. {connector.advice}"
                )
            return str(found.metadata.json.get("requires_python", ""))

    def _pythons(self) -> Iterator[tuple[str, str, bool]]:
        """Yield version, request to uv, and whether to download it, of each Python that the connector allows."""
        ours = pythons.OURS
        if pythons.allows(self._requires, ours):
            yield ours, sys.executable, False
        others = [one for one in self._allowed() if not pythons.same(one, ours)]
        for one in others:
            if found := self._interpreters.find(one):
                yield one, found, False
            yield one, f"cpython@{one}", False
        yield from ((one, f"cpython@{one}", True) for one in others if one in pythons.DOWNLOADED)

    def _allowed(self) -> list[str]:
        return [one for one in pythons.VERSIONS if pythons.allows(self._requires, one)]

    def _fall_back(self, tried: Mapping[str, Incompatible]) -> Environment:
        """Use our Python with other packages, or with compilers."""
        ours = pythons.OURS
        last = tried.get(ours)
        if last is None or last.package is not None:
            for install in (self._replace, lambda: self._install({}, {})):
                try:
                    self._make_venv(sys.executable, download=False)
                    return install()
                except Incompatible as problem:
                    last = last or problem
        wanted = next((one for one in self._allowed() if not any(pythons.same(one, other) for other in tried)), "")
        raise Refused(f"{self._connector.title} does not run with Python {ours}: {last}.\n{self._advice(wanted)}")

    def _advice(self, wanted: str) -> str:
        if not wanted:
            return self._connector.advice
        tried = " (it could not be downloaded just now)" if wanted in pythons.DOWNLOADED else ""
        return f"Install Python {wanted} by `{shlex.quote(uv.find())} python install {wanted}`{tried}, and try again."

    def _replace(self) -> Environment:
        """Install with newer releases, one more each time that a package proves to have no wheel."""
        pinned: dict[str, str] = {}
        while True:
            try:
                return self._install(pinned, _WITHOUT_COMPILERS)
            except Incompatible as problem:
                if problem.package is None or problem.package[0] in pinned or len(pinned) == _MOST_REPLACED:
                    raise
                pinned |= [problem.package]
                self._report(f"Python {pythons.OURS}: {problem}; trying a newer release ...")

    def _make_venv(self, python: str, *, download: bool) -> bool:
        """Make an empty environment; return False if there is no such Python."""
        connector = self._connector
        files.remove(connector.home)
        if download:
            self._report(f"downloading {python.replace('cpython@', 'Python ')} for {connector.title} ...")
        options = ["--no-project", *([] if download else ["--no-python-downloads"]), "--python", python]
        if not Path(python).is_absolute():
            options.append("--managed-python")  # those on PATH are found by Interpreters
        code, output = uv.run(["venv", *options, str(connector.home)], uv.IMPATIENT | self._variables, self._lock)
        if code and python == sys.executable:
            raise uv.failure(connector.title, connector.advice, code, output)
        return code == 0

    def _install(self, pinned: Mapping[str, str], variables: Mapping[str, str], until: str = "") -> Environment:
        """Install into the empty environment, with newer releases of the `pinned` packages, none newer than `until`.

        Raise Incompatible.
        """
        home = self._connector.home
        # Compiled now: a connector starts for every task, and takes a third longer without.
        options = [
            "--compile-bytecode",
            *self._own_wheel,
            *(["--exclude-newer", until] if until else []),
            "--python",
            str(home / "bin" / "python"),
        ]
        newer = [f"{name}>={version}" for name, version in pinned.items()]
        with tempfile.NamedTemporaryFile("w") as overrides:
            overrides.write("\n".join(newer))
            overrides.flush()
            if pinned:
                options += ["--overrides", overrides.name, "--resolution", "lowest-direct"]
                options += [f"--only-binary={name}" for name in pinned]
            self._uv("pip", "install", *options, self._requirement, *newer, variables=variables)
        self._check_start()
        installed = distributions(path=[str(folder) for folder in home.glob("lib/python*/site-packages")])
        replaced = {
            found.name: (pinned[name], found.version)
            for found in installed
            if (name := canonicalize_name(found.name)) in pinned
        }
        return Environment(pythons.version_of(home), self._requires, replaced, until)

    def _check_start(self) -> None:
        """Raise DoesNotStart if the connector cannot answer `spec`."""
        command = [str(self._connector.executable), "spec"]
        code, output = uv.run_program(command, self._plain, self._lock, START_SECONDS)
        if why := spec_answer.problem(code, output):
            raise DoesNotStart(why)

    def _uv(self, *arguments: str, variables: Mapping[str, str] | None = None) -> None:
        code, output = uv.run(arguments, self._variables | dict(variables or {}), self._lock)
        if code:
            raise uv.failure(self._connector.title, self._connector.advice, code, output)
