"""The machines themselves: what a command finds in one, and that nothing is left of one, however its user ends."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fresh import machine as machines
from tests.fresh import systems
from tests.fresh.cells import Account, Suite
from tests.fresh.settings import FreshSettings

ROOT = Path(__file__).parents[2]

# Makes a machine, and stays in it.
USER = """
import sys
from pathlib import Path
from tests.fresh.cells import Account, Suite
from tests.fresh.machine import fresh
from tests.fresh.settings import load
with fresh(Suite.BOOKWORM, Account.USER, load()) as machine:
    print(machine.folder, flush=True)
    machine.run("sleep 1000 & mount > mounts; sleep 1000", Path(sys.argv[1]))
"""


def ask(settings: FreshSettings, output: Path, command: str, account: Account, **how: bool) -> str:
    """What a command prints on a machine."""
    hostile, network = how.get("hostile", False), how.get("network", True)
    with machines.fresh(Suite.BOOKWORM, account, settings, hostile=hostile) as machine:
        code = machine.run(command, output, network=network)
    assert code == 0, output.read_text()
    return output.read_text()


@pytest.mark.parametrize("account", Account)
def test_a_machine_is_bare(fresh_settings: FreshSettings, output: Path, account: Account) -> None:
    """The account's own private home and clone, an empty environment, and few processes."""
    said = ask(
        fresh_settings,
        output,
        'echo "$(id -un) $(stat -c "%a %U" ~) $(stat -c %U Makefile .git/HEAD | sort -u) $(ps -e 2>/dev/null | wc -l)";'
        "ls ~; env | cut -d= -f1 | sort | tr '\\n' ' '; test -z \"$(git status --short)\"",
        account,
    )
    lines = said.splitlines()
    assert lines[0].startswith(f"{account} 700 {account} {account} ")
    assert lines[1] == "project"
    known = {"HOME", "USER", "LOGNAME", "LANG", "TERM", "PATH", "SSL_CERT_FILE", "PWD", "OLDPWD", "SHLVL", "_"}
    assert set(lines[2].split()) - known <= set(fresh_settings.network)


def test_a_network_that_is_away_leaves_loopback(fresh_settings: FreshSettings, output: Path) -> None:
    """Processes of one machine still reach each other."""
    code = """
import socket
assert [name for _, name in socket.if_nameindex()] == ["lo"], socket.if_nameindex()
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
print("reached")
"""
    assert ask(fresh_settings, output, f"python3 -c '{code}'", Account.USER, network=False) == "reached\n"


def test_a_hostile_machine_is_hostile(fresh_settings: FreshSettings, output: Path) -> None:
    """A closed umask, no programs in /tmp, blanks in the path."""
    command = "pwd; umask; stat -c %a Makefile; grep -c ' /tmp .*noexec' /proc/mounts"
    assert ask(fresh_settings, output, command, Account.ROOT, hostile=True) == (
        "/root/a clone with blanks\n0077\n600\n1\n"
    )


@pytest.fixture
def user(fresh_settings: FreshSettings, output: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that uses a machine, and the machine's folder."""
    systems.tar_of(Suite.BOOKWORM, fresh_settings)  # not within the process that is ended
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(output)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        assert folder.is_absolute(), "it has failed"
        _wait_until(lambda: len(_inside(folder)) >= 3)
        yield process, folder
        process.kill()


def _inside(folder: Path) -> list[int]:
    """The processes of a machine."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "root").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _wait_until(true: Callable[[], object]) -> None:
    while not true():
        time.sleep(0.05)


def _is_mounted(folder: Path) -> bool:
    """In any process's view."""
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            if str(folder) in mounts.read_text():
                return True
        except OSError:
            continue
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_user_leaves_nothing(user: tuple[subprocess.Popen[str], Path], number: signal.Signals) -> None:
    """Ctrl-C ends what runs in the machine, and removes it."""
    process, folder = user
    assert _is_mounted(folder)
    process.send_signal(number)
    assert process.wait() != 0
    assert not folder.exists()
    assert _inside(folder) == []
    assert not _is_mounted(folder)


def test_a_killed_user_leaves_a_folder_that_the_next_one_removes(
    user: tuple[subprocess.Popen[str], Path], fresh_settings: FreshSettings
) -> None:
    """It cannot tidy up itself; but nothing goes on, and a machine in use is left alone."""
    process, folder = user
    machines.remove_left_over(fresh_settings.cache)
    assert (folder / "run.sh").exists()
    process.kill()
    process.wait()
    _wait_until(lambda: not _inside(folder) and not _is_mounted(folder))
    machines.remove_left_over(fresh_settings.cache)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "sources.list",
            "# deb http://old.test/debian x main\ndeb [arch=amd64] http://here.test/debian bookworm main\n",
        ),
        ("sources.list.d/debian.sources", "Types: deb\nURIs: http://here.test/debian\nSuites: bookworm\n"),
        (
            "sources.list.d/a.list",
            "deb http://security.test/debian-security x main\ndeb http://here.test/debian x main\n",
        ),
    ],
)
def test_the_mirror_is_apt_s(tmp_path: Path, name: str, text: str) -> None:
    """Of either format; never the one for security alone."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)
    assert systems.mirror_of(tmp_path) == "http://here.test/debian"


def test_a_missing_mirror_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    """Such as on a system without apt."""
    with pytest.raises(systems.Unusable, match="FRESH_MIRROR="):
        systems.mirror_of(tmp_path)
