"""One browser and one embedded edition for all tests of the console; each test has a page of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.support import browser as browsers
from tests.support import console_data
from tests.support.edition_process import EditionProcess, edition_process
from tests.support.garden import GARDEN, Garden
from tests.support.task_rows import Rows, task_rows

ROOT = Path(__file__).parents[2]
TALKER = "test/source-talker:1"
"""tests/support/talking_connector.py: it logs what a file says, while the file grows."""
SCRIPT = "test/source-script:1"
"""tests/support/script_connector.py: it does what its configuration says."""
SHOP = "test/source-shop"
"""tests/support/shop_connector.py: its version is how its specification goes: spec, broken or slow."""
HOSTILE = "test/source-hostile:1"
"""tests/support/hostile_connector.py: all that it says tries to do harm."""

expect.set_options(timeout=60_000)  # of a busy machine


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in this hook too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They share one edition, so one process runs them all; none without a browser."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.xdist_group("console"))
            if not browsers.CHROMIUM:
                item.add_marker(pytest.mark.skip(reason=browsers.MISSING))


@pytest.fixture(scope="session")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditionProcess]:
    """The edition, with connectors of the tests; real ones are installed where a test asks for them."""
    connectors = {GARDEN: "garden", TALKER: "talking", SCRIPT: "script"}
    images = {
        name: f"{sys.executable} {ROOT / f'tests/support/{one}_connector.py'}" for name, one in connectors.items()
    }
    for kind in ("spec", "broken", "slow"):
        images[f"{SHOP}:{kind}"] = f"{sys.executable} {ROOT / 'tests/support/shop_connector.py'} {kind}"
    with edition_process(tmp_path_factory.mktemp("console") / "home", images) as running:
        yield running


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditionProcess]:
    """Another edition, with thousands of everything (tests/support/console_data.py); tests change nothing in it."""
    images = {HOSTILE: f"{sys.executable} -m tests.support.hostile_connector"}
    with edition_process(tmp_path_factory.mktemp("seeded") / "home", images, PYTHONPATH=str(ROOT)) as running:
        console_data.seed(running)
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    with browsers.chromium() as running:
        yield running


@pytest.fixture
def garden(edition: EditionProcess, tmp_path: Path) -> Iterator[Garden]:
    """A garden of the test's own; its syncs are gone afterwards, their tasks are not."""
    one = Garden(edition, tmp_path)
    yield one
    one.clear()


@pytest.fixture
def rows(edition: EditionProcess) -> Iterator[Rows]:
    """Tasks of a package that nothing else has."""
    with task_rows(edition, f"test/rows-{uuid4().hex}") as these:
        yield these


@pytest.fixture
def watched(chromium: Browser, edition: EditionProcess) -> Iterator[browsers.Watched]:
    """A page, signed in once it is opened; an error in its console fails the test."""
    yield from _watched(chromium, edition)


@pytest.fixture
def crowded(chromium: Browser, seeded: EditionProcess) -> Iterator[browsers.Watched]:
    """A page of the seeded edition; an error in its console fails the test."""
    yield from _watched(chromium, seeded)


def _watched(chromium: Browser, edition: EditionProcess) -> Iterator[browsers.Watched]:
    one = browsers.Watched(chromium, edition.url, edition.token)
    yield one
    problems = one.problems()
    one.close()
    assert not problems
