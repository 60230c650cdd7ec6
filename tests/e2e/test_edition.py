"""What the one-machine edition does about what happens to it."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import psutil
import pytest

from common.errors import SyncError
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, tasks
from embedded import settings
from embedded.connectors.uv import INSTALL_SECONDS
from embedded.edition import Edition, _read_or_make
from tests.support.edition_process import EditionProcess, edition_process
from tests.support.fake_bulker import wait_for
from tests.support.sidecar_process import catalog


def _postmaster(home: Path) -> int:
    return int((home / "postgres/data/postmaster.pid").read_text().splitlines()[0])


@pytest.mark.fault(83)
def test_a_killed_postgres_comes_back(edition: EditionProcess) -> None:
    """kill -9 of the database: requests are answered again a moment later, and a read then succeeds."""
    killed = _postmaster(edition.home)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(killed), 10, "the end of the server")
    wait_for(lambda: edition.ask("/tasks")[0] == 200, 30, "an answer")
    body = {"config": {"mode": "ok"}, "catalog": catalog("plants")}
    assert edition.read("case/bad:1", body, tableNamePrefix="after_")["state"] == "SUCCESS"


@pytest.mark.parametrize(("mode", "end"), [("ok", "ended SUCCESS."), ("dies", "ended FAILED: ")])
def test_the_terminal_tells_what_begins_and_how_it_ends(edition: EditionProcess, mode: str, end: str) -> None:
    """A line each, with the connector, the outcome and the task's id."""
    body = {"config": {"mode": mode}, "catalog": catalog("plants")}
    task = edition.read("case/bad:1", body, tableNamePrefix="told_")["taskId"]

    def told() -> list[str]:
        lines = [line for line in edition.output if f"task_id={task}" in line and "read case/bad:1 " in line]
        return lines if len(lines) > 1 else []

    begin, last = wait_for(told, 20, f"two lines about {task}")
    assert "read case/bad:1 began." in begin
    assert f"read case/bad:1 {end}" in last


def test_a_task_that_ends_within_the_first_sweep_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However long that takes: the journal begins before anybody can ask for a task."""
    sweeping, swept = threading.Event(), threading.Event()

    def slow(_: Settings) -> None:
        sweeping.set()
        swept.wait(60)

    monkeypatch.setattr("embedded.sweep_timer.sweep", slow)
    with Edition(tmp_path, 0, {}, lambda _: None) as slowly, Database(slowly.database_url) as db:
        assert sweeping.wait(20)
        key = Task(Command.SPEC, "quick", "case/bad", "1")
        db.transact(lambda db: tasks.begin(db, key, pod_name="p", request_hash="h"))
        db.transact(lambda db: outcomes.conclude(db, key, Outcome(TaskState.SUCCESS)))
        swept.set()
        wait_for(lambda: "spec case/bad:1 ended SUCCESS." in caplog.text, 20, "the line that tells its end")


def test_what_lies_in_the_home_is_the_users_alone(edition: EditionProcess) -> None:
    """Whatever the folder's own mode is."""
    body = {"config": {"mode": "ok"}, "catalog": catalog("plants")}
    task = edition.read("case/bad:1", body, tableNamePrefix="mine_")
    assert (task["state"], task["dataPlane"]) == ("SUCCESS", (edition.home / "data-plane").read_text())
    modes = {path.name: path.stat().st_mode & 0o777 for path in edition.home.iterdir() if path.is_file()}
    assert modes.keys() >= {"lock", "token", "data-plane", "warehouse.duckdb"}
    assert set(modes.values()) == {0o600}, modes


def test_a_pod_s_files_do_not_hold_the_user_s_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all variables, what an install may see; the user's own secrets are none of it."""
    monkeypatch.setenv("PLANTED_TOKEN", "planted-secret")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://example.test/simple")
    kept = Edition(tmp_path, 0, {}, lambda _: None)._images.environment
    assert kept["UV_DEFAULT_INDEX"] == "https://example.test/simple"
    assert "PLANTED_TOKEN" not in kept


def test_ctrl_c_while_everything_stops_cuts_nothing_short(tmp_path: Path) -> None:
    """What is left to stop is stopped all the same; afterwards the signal means what it meant before."""
    before, stopped = signal.getsignal(signal.SIGINT), list[str]()
    stopping = Edition(tmp_path, 0, {}, lambda _: None)
    stopping._stack.callback(stopped.append, "the rest")
    stopping._stack.callback(signal.raise_signal, signal.SIGINT)
    stopping.close()
    assert stopped == ["the rest"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.fault(235)
def test_the_token_is_in_no_output_and_the_printed_line_finds_it(tmp_path: Path) -> None:
    """A service's output goes into a journal that others may read, and a terminal's into a recording."""
    with edition_process(tmp_path / "it's my $HOME; folder", {}) as up:
        wait_for(lambda: len(up.output) > 1 and "read airbyte" in up.output[-1], 30, "the whole welcome")
        assert up.token not in "".join(up.output)
        [line] = [line for line in up.output if line.lstrip().startswith("export SYNCCTL_URL=")]
        shell = subprocess.run(
            ["sh", "-c", f'{line}\nprintf "%s %s" "$SYNCCTL_URL" "$SYNCCTL_TOKEN"'],
            capture_output=True,
            text=True,
            check=True,
        )
        assert shell.stdout == f"{up.url} {up.token}"


def test_an_empty_token_file_opens_nothing(tmp_path: Path) -> None:
    """A crash may leave the file empty: a new token is made, nobody gets in without it, only its user may read it, and
    SIGTERM stops in order.
    """
    (tmp_path / "token").write_text("")
    with edition_process(tmp_path, {}) as up:
        assert up.token
        assert up.ask("/tasks")[0] == 200
        assert up.ask("/tasks", token="")[0] == 401
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(60) == 0, "stopped as by Ctrl-C"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another account")
@pytest.mark.parametrize("command", [["demo"], ["serve", "--port", "0"]])
def test_a_home_of_another_account_is_refused(tmp_path: Path, command: list[str]) -> None:
    """Root follows no link there and takes no token: it would write where the other account wants."""
    victim, home = tmp_path / "victim", tmp_path / "home"
    victim.write_text("precious")
    victim.chmod(0o644)
    (home / "demo").mkdir(parents=True)
    for path in (home / "demo" / "edition.log", home / "lock"):
        path.symlink_to(victim)
    (home / "token").write_text("planted")
    for path in (home, *home.rglob("*")):
        os.chown(path, 54321, 54321, follow_symlinks=False)
    program, variables = Path(sys.executable).with_name("syncctl"), {"SYNCCTL_HOME": str(home), "PATH": os.defpath}
    done = subprocess.run([program, *command], check=False, env=variables, capture_output=True, text=True)
    assert done.returncode == 1
    assert "belongs to another account (54321), which could misuse this one. Choose a folder" in " ".join(
        done.stderr.split()
    )
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("precious", 0o644)


def test_a_task_id_with_a_slash_is_found_however_it_is_encoded(edition: EditionProcess) -> None:
    """%2F as clients send it, and a plain slash."""
    body = {"config": {"mode": "ok"}, "catalog": catalog("plants")}
    query = {"package": "case/bad", "version": "1", "syncId": "slash", "taskId": "night/1"}
    assert edition.ask("/read", body, **query)[0] == 200
    assert edition.finish("night/1")["taskId"] == "night/1"
    assert edition.ask("/tasks/night/1")[1]["task"]["taskId"] == "night/1"
    assert edition.ask("/read", body, **(query | {"taskId": "night%2F2"}))[0] == 200
    assert edition.ask("/tasks/night%252F2")[1]["task"]["taskId"] == "night%2F2"
    for odd in ("night/", "..", "a//b"):
        status, answer = edition.ask("/read", body, **(query | {"taskId": odd}))
        assert (status, answer["error"][:7]) == (400, "taskId:")


def test_a_token_file_that_holds_none_is_a_sentence(tmp_path: Path) -> None:
    """It is never replaced by itself: somebody may have put it there."""
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(SyncError, match="does not hold a token"):
        _read_or_make(tmp_path / "token", str)


def test_a_home_keeps_its_data_plane(tmp_path: Path) -> None:
    """Whatever the machine is called by then: the rows that it has left behind are still its own."""
    assert (
        _read_or_make(tmp_path / "data-plane", lambda: "one")
        == _read_or_make(tmp_path / "data-plane", lambda: "other")
        == "one"
    )


@pytest.mark.parametrize("home", ["/proc/nowhere", "/etc/passwd"])
def test_an_unusable_home_is_a_sentence(home: str) -> None:
    """It names the folder and the option."""
    with pytest.raises(SyncError, match="--home"), Edition(Path(home), 0, {}, lambda _: None):
        pass


@pytest.mark.parametrize(("or_any", "says"), [(False, "Port "), (True, "too late")])
def test_a_taken_port_is_found_before_postgres_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, or_any: bool, says: str
) -> None:
    """A refusal comes at once; a demo goes on with another port."""

    def make(_: object) -> str:
        raise SyncError("too late")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        edition = Edition(tmp_path, taken.getsockname()[1], {}, lambda _: None, or_any_port=or_any)
        monkeypatch.setattr(edition, "_open_database", make)
        with pytest.raises(SyncError, match=says), edition:
            pass


def test_a_pod_may_wait_as_long_as_an_install_may_take() -> None:
    """Installing is waiting for a pod to start here; what the user sets still wins."""
    given = {"SYNCCTL_DATABASE_URL": "postgresql://h/d"}
    default = {"SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS": str(INSTALL_SECONDS)}
    assert settings.settings(given, {}, defaults=default).container_init_timeout_seconds == INSTALL_SECONDS
    own = {"SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS": "7"}
    assert settings.settings(given, own, defaults=default).container_init_timeout_seconds == 7


def test_one_machine_has_metrics_too(edition: EditionProcess) -> None:
    """By its one port, of its own sweeps."""
    headers = {"Authorization": f"Bearer {edition.token}"}
    request = urllib.request.Request(f"{edition.url}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
    assert "\nsyncctl_build_info{" in text
    assert "\nsyncctl_sweep_timestamp_seconds{" in text
