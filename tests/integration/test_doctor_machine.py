"""`syncctl doctor machine` on folders that are well, and broken ones."""

import json
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded.postgres import wheel
from tests.support.terminal import run


class Machine:
    """A home folder, a folder of connectors and a port."""

    def __init__(self, folder: Path) -> None:
        self.home, self.cache = folder / "home", folder / "connectors"
        self.home.mkdir(mode=0o700)
        self.cache.mkdir(mode=0o700)
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port: int = server.getsockname()[1]

    def findings(self) -> dict[str, tuple[str, str]]:
        """The level and the message of each check."""
        words = ("doctor", "machine", "--home", str(self.home), "--port", str(self.port), "--json")
        done = run("", *words, env={"SYNCCTL_CONNECTORS": str(self.cache)})
        found = {one["check"]: (one["level"], one["message"]) for one in json.loads(done.out)["findings"]}
        assert done.code == any(level == "failed" for level, _ in found.values()), done.err
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_that_is_well(machine: Machine) -> None:
    """Before the first start; nothing is made."""
    found = machine.findings()
    assert {level for level, _ in found.values()} == {"ok"}, found
    assert list(machine.home.iterdir()) == []


def _version(machine: Machine) -> None:
    (machine.home / "postgres/data").mkdir(parents=True)
    (machine.home / "postgres/data/PG_VERSION").write_text("9.6\n")


def _warehouse(machine: Machine) -> None:
    (machine.home / "warehouse.duckdb").write_text("this is something else " * 500)


def _token(machine: Machine) -> None:
    (machine.home / "token").write_text("x")
    (machine.home / "token").chmod(0o644)


def _python(machine: Machine) -> None:
    home = machine.cache / "airbyte-source-faker-7.2.1"
    (home / "bin").mkdir(parents=True)
    (home / "ready").write_text("{}")
    (home / "bin/python").symlink_to("/nowhere/python3.11")


def _folder(machine: Machine) -> None:
    machine.home.chmod(stat.S_IRWXU | stat.S_IRWXO)


@pytest.mark.fault(646)
@pytest.mark.parametrize(
    ("broken", "check", "level", "words"),
    [
        (_version, "postgres", "failed", "is of Postgres 9.6"),
        (_warehouse, "warehouse", "failed", "cannot be opened"),
        (_token, "home", "warning", "Other accounts may read"),
        (_python, "connectors", "warning", "The Python of airbyte-source-faker-7.2.1 is gone"),
        (_folder, "home", "failed", "Every account may write"),
    ],
)
def test_what_is_broken_on_a_machine_is_named(
    machine: Machine, broken: Callable[[Machine], None], check: str, level: str, words: str
) -> None:
    """And nothing else."""
    broken(machine)
    found = machine.findings()
    assert (found[check][0], words in found[check][1]) == (level, True), found
    assert {name for name, (one, _) in found.items() if one != "ok"} == {check}


def test_a_port_that_is_taken(machine: Machine) -> None:
    """By another program than an edition of this home."""
    with socket.create_server(("127.0.0.1", machine.port)):
        assert machine.findings()["port"][0] == "failed"


def test_the_program_of_the_wheel_says_its_version() -> None:
    """As the data's file has it."""
    assert int(wheel.program_version().partition(".")[0]) >= 14
