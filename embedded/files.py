"""Files that are written whole or not at all, locks that the kernel releases when their holder dies, own folders."""

import fcntl
import os
import pwd
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import SyncError

HOME_ADVICE = "Choose a folder of this account's own with --home or SYNCCTL_HOME."


def write_atomic(path: Path, content: bytes, mode: int = 0o600, *, durable: bool = False) -> None:
    """Replace a file: readers see the old content or the new one. `durable`: so it is after a crash of the machine."""
    half = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)  # a full disk: half a secret must not stay
        raise


@contextmanager
def lock(path: Path, wait: Callable[[], object] | None = None) -> Iterator[int]:
    """Lock a folder, or a file that is created if missing, and yield its descriptor.

    A process that inherits the descriptor keeps the lock, too. Where another one has it, call `wait` and block; raise
    BlockingIOError without `wait`.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if wait is None:
                raise
            wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def open_log(path: Path) -> int:
    """Return a descriptor to append to a file that is this account's alone; a link is not followed (OSError)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)  # an earlier version left it open to others
    return descriptor


def own_folder(folder: Path, advice: str = HOME_ADVICE, mode: int = 0o700) -> None:
    """Make a folder if it is missing. Raise SyncError with `advice` if another account may change what is in it.

    Else that account could have this one write through links, or run its programs: the way to the folder counts as
    well as what lies in it.
    """
    _check_way(folder, advice)
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    _check_way(folder, advice)
    if folder.stat().st_mode & stat.S_IWOTH:
        raise SyncError(f"Every account may write to {folder}. {advice}")
    for path in folder.iterdir():
        _check_owner(path, advice)


def is_own(path: Path) -> bool:
    """Tell whether a file or link, not what it points to, belongs to this account or to root."""
    return path.lstat().st_uid in {0, os.geteuid()}


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if there is one; others may remove what is in it meanwhile."""
    while path.is_dir() and not path.is_symlink():
        with suppress(FileNotFoundError):
            shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _check_way(folder: Path, advice: str) -> None:
    """Check the folder, or the nearest one above that exists; as root, all above, too, with links and without."""
    folder = folder.absolute()
    for way in (folder, folder.resolve()):
        there = [path for path in (way, *way.parents[:-1]) if os.path.lexists(path)]
        for path in there if os.geteuid() == 0 else there[:1]:
            _check_owner(path, advice)
            open_bits = path.lstat().st_mode & (stat.S_IWOTH | stat.S_ISVTX)
            if path != folder and open_bits == stat.S_IWOTH and not path.is_symlink():
                raise SyncError(f"Every account may replace what is in {path}. {advice}")


def _check_owner(path: Path, advice: str) -> None:
    if not is_own(path):
        uid = path.lstat().st_uid
        try:
            owner = pwd.getpwuid(uid).pw_name
        except KeyError:
            owner = str(uid)
        raise SyncError(f"{path} belongs to another account ({owner}), which could misuse this one. {advice}")
