"""Check this machine before .venv is created: one line for each missing or doubtful thing, and the command to fix it.

scripts/venv.sh calls it with the Python that .venv will use. Exit code 1 if something indispensable is missing. It also
runs under Pythons that are too old (3.6), to report that: it uses no packages and no newer syntax, and quotes the types
that those do not know.
"""

import argparse
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from embedded.connectors import package_settings  # noqa: E402 - found by the line above; no packages are there yet

OLDEST, NEWEST = (3, 11), (3, 14)
OLDEST_GLIBC = (2, 28)
PROCESSORS = ("x86_64", "aarch64", "amd64", "arm64")
PORT = 3043
PROBE = "editables"  # the smallest of the pinned packages: some kilobytes
MISSING, NOTE = "missing: ", "note: "

INSTALL = {
    "python": {
        "apt": "{sudo}apt update && {sudo}apt install python3.11 python3.11-venv",
        "dnf": "{sudo}dnf install python3.12",
        "pacman": "{sudo}pacman -Syu python",
    },
    "venv": {
        "apt": "{sudo}apt update && {sudo}apt install python{version}-venv",
        "dnf": "{sudo}dnf install python3-libs",
        "pacman": "{sudo}pacman -Syu python",
    },
}
FAMILIES = {"debian": "apt", "ubuntu": "apt", "fedora": "dnf", "rhel": "dnf", "centos": "dnf", "arch": "pacman"}


def main(arguments: "list[str]") -> int:
    """Print every problem, and return 1 if one is fatal."""
    options = parse(arguments)
    looks = [python, venv, libc, processor, disk, memory, port, index]
    problems = [p for look in looks if look.__name__ in (options.look or look.__name__) for p in look(options)]
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 1 if any(problem.startswith(MISSING) for problem in problems) else 0


def parse(arguments: "list[str]") -> argparse.Namespace:
    """Return the options: the needs of this project, and for tests, the properties of another machine."""
    parser = argparse.ArgumentParser(description="Tell what this machine lacks for `make demo` and `make test`.")
    # Measured: .venv 490 MB; uv's cache, the connector of the demo, its data and a copy of Postgres 790 MB.
    parser.add_argument("--venv-mib", type=int, default=600, help="disk space for .venv")
    parser.add_argument("--home-mib", type=int, default=900, help="disk space for caches and data")
    # Measured: `make demo` takes 470 MB.
    parser.add_argument("--memory-mib", type=int, default=700, help="memory")
    parser.add_argument("look", nargs="*", help="what to look at, such as `disk`; everything")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--index-seconds", type=int, default=60)
    parser.add_argument("--os-release", type=Path, default=Path("/etc/os-release"))
    parser.add_argument("--libc", default=this_libc(), help="such as 'glibc 2.36'")
    parser.add_argument("--processor", default=platform.machine())
    return parser.parse_args(arguments)


def python(options: argparse.Namespace) -> "Iterator[str]":
    """Refuse Pythons that are too old; note those that may have no wheels."""
    this, implementation = platform.python_version(), platform.python_implementation()
    if sys.version_info[:2] < OLDEST:
        yield (
            f"{MISSING}Python 3.11 or newer; {sys.executable} is {this}. Install one: {command('python', options)} - "
            "or name one that is there: make PYTHON=/path/to/python3 demo"
        )
    elif sys.version_info[:2] > NEWEST or implementation != "CPython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        yield (
            f"{NOTE}this Python ({implementation} {this}) has not been tried, and packages may have no wheels for it. "
            "CPython 3.11 to 3.14 have them: make PYTHON=/path/to/python3 demo"
        )


def venv(options: argparse.Namespace) -> "Iterator[str]":
    """Require the module, which Debian and some own builds leave out of Python."""
    try:
        __import__("ensurepip")
        __import__("venv")
    except ImportError:
        yield f"{MISSING}Python's venv module. Install it: {command('venv', options)}"


def libc(options: argparse.Namespace) -> "Iterator[str]":
    """Require glibc: the wheels for Linux are linked with it."""
    if not sys.platform.startswith("linux"):
        yield f"{NOTE}this has been tried on Linux alone, and here is {sys.platform}. A virtual machine can run Linux."
        return
    found = re.match(r"glibc (\d+)\.(\d+)", options.libc)
    if not found:
        yield (
            f"{MISSING}glibc; this system has another C library (musl?), for which Postgres and DuckDB have no wheels. "
            "Use a system with glibc, or a container of one: Debian, Ubuntu, Fedora, Arch."
        )
    elif tuple(map(int, found.groups())) < OLDEST_GLIBC:
        yield (
            f"{MISSING}glibc 2.28 or newer; this system has {options.libc}, for which DuckDB has no wheels. "
            "Use a newer release of the system, or a container of one."
        )


def this_libc() -> str:
    """Return name and version of glibc; "" for other C libraries."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ""


def processor(options: argparse.Namespace) -> "Iterator[str]":
    """Require a processor with wheels, and a Python of 64 bits: one of 32 runs there too."""
    bits = 64 if sys.maxsize > 2**32 else 32
    if options.processor.lower() not in PROCESSORS or bits == 32:
        yield (
            f"{MISSING}wheels of Postgres and DuckDB for this processor ({options.processor}, {bits} bits). "
            "They exist for x86_64 and aarch64 with 64 bits: use such a machine and a Python of 64 bits."
        )


def disk(options: argparse.Namespace) -> "Iterator[str]":
    """Require space for .venv; note too little for caches and data, which may be on another file system."""
    # Unlike Path's, this expanduser does not fail if an account has no home.
    home = existing(Path(os.getenv("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")).absolute())  # noqa: PTH111
    project = existing(ROOT)
    needs = {project: options.venv_mib, home: options.home_mib}
    if project.stat().st_dev == home.stat().st_dev:
        needs = {project: options.venv_mib + options.home_mib}
    for folder, need in needs.items():
        free = shutil.disk_usage(str(folder)).free // 2**20
        # Caches and connectors may be there already, so only a new .venv that cannot fit is refused.
        fatal = folder == project and free < options.venv_mib and not (ROOT / ".venv" / "ready").exists()
        if free < need:
            yield (
                f"{MISSING if fatal else NOTE}{need} MiB of disk space at {folder}, where {free} MiB are free. "
                f"See what fills it: du -xh '{folder}' | sort -h | tail"
            )


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above that exists and may be reached."""
    try:
        return folder if folder.exists() else existing(folder.parent)
    except PermissionError:
        return existing(folder.parent)


def memory(options: argparse.Namespace) -> "Iterator[str]":
    """Note too little free memory, within the limit of a container."""
    try:
        meminfo = Path("/proc/meminfo").read_text()
        free = sum(int(size) for size in re.findall(r"(?:MemAvailable|SwapFree): *(\d+)", meminfo)) // 1024
        limit = Path("/sys/fs/cgroup/memory.max")
        if limit.exists() and limit.read_text().strip().isdigit():
            free = min(free, int(limit.read_text()) // 2**20)
    except OSError:
        return
    if free < options.memory_mib:
        yield (
            f"{NOTE}{free} MiB of memory are free, and `make demo` takes up to {options.memory_mib}. "
            "See what fills it: ps aux --sort -rss | head"
        )


def port(options: argparse.Namespace) -> "Iterator[str]":
    """Note a taken port: only `make serve` needs this one."""
    if os.getenv("SYNCCTL_HTTP_PORT"):
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", options.port))
        except OSError:
            yield (
                f"{NOTE}port {options.port} is taken. `make demo` uses another one; "
                f"for `make serve`: SYNCCTL_HTTP_PORT={options.port + 1} make serve"
            )


def index(options: argparse.Namespace) -> "Iterator[str]":
    """Let pip download a small package without its cache, so that its configuration, proxies and authorities count."""
    pip = pip_command()
    if not pip or sys.version_info[:2] < OLDEST:
        return
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        found = re.search(rf"(?m)^{PROBE}==.*\n(?: .*\n)*", (ROOT / "requirements.lock").read_text())
        wanted.write_text(found.group() if found else PROBE)
        pip += ["download", "--quiet", "--no-deps", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
        pip += ["--retries", "1", "--timeout", "15", "--dest", folder, "--requirement", str(wanted)]
        trouble = run(pip, options.index_seconds)
    if trouble:
        environment = dict(os.environ)  # noqa: TID251 - with pip's own settings
        settings = package_settings.of_pip(environment, pip_command()).values()
        trouble = package_settings.redact(trouble, [*package_settings.addresses(environment), *settings])
        yield (
            f"{MISSING}a package index that pip can reach. Check the network, the variables HTTPS_PROXY and "
            f"PIP_INDEX_URL, and pip.conf: python3 -m pip config list. pip: {trouble}"
        )


def pip_command() -> "list[str]":
    """Return the command of pip from the wheel that Python keeps for new environments: pip may not be installed."""
    folders = [
        sysconfig.get_config_var("WHEEL_PKG_DIR"),
        Path(sysconfig.get_paths()["stdlib"], "ensurepip", "_bundled"),
    ]
    wheels = [wheel for folder in folders if folder for wheel in Path(folder).glob("pip-*.whl")]
    return [sys.executable, str(wheels[0] / "pip")] if wheels else []


def run(pip: "list[str]", seconds: int) -> str:
    """Return the reason of pip's failure in one line; "" if it succeeded."""
    environment = dict(os.environ, PIP_REQUIRE_VIRTUALENV="0")  # noqa: TID251 - with pip's own settings
    process = subprocess.Popen(
        pip, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        output = process.communicate(timeout=seconds)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds} seconds."
    finally:
        process.kill()
    return reason(output) if process.returncode else ""


def reason(output: str) -> str:
    """Return pip's line about the connection (its last one only tells that it found no package)."""
    lines = [line for line in output.splitlines() if line.strip()] or ["nothing."]
    chosen = ([line for line in lines if line.startswith("WARNING: ")] or lines)[-1]
    return re.sub(r"\(Retry\(.*?\)\) |<[^<>]* object at \w+>: ", "", chosen)


def command(what: str, options: argparse.Namespace) -> str:
    """Return the command that installs it on this system; on an unknown system, those of the common ones."""
    release = options.os_release.read_text() if options.os_release.exists() else ""
    names = " ".join(re.findall(r"(?m)^(?:ID|ID_LIKE)=[\"']?([^\"'\n]*)", release)).split()
    families = [FAMILIES[name] for name in names if name in FAMILIES][:1] or ["apt", "dnf", "pacman"]
    version = "{}.{}".format(*sys.version_info)
    sudo = "" if os.geteuid() == 0 else "sudo "
    return ", or ".join(INSTALL[what][family].format(sudo=sudo, version=version) for family in families)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
