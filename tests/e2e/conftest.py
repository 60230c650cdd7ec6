"""One edition for all tests of a group: starting it takes seconds, and a user runs only one as well."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.edition_process import EditionProcess, edition_process
from tests.support.local_system import REPLAY, python

CASES = Path(__file__).parent.parent / "reports/cases"


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in this hook too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder share one worker, and so one edition."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(scope="session")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditionProcess]:
    """Replays of every recorded case are mapped as replay/CASE:1; connectors come from the package registry."""
    home = tmp_path_factory.mktemp("edition")
    images = {f"replay/{case.name}": python(REPLAY, str(case)) for case in CASES.iterdir() if case.is_dir()}
    images |= {
        "case/done-marker": python(CASES / "state-full-refresh-done-marker/connector.py"),
        "case/ticks": python(CASES / "cancel-signal-stops-at-the-shell/connector.py"),
        "case/garden": python(Path(__file__).parent.parent / "support/garden_connector.py"),
        "case/bad": python(Path(__file__).parent / "bad_connector.py"),
    }
    with edition_process(home, images) as running:
        yield running
