"""syncctl.commands.demo: its counts, port, home and last words."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import duckdb  # noqa: TID251 - tests look past the product's own code
import pytest

from common.errors import SyncError
from syncctl.commands import demo
from syncctl.commands.demo import StreamCounts, count_table
from tests.support.fake_deployment import TOKEN, fake_deployment, task
from tests.support.terminal import run, running


@pytest.mark.parametrize(
    ("emitted", "stored", "before", "counted", "agrees"),
    [
        (5, 5, 0, 5, True),
        (0, 0, 5, 5, True),
        (5, 4, 0, 4, False),
        (5, 5, 0, 4, False),
        (5, 5, 0, None, False),
        (0, 0, 5, 0, False),
        (5, 5, 5, 5, False),
    ],
)
def test_counts_agree_only_if_nothing_is_lost_or_doubled(
    emitted: int, stored: int, before: int, counted: int | None, agrees: bool
) -> None:
    """Rows emitted by the connector, acknowledged by the warehouse, and found in its table."""
    count = StreamCounts("users", emitted, stored, before, counted, "", resumes=True)
    assert count.agrees is agrees
    assert ("DIFFER" in count_table([count]).rows[0][-1]) is not agrees


@pytest.mark.parametrize(("variables", "port"), [({}, 3043), ({"SYNCCTL_HTTP_PORT": "4711"}, 4711)])
def test_the_demo_takes_another_port_if_its_first_choice_is_taken(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], port: int
) -> None:
    """Whenever that happens: the edition itself decides as it binds."""

    def edition(_home: Path, port: int, *_: object, or_any_port: bool, **__: object) -> NoReturn:
        raise SyncError(f"{port} {or_any_port}")

    monkeypatch.setattr(demo, "set_up_process", lambda: None)
    monkeypatch.setattr(demo, "log_to", lambda _: None)
    monkeypatch.setattr(demo, "edition", edition)
    assert f"{port} True" in run("", "demo", env=variables).err


@pytest.mark.parametrize("home", ["/proc/nowhere", "/etc/passwd/home"])
def test_a_home_that_cannot_be_written_is_named(home: str) -> None:
    """With both ways to choose another one, and without the path of a log that is not there."""
    with running("", "demo", "--home", home) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith(f"syncctl: Cannot write to {home}/demo (")
    assert err.endswith("with --home or SYNCCTL_HOME.\n")
    assert err.count("\n") == 1


def test_the_next_steps_can_be_pasted_into_any_terminal(tmp_path: Path) -> None:
    """Whatever the folder's name is: each line is one command with absolute paths, its home and a comment."""
    home = tmp_path / "it's a $HOME"
    home.mkdir()
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.sql("CREATE TABLE demo_users AS SELECT 4711 AS id")
    (home / "token").write_text(TOKEN)
    look, serve, tasks, read = demo.next_steps(home, home / "warehouse.duckdb", "http://127.0.0.1:3043", "demo_users")
    shown = subprocess.run(["sh", "-c", look], cwd="/", check=True, capture_output=True, text=True)
    assert "4711" in shown.stdout
    variable = f"SYNCCTL_HOME={home}"
    program = str(Path(sys.executable).with_name("syncctl"))
    assert shlex.split(serve, comments=True) == [variable, program, "serve"]
    assert shlex.split(tasks, comments=True) == [variable, program, "tasks"]
    assert shlex.split(read, comments=True) == [program, "read", "--help"]


def test_the_next_steps_of_another_port_name_it(tmp_path: Path) -> None:
    """And `tasks` finds the token that the demo's home holds."""
    (tmp_path / "token").write_text(TOKEN)
    with fake_deployment() as server:
        server.courses["t1"] = [task()]
        _, serve, tasks, _ = demo.next_steps(tmp_path, tmp_path / "w", server.url, "demo_users")
        assert shlex.split(serve, comments=True)[-2:] == ["--port", server.url.rpartition(":")[2]]
        environment = {"PATH": os.defpath, "HOME": "/proc/nowhere"}
        done = subprocess.run(["sh", "-c", tasks], cwd="/", env=environment, check=True, capture_output=True, text=True)
    assert "t1" in done.stdout
