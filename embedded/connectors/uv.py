"""uv as a program: what it may see of this machine, how it is ended, and what its words mean."""

import logging
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Timer

import psutil
from uv import find_uv_bin

from common.errors import Refused, Unavailable

log = logging.getLogger(__name__)

INSTALL_SECONDS = 1800
"""uv has time-outs for the network; this one is for a build that hangs."""

_PASSED_ON = re.compile(
    r"UV_(?!WORKING_DIR|PROJECT|PYTHON$).+|(PIP_|SSL_|XDG_).+|(HTTP|HTTPS|ALL|NO)_PROXY|(CURL|REQUESTS)_CA_BUNDLE"
    r"|HOME|PATH|LANG|LC_ALL|TMPDIR|NETRC|LD_LIBRARY_PATH",
    re.IGNORECASE,
)
"""What an install may see of our environment: never our settings, virtual environment or PYTHONPATH."""

_LIKE_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}
"""A machine set up for pip works for uv too, which does not read pip's variables."""

_PERMANENT = re.compile(
    r"no solution found|failed to (download and )?build|failed to parse|invalid|incompatible", re.IGNORECASE
)
_TRANSIENT = re.compile(
    r"error sending request|failed to fetch|request failed|network (was|is) disabled|timed? ?out|dns error"
    r"|connect(ion)? (error|refused|reset)|could not be queried|unauthorized|forbidden|too many requests"
    r"|no space left|permission denied",
    re.IGNORECASE,
)
"""In what uv says: another try, or a machine set right, can help. Outweighs _PERMANENT."""

_OWN_LINE = re.compile(r"error: |\s+cause: |hint: ")
_UNBUILDABLE = re.compile(r"[Ff]ailed to (?:download and )?build[^`\n]*`([\w.-]+)==([^`\s]+)`")
_WHEELLESS = re.compile(r"Wheels are required for `([\w.-]+)`")
_PYTHON_NEEDED = re.compile(r"does not satisfy Python\s*([<>=!~,.*\d]+)")

IMPATIENT = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "1"}
"""For what can be done without: a machine may have a package index and nothing else of the network."""

_LONGEST = 600
"""Characters of uv's words that go into an error."""


def run(arguments: Sequence[str], environment: Mapping[str, str], held: int) -> tuple[int, str]:
    """Run uv; return its exit code and its output."""
    command = [find(), "--color=never", "--no-progress", *arguments]
    return run_program(command, environment, held, INSTALL_SECONDS)


def run_program(command: Sequence[str], environment: Mapping[str, str], held: int, seconds: float) -> tuple[int, str]:
    """Run a program in an empty folder, so that no project's settings or files apply; return exit code and output.

    It keeps the file `held` open as long as it runs, and is killed with its children after so many seconds.
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
        limit = Timer(seconds, _end, [process])
        limit.start()
        try:
            process.wait()
        finally:
            limit.cancel()
            _end(process)
        output.seek(0)
        return process.returncode, output.read().decode(errors="replace")


def is_transient(words: str) -> bool:
    """Tell whether another try, or a machine set right, can help; judged by uv's own lines, not by a build's output."""
    return any(_TRANSIENT.search(line) for line in words.splitlines() if _OWN_LINE.match(line))


def unbuildable(words: str) -> tuple[str, str] | None:
    """Return name and version of the package that has no wheel and cannot be built, if that is what uv reports."""
    found = _UNBUILDABLE.search(words)
    return (found[1], found[2]) if found else None


def wheelless(words: str) -> str:
    """Return the package that may not be built and has no release with a wheel, if that is what uv reports; else ""."""
    found = _WHEELLESS.search(words)
    return found[1] if found else ""


def python_needed(words: str) -> str:
    """Return the range of Pythons that a package needs, if uv reports that ours is outside; else ""."""
    found = _PYTHON_NEEDED.search(words)
    return found[1].rstrip(",") if found else ""


def failure(title: str, advice: str, code: int, words: str) -> Refused | Unavailable:
    """Return the error for a failure of uv: whether another try can help, and why, in uv's words."""
    log.debug("uv ended with code %d:\n%s", code, words, extra={"action": "install"})
    why = in_short(words) or f"uv ended with code {code} and no output"
    if _PERMANENT.search(words) and not is_transient(words):
        return Refused(f"{title} cannot be installed: {why}. {advice}")
    return Unavailable(
        f"{title} cannot be installed now: {why}. Check this machine's network, disk and settings "
        f"for packages (uv reads UV_DEFAULT_INDEX or its uv.toml, not pip.conf), and try again."
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends uv and whatever it builds with, if it still runs."""
    if process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            uv = psutil.Process(process.pid)
            for one in (uv, *uv.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        process.wait()


def find() -> str:
    """Return the path of the uv program."""
    try:
        return find_uv_bin()
    except FileNotFoundError as exc:
        raise Unavailable('uv is not installed. Install "sync-functions[embedded]".') from exc


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What an install may see of an environment."""
    return {name: value for name, value in environment.items() if _PASSED_ON.fullmatch(name)}


def understood(environment: Mapping[str, str]) -> dict[str, str]:
    """The same, with what is set for pip alone in uv's words too."""
    passed = passed_on(environment)
    for name, ours in _LIKE_PIP.items():
        if name in passed:
            # Lists: blanks divide them for pip, and for UV_INDEX; UV_FIND_LINKS wants commas.
            value = ",".join(passed[name].split()) if ours == "UV_FIND_LINKS" else passed[name]
            passed.setdefault(ours, value)
    return passed


def in_short(said: str) -> str:
    """uv's reason in one line, without addresses (they may hold passwords) and without paths."""
    reason = said[max(said.find("error: "), 0) :].removeprefix("error: ")
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
