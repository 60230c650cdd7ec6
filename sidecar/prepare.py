"""Make the pipes and the connector's files before anything else: the source waits for them.

What is imported here, every task waits for: the quickest parts of the standard library alone, and more only where it is
needed. A volume may hold what an earlier life of its pod has left (a node restarted): none of it is believed.
"""

import io
import os
from collections.abc import Mapping

from sidecar.early_stop import EarlyStop
from sidecar.fifo import is_held

_READY, _OVER = "ready.", "over"
_LEFT = ("exit-code", "exit-code.new", "stdout", "stderr", "alive", _OVER)
_MODE = 0o666
"""The source is another user, whichever its image names."""
_CHUNK_BYTES = 1024 * 1024


class SourceHasBegun(Exception):
    """A source runs already: another sidecar has read of it what this one will never see."""


def prepare(environ: Mapping[str, str], early: EarlyStop) -> None:
    """Make pipes and files, and last what tells the source to begin; nothing where PIPES_FOLDER is not set.

    A source whose sidecar has been told to end does not begin.
    Raise SourceHasBegun, Refused for a Secret's value that is missing, or OSError and others of what is in the files.
    """
    pipes = environ.get("PIPES_FOLDER", "").strip()
    if not pipes:
        return
    before = os.umask(0)
    try:
        _clear(pipes, environ["SOURCE_ALIVE_FILE"])
        for name in ("STDERR_PIPE_FILE", "STDOUT_PIPE_FILE"):
            os.mkfifo(environ[name], _MODE)
        if files := environ.get("FILES_FOLDER", "").strip():
            for folder in (environ["CONFIG_FOLDER"], environ.get("RESUME_FOLDER", "")):
                _copy(folder.strip(), files)
        if environ.get("REFERENCES"):
            from sidecar import resolve

            resolve.resolve(environ)
        # A name of its own each time: see common/pods/scripts.py.
        if early.at is None:
            os.mkfifo(f"{pipes}/{_READY}{os.urandom(8).hex()}", _MODE)
    finally:
        os.umask(before)


def call_off(environ: Mapping[str, str]) -> None:
    """Tell a source that has not begun that it is not to, so that it ends."""
    if not (pipes := environ.get("PIPES_FOLDER", "").strip()):
        return
    try:
        _hold_back(pipes)
        os.close(os.open(f"{pipes}/{_OVER}", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE))
    except OSError:
        return  # its pod will be deleted


def _clear(pipes: str, alive: str) -> None:
    """Remove what an earlier life has left. First what lets a source begin: it may be looking at this moment."""
    if is_held(alive):
        raise SourceHasBegun
    _hold_back(pipes)
    if is_held(alive):
        raise SourceHasBegun
    for name in _LEFT:
        _remove(f"{pipes}/{name}")


def _hold_back(pipes: str) -> None:
    """Remove what lets a source begin, in the order of its names there: it may be renaming it at this moment."""
    for name in os.listdir(pipes):
        if name.startswith(_READY):
            _remove(f"{pipes}/{name}")
    _remove(f"{pipes}/alive.new")


def _copy(folder: str, files: str) -> None:
    """Copy, or unpack, a Secret's files to where the connector expects them; a later folder's take their places."""
    for name in sorted(os.listdir(folder)) if folder else ():
        if not name.startswith("."):  # the kubelet's own, behind which it changes a volume
            with _opened(f"{folder}/{name}") as given, os.fdopen(_new(f"{files}/.new"), "wb") as made:
                while chunk := given.read(_CHUNK_BYTES):
                    made.write(chunk)
            target = f"{files}/{name.removesuffix('.gz')}"
            _remove(target)
            os.rename(f"{files}/.new", target)


def _opened(path: str) -> io.BufferedIOBase:
    if not path.endswith(".gz"):
        return open(path, "rb")
    import gzip

    return gzip.open(path)


def _new(path: str) -> int:
    _remove(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)


def _remove(path: str) -> None:
    """Remove whatever is there, a folder that a connector has made too; links are never followed."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError:
        if not os.path.isdir(path) or os.path.islink(path):
            raise
        import shutil

        shutil.rmtree(path)
