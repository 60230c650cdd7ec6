"""A new machine: a minimal system in a folder, with a clone of this project, for as long as it is used."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.fresh import systems
from tests.fresh.cells import Account, Suite
from tests.fresh.settings import FreshSettings

ROOT = Path(__file__).parents[2]
INSIDE = Path(__file__).with_name("inside.sh")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

# Ends with its parent, however that ends; and everything inside ends with it.
NAMESPACES = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation", "private", "--pid", "--ipc", "--uts", "--fork", "--kill-child"),
)

# What is meant to be hostile must be so: else these tests would pass for nothing.
HOSTILE = """
umask 077
cp /bin/true /tmp/true
if /tmp/true 2>/dev/null; then echo '/tmp lets programs run'; exit 99; fi
"""


@dataclass(frozen=True)
class Machine:
    """A system, and who uses it."""

    folder: Path
    account: Account
    hostile: bool
    settings: FreshSettings

    @property
    def home(self) -> Path:
        """As seen from inside."""
        return Path("/root" if self.account is Account.ROOT else f"/home/{self.account}")

    @property
    def project(self) -> Path:
        """As seen from inside."""
        return self.home / ("a clone with blanks" if self.hostile else "project")

    def outside(self, path: Path) -> Path:
        """Return where a path of the machine is seen from here."""
        return self.folder / path.relative_to("/")

    def run(self, command: str, output: Path, *, network: bool = True) -> int:
        """Run a command in the clone, as the account and with an empty environment; return its exit code."""
        lines = ["set -e", f"cd '{self.project}'", HOSTILE if self.hostile else "", command, ""]
        (self.folder / "run.sh").write_text("\n".join(lines))
        (self.folder / "run.sh").chmod(0o755)
        account = ("setpriv", "--reuid", self.account, "--regid", self.account, "--init-groups", "bash", "/run.sh")
        tmp = "noexec" if self.hostile else "exec"
        inside = ["bash", str(INSIDE), str(self.folder), sys.executable, tmp, *self._environment(), *account]
        with output.open("ab") as file:
            process = subprocess.Popen(
                [*NAMESPACES, *([] if network else ["--net"]), *inside],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C at the terminal is for us, who end it
            )
        try:
            return process.wait()
        finally:
            process.kill()
            process.wait()

    def _environment(self) -> list[str]:
        variables = {
            **self.settings.network,
            "HOME": str(self.home),
            "USER": self.account,
            "LOGNAME": self.account,
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "SSL_CERT_FILE": str(AUTHORITIES),
        }
        return [f"{name}={value}" for name, value in variables.items()]


@contextmanager
def fresh(suite: Suite, account: Account, settings: FreshSettings, *, hostile: bool = False) -> Iterator[Machine]:
    """Make a machine, and remove it in the end."""
    tar = systems.tar_of(suite, settings)
    remove_left_over(settings.cache)
    new = Path(mkdtemp(prefix="new.", dir=settings.cache))
    held = _hold(new)
    folder = new.rename(new.with_name(f"machine{new.suffix}"))  # now that nobody takes it for one left over
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        machine = Machine(folder, account, hostile, settings)
        _unpack(machine, tar)
        _clone(machine)
        yield machine
    finally:
        _remove(folder)
        os.close(held)
        signal.signal(signal.SIGTERM, before)


def remove_left_over(cache: Path) -> None:
    """Remove the machines of runs that were killed: nobody holds them any more."""
    for folder in cache.glob("machine.*"):
        with suppress(FileNotFoundError, BlockingIOError):
            held = _hold(folder)
            _remove(folder)
            os.close(held)


def _hold(folder: Path) -> int:
    """Lock the folder for this process. Raise BlockingIOError if another one uses it."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise
    return held


def _remove(folder: Path) -> None:
    """Finish it, even if Ctrl-C is pressed once more."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        shutil.rmtree(folder)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unpack(machine: Machine, tar: Path) -> None:
    subprocess.run(["tar", "-C", machine.folder, "-xf", tar], check=True)
    machine.folder.chmod(0o755)
    for name in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", str(AUTHORITIES)):
        if Path(name).exists():  # how this machine finds and trusts its package index
            shutil.copyfile(name, machine.outside(Path(name)))
    if machine.account is not Account.ROOT:
        command = ["chroot", str(machine.folder), "useradd", "--create-home", "--shell", "/bin/bash", machine.account]
        subprocess.run(command, check=True)
    machine.outside(machine.home).chmod(0o700)


def _clone(machine: Machine) -> None:
    """Clone what is committed here. Its files are the account's, so none of them may be a link to one of ours."""
    target = machine.outside(machine.project)
    command = ["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(target)]
    subprocess.run(command, check=True, umask=0o077 if machine.hostile else 0o022)
    owner = machine.outside(machine.home).stat()
    for path in (target, *target.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
