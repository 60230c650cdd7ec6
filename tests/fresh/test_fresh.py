"""README's commands on machines that have nothing but Python and make."""

import re
from pathlib import Path

import pytest

from tests.fresh.cells import Cell, Command
from tests.fresh.machine import Machine, fresh
from tests.fresh.settings import FreshSettings

SHOWN = 60
"""Lines of a failed command's output that are shown; all of it is in its file."""


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("progress")
def test_cell(cell: Cell, fresh_settings: FreshSettings, output: Path) -> None:
    """The command works at once; `make demo` works again without a network, by what the first one kept."""
    with fresh(cell.suite, cell.account, fresh_settings, hostile=cell.hostile) as machine:
        if cell.command is Command.DEMO:
            _demo(machine, output)
            _demo(machine, output, network=False)
        else:
            said = _run(machine, output, f"make test TESTS='{fresh_settings.tests}'")
            assert re.search(r"\b[1-9]\d* passed", said), _end(said, output)


def _demo(machine: Machine, output: Path, *, network: bool = True) -> None:
    said = _run(machine, output, "make demo", network=network)
    agreeing = re.findall(r"(?m)^(\w+) .* agree *$", said)
    assert sorted(agreeing) == sorted(["users", "products", "purchases"] * 2), _end(said, output)
    assert "2,100 rows emitted, stored and counted; the second read resumed and brought 0 more." in said


def _run(machine: Machine, output: Path, command: str, *, network: bool = True) -> str:
    """Return what the command prints; fail if its exit code is not 0."""
    before = output.stat().st_size
    code = machine.run(command, output, network=network)
    said = output.read_bytes()[before:].decode(errors="replace")
    if code:
        away = "" if network else ", without a network,"
        pytest.fail(f"`{command}`{away} ended with code {code}. {_end(said, output)}", pytrace=False)
    return said


def _end(said: str, output: Path) -> str:
    return "\n".join([f"All of its output is in {output}; the end:", *said.splitlines()[-SHOWN:]])
