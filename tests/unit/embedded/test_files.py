"""Files that are written whole, and locks."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import SyncError
from embedded import files

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another account")
STRANGER = 54321


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


def give_away(path: Path) -> None:
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


def folder_of_a_stranger(home: Path) -> None:
    home.mkdir()
    give_away(home)


def folder_above_of_a_stranger(home: Path) -> None:
    home.mkdir()
    give_away(home.parent)


def link_of_a_stranger(home: Path) -> None:
    target = home.with_name("target")
    target.mkdir()
    home.symlink_to(target)
    give_away(home)


def file_of_a_stranger(home: Path) -> None:
    home.mkdir()
    (home / "token").write_text("planted")
    give_away(home / "token")


def link_in_it(home: Path) -> None:
    home.mkdir()
    (home / "edition.log").symlink_to("/nowhere")
    give_away(home / "edition.log")


def folder_that_all_may_write_to(home: Path) -> None:
    home.mkdir()
    home.chmod(0o1777)


def folder_above_that_all_may_write_to(home: Path) -> None:
    home.parent.chmod(0o777)


@as_root
@pytest.mark.parametrize(
    "prepare",
    [
        folder_of_a_stranger,
        folder_above_of_a_stranger,
        link_of_a_stranger,
        file_of_a_stranger,
        link_in_it,
        folder_that_all_may_write_to,
        folder_above_that_all_may_write_to,
    ],
)
def test_a_folder_that_another_account_may_change_is_refused(tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    """Whoever prepared it: the sentence says whose it is, and what to do."""
    home = tmp_path / "above" / "home"
    home.parent.mkdir()
    prepare(home)
    with pytest.raises(SyncError, match=rf"({STRANGER}|Every account).*Choose another."):
        files.own_folder(home, "Choose another.")


def test_an_own_folder_is_made_and_taken_again(tmp_path: Path) -> None:
    """Also by a link of one's own, as to a larger disk, and in a folder such as /tmp."""
    tmp_path.chmod(0o1777)
    home = tmp_path / "a" / "home"
    files.own_folder(home)
    assert home.stat().st_mode & 0o777 == 0o700
    (home / "token").write_text("mine")
    (tmp_path / "link").symlink_to(home)
    files.own_folder(tmp_path / "link")
    files.own_folder(tmp_path / "link" / "demo")


def test_a_log_never_goes_through_a_link(tmp_path: Path) -> None:
    """The file at its end keeps its content and mode."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o644)
    (tmp_path / "edition.log").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        files.open_log(tmp_path / "edition.log")
    with pytest.raises(OSError, match="symbolic links"), files.lock(tmp_path / "edition.log"):
        pass
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("precious", 0o644)


@pytest.mark.parametrize("kind", ["nothing", "file", "folder", "link"])
def test_whatever_is_there_is_removed(tmp_path: Path, kind: str) -> None:
    """Of a link, not what it points to."""
    path, kept = tmp_path / "path", tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    if kind == "file":
        path.touch()
    elif kind == "folder":
        (path / "below").mkdir(parents=True)
    elif kind == "link":
        path.symlink_to(kept)
    files.remove(path)
    assert [*tmp_path.rglob("*")] == [kept, kept / "file"]


def test_a_folder_goes_although_its_files_go_meanwhile(tmp_path: Path) -> None:
    """As of a server that is just ending."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(3000):
        (folder / str(number)).touch()
    names = [path.name for path in folder.iterdir()]

    def end() -> None:
        for name in reversed(names):
            (folder / name).unlink(missing_ok=True)

    other = threading.Thread(target=end)
    other.start()
    files.remove(folder)
    other.join()
    assert not folder.exists()
