"""Run uv: the variables that it gets, its time limit, and the meaning of its output."""

import logging
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil
from uv import find_uv_bin

from common.errors import Refused, Unavailable
from embedded.connectors import package_settings

log = logging.getLogger(__name__)

INSTALL_SECONDS = 1800
"""For a build that hangs; uv has time-outs of its own for the network."""

_PROGRAM_VARIABLES = re.compile(r"HOME|PATH|LANG|LC_[A-Z]+|TMPDIR|LD_LIBRARY_PATH", re.IGNORECASE)
"""The variables that any program gets."""
_INSTALL_VARIABLES = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX(_.+)?|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER|CREDENTIALS_DIR|INSECURE_HOST"
    r"|NATIVE_TLS|SYSTEM_CERTS|OFFLINE|HTTP_.+|REQUEST_TIMEOUT|CACHE_DIR|NO_CACHE|LINK_MODE|LOCK_TIMEOUT|CONCURRENT_.+"
    r"|CONFIG_FILE|NO_CONFIG|PYTHON_.+|PYPY_.+|(NO_)?MANAGED_PYTHON|EXCLUDE_NEWER.*|(BUILD_)?CONSTRAINT|PRERELEASE"
    r"|NO_(BUILD|BINARY).*)"
    r"|PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|CERT|CONFIG_FILE)|SSL_(CERT_FILE|CERT_DIR|CLIENT_CERT)|NETRC"
    r"|XDG_(CACHE_HOME|CONFIG_HOME|CONFIG_DIRS|DATA_HOME)|(HTTP|HTTPS|ALL|NO)_PROXY|(CURL|REQUESTS)_CA_BUNDLE",
    re.IGNORECASE,
)
"""What an install gets besides: where packages and Pythons come from, and how they are fetched and kept.

A build inherits them, and runs a package's code: never a token to publish with, our settings or PYTHONPATH.
"""

_PERMANENT = re.compile(
    r"no solution found|failed to (download and )?build|failed to parse|invalid|incompatible", re.IGNORECASE
)
_TRANSIENT = re.compile(
    r"error sending request|failed to fetch|request failed|network (was|is) disabled|timed? ?out|dns error"
    r"|connect(ion)? (error|refused|reset)|could not be queried|unauthorized|forbidden|too many requests"
    r"|no space left|permission denied"
    r"|invalid value '|environment variable|uv\.toml|failed to open file|`--find-links`|relative paths passed to",
    re.IGNORECASE,
)
"""In uv's output: a retry, or a change of the machine, can help. Outweighs _PERMANENT."""

_UV_LINE = re.compile(r"error: |warning: |\s+cause: |hint: ")
_INCOMPATIBLE = (
    (
        re.compile(r"[Ff]ailed to (?:download and )?build[^`\n]*`([\w.-]+)==([^`\s]+)`"),
        "{} {} has no wheel for this Python",
    ),
    (
        re.compile(r"Wheels are required for `([\w.-]+)`"),
        "no release of {} that may be used has a wheel for this Python",
    ),
    (re.compile(r"does not satisfy Python\s*([<>=!~,.*\d]+)"), "its packages need Python {}"),
)
"""In uv's output: another Python, or other packages, can help."""

IMPATIENT = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "1"}
"""For downloads that are optional: the network may have a package index and nothing else."""

_LONGEST = 600
"""Characters of uv's output in an error."""


class Incompatible(Exception):
    """The connector does not run like this, but may with another Python or with other packages.

    `package` is the name and version of a package that cannot be installed, if that is why.
    """

    def __init__(self, why: str, package: tuple[str, str] | None = None) -> None:
        super().__init__(why)
        self.package = package


def run(arguments: Sequence[str], environment: Mapping[str, str], held: int) -> tuple[int, str]:
    """Run uv; return its exit code and its output."""
    command = [find(), "--color=never", "--no-progress", *arguments]
    return run_program(command, environment, held, INSTALL_SECONDS)


def run_program(command: Sequence[str], environment: Mapping[str, str], held: int, seconds: float) -> tuple[int, str]:
    """Run a program in an empty folder, so that no project's settings or files apply; return exit code and output.

    The output has no passwords. It inherits the descriptor `held`, and is killed with its children after `seconds`.
    """
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=empty,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(held,),
        )
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        finally:
            _kill(process)
        output.seek(0)
        text = output.read().decode(errors="replace")
        return process.returncode, package_settings.redact(text, package_settings.addresses(environment))


def _is_transient(output: str) -> bool:
    """Tell, from uv's own lines, not from a build's, whether a retry or a change of the machine can help."""
    return any(_TRANSIENT.search(line) for line in output.splitlines() if _UV_LINE.match(line))


def failure(title: str, advice: str, code: int, output: str) -> Incompatible | Refused | Unavailable:
    """Return the error for a failure of uv: Unavailable if a retry can help, else Incompatible or Refused."""
    log.debug("uv ended with code %d:\n%s", code, output, extra={"action": "install"})
    transient = _is_transient(output)
    for pattern, problem in () if transient else _INCOMPATIBLE:
        if found := pattern.search(output):
            parts = [part.rstrip(",") for part in found.groups()]
            return Incompatible(problem.format(*parts), (parts[0], parts[1]) if len(parts) > 1 else None)
    why = summary(output) or f"uv ended with code {code} and no output"
    if _PERMANENT.search(output) and not transient:
        return Refused(f"{title} cannot be installed: {why}. {advice}")
    return Unavailable(
        f"{title} cannot be installed now: {why}. Check this machine's network, disk and settings "
        f"for packages (variables PIP_* and UV_*, pip.conf, uv.toml), and try again."
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill uv and its children, if it still runs."""
    if process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(process.pid)
            for one in (root, *root.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        process.wait()


def find() -> str:
    """Return the path of the uv program."""
    try:
        return find_uv_bin()
    except FileNotFoundError as exc:
        raise Unavailable('uv is not installed. Install "sync-functions[embedded]".') from exc


def install_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that an install may see."""
    allowed = (_PROGRAM_VARIABLES, _INSTALL_VARIABLES)
    return {name: value for name, value in environment.items() if any(some.fullmatch(name) for some in allowed)}


def program_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return those that other programs than uv may see: none says where packages come from, or with which password."""
    return {name: value for name, value in environment.items() if _PROGRAM_VARIABLES.fullmatch(name)}


def uv_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the same, with pip's settings (variables and files) under uv's names too."""
    passed = install_variables(environment)
    return passed | package_settings.for_uv(passed)


def summary(output: str) -> str:
    """Return uv's reason in one line, without paths and addresses."""
    reason = output[max(output.find("error: "), 0) :].removeprefix("error: ")
    reason = re.sub(r"[\w+.-]+://[^\s)`]+", "the package index", reason)
    reason = reason.removeprefix("No solution found when resolving dependencies")
    reason = re.sub(r"\n\s*(cause|hint): ", "; ", reason).removeprefix("; ")
    reason = re.sub(r"^[\s╰─▶]*Because (?=\S+ was not found|there is no version)", "", reason)
    reason = re.sub(r"(?<![\w.])(/[\w.@+-]+){2,}", "...", reason)
    reason = " ".join(reason.split())
    reason = re.sub(r"(,| And because| and) you require \S+, we can conclude that your .*? unsatisfiable\.", "", reason)
    if len(reason) > _LONGEST:
        reason = f"{reason[: _LONGEST // 3]} ... {reason[-_LONGEST * 2 // 3 :]}"
    return reason.rstrip(".")
