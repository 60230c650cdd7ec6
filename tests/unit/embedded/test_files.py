"""Files that are written whole, and locks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedded import files


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_and_is_its_owner_s_alone(tmp_path: Path, durable: bool):
    """The new content takes the old one's place, whatever the old file's mode was; nothing else stays."""
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)
    files.write_atomic(path, b"new", durable=durable)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A full disk costs the new content alone, and no half of it stays."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "token"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(path, b"new", durable=True)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("name", ["lock", "."])
def test_a_lock_has_one_holder(tmp_path: Path, name: str):
    """A file or a folder: a second holder is refused until the first one lets go."""
    with files.lock(tmp_path / name), pytest.raises(BlockingIOError), files.lock(tmp_path / name):
        pass
    with files.lock(tmp_path / name):
        pass


def test_a_lock_that_is_taken_can_be_waited_for(tmp_path: Path):
    """`wait` is called once, before the wait."""
    script = "import sys; from pathlib import Path; from embedded import files\n"
    script += "with files.lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin and holder.stdout  # noqa: PT018 - for the type checker
        assert holder.stdout.readline() == b"held\n"
        waits = []

        def wait() -> None:
            waits.append(holder.poll())
            holder.stdin.close()  # type: ignore[union-attr] # asserted above

        with files.lock(tmp_path / "lock", wait):
            assert waits == [None]
