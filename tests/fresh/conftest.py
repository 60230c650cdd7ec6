"""Lines for what begins and ends, since cells take minutes, and a table in the end."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fresh import cells, settings, systems
from tests.fresh.settings import FreshSettings

OUTPUT = Path(__file__).parents[2] / "build" / "fresh"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per chosen cell."""
    if "cell" in metafunc.fixturenames:
        try:
            chosen = cells.chosen(settings.load().cells)
        except ValueError as exc:
            raise pytest.UsageError(str(exc)) from exc
        metafunc.parametrize("cell", chosen, ids=str)


@pytest.fixture(scope="session")
def fresh_settings() -> FreshSettings:
    """On a machine that can make others; fails, and does not skip, on one that cannot."""
    try:
        systems.require()
    except systems.Unusable as exc:
        pytest.fail(str(exc), pytrace=False)
    return settings.load()


@pytest.fixture
def output(request: pytest.FixtureRequest) -> Path:
    """Where the test's commands write to, empty."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    file = OUTPUT / f"{request.node.callspec.id if hasattr(request.node, 'callspec') else request.node.name}.log"
    file.write_text("")
    return file


@pytest.fixture
def progress(request: pytest.FixtureRequest, output: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A line at the begin and the end."""
    name, began = output.stem, time.monotonic()
    with capfd.disabled():
        sys.stdout.write(f"\n{name} begins; its output goes to {output}\n")
        sys.stdout.flush()
    yield
    with capfd.disabled():
        sys.stdout.write(f"\n{name} has ended after {time.monotonic() - began:.0f} s ")
        sys.stdout.flush()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of the cells."""
    reports = [
        (report.nodeid, result, report.duration)
        for result in ("passed", "failed", "error")
        for report in terminalreporter.stats.get(result, [])
        if "::test_cell[" in report.nodeid
    ]
    if reports:
        terminalreporter.write_line(f"\n{'cell':24}{'result':8}seconds")
    for nodeid, result, duration in reports:
        terminalreporter.write_line(f"{nodeid.partition('[')[2].rstrip(']'):24}{result:8}{duration:7.0f}")
