"""The newest part of a container's output, in two files of bounded size."""

import logging
from pathlib import Path

FILE_BYTES = 5 * 1024 * 1024
"""A log keeps between one and two times this much."""

_log = logging.getLogger(__name__)


class BoundedLog:
    """Appends to `path`; when that is full it replaces `path`.1."""

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES) -> None:
        self._path = path
        self._limit = file_bytes
        self._file = path.open("ab", buffering=0)
        self._size = 0
        self._broken = False

    def write(self, data: bytes) -> None:
        """Append, and never raise: a full disk must not stop a container, nor block it."""
        try:
            if self._size + len(data) > self._limit:
                self._file.close()
                self._path.replace(_older(self._path))
                self._file = self._path.open("ab", buffering=0)
                self._size = 0
            self._file.write(data)
            self._size += len(data)
        except (OSError, ValueError) as exc:
            if not self._broken:
                _log.warning("a container's log could not be written: %s", exc)
            self._broken = True

    def close(self) -> None:
        self._file.close()


def tail(path: Path, lines: int) -> bytes:
    """Return the last lines; b"" without a log."""
    content = _read(_older(path)) + _read(path)
    end = b"\n" if content.endswith(b"\n") else b""
    return b"\n".join(content.removesuffix(b"\n").split(b"\n")[-lines:]) + end if lines > 0 else b""


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
