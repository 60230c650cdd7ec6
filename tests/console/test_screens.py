"""Pictures of every view, in build/console: on a phone and on a desktop, light and dark.

`make screenshots` writes those of the documents (docs/images), too.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support import canaries, console_data
from tests.support.browser import DESKTOP, PHONE, Watched
from tests.support.console_views import settled
from tests.support.edition_process import EditionProcess, edition_process
from tests.support.png import shrunk

ROOT = Path(__file__).parents[2]
FOLDER, IMAGES = ROOT / "build/console", ROOT / "docs/images"
IMAGE = "airbyte/source-github:2.1.0"
SIZES = {"desktop": DESKTOP, "phone": PHONE}
MOST_BYTES = 100_000
DOCUMENTED = {
    "syncs-desktop-light": "console-syncs.png",
    "task-running-desktop-light": "console-task.png",
    "logs-desktop-dark": "console-log.png",
    "new-config-phone-light": "console-new.png",
}
VIEWS = {
    "sign-in": "",
    "syncs": "#/syncs",
    "sync": "#/syncs/shop-orders",
    "sync-failed": "#/syncs/crm",
    "tasks": "#/tasks",
    "task-running": f"#/tasks/{console_data.PLEASANT_TASK}",
    "logs": f"#/tasks/{console_data.PLEASANT_TASK}/logs",
    "new-image": f"#/new?image={IMAGE}",
}


@pytest.fixture(scope="session")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditionProcess]:
    """An edition with three syncs and their runs."""
    images = {IMAGE: f"{sys.executable} {ROOT / 'tests/support/pleasant_connector.py'}"}
    with edition_process(tmp_path_factory.mktemp("ordinary") / "home", images) as running:
        console_data.seed_pleasant(running)
        yield running


@pytest.fixture
def looking(chromium: Browser, ordinary: EditionProcess) -> Iterator[Watched]:
    """A page; an error in its console fails the test."""
    one = Watched(chromium, ordinary.url, ordinary.token)
    yield one
    problems = one.problems()
    one.close()
    assert not problems


@pytest.mark.parametrize("name", VIEWS)
def test_a_view(looking: Watched, name: str) -> None:
    """With what an ordinary deployment has."""
    if VIEWS[name]:
        looking.open(VIEWS[name])
    else:
        looking.page.goto(f"{looking.url}/")
    _take(looking.page, name)


def test_a_task_that_failed(looking: Watched) -> None:
    """With what its connector answered, and what to do."""
    page = looking.open("#/tasks?sync=crm&state=FAILED")
    page.locator("main a[data-row]").first.click()
    page.get_by_text("401 Unauthorized").first.wait_for()
    _take(page, "task-failed")


def test_a_task_with_3000_streams(crowded: Watched) -> None:
    """Of which few are in the document."""
    _take(crowded.open(f"#/tasks/{console_data.WIDE}"), "task-wide")


def test_each_step_of_new(looking: Watched) -> None:
    """From the connector to the schedule."""
    page = looking.open(f"#/new?image={IMAGE}")
    page.get_by_role("button", name="Continue to its configuration").click()
    page.get_by_label("Repositories", exact=True).fill("acme/*")
    page.get_by_label("Access token", exact=True).fill(canaries.CONFIG)
    page.get_by_label("Start date", exact=True).fill("2026-01-01T00:00:00Z")
    _take(page, "new-config")
    page.get_by_role("button", name="Check the connection").click()
    page.get_by_text("The check passed").wait_for()
    _take(page, "new-check")
    page.get_by_role("button", name="Find its streams").click()
    page.get_by_text("pull_requests").first.wait_for()
    _take(page, "new-streams")
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).wait_for()
    _take(page, "new-save")


def _take(page: Page, name: str) -> None:
    settled(page)
    page.get_by_text("A function is waking up").wait_for(state="hidden")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            wide: Any = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{name} scrolls sideways on a {size}"
            _write(page.screenshot(), f"{name}-{size}-{scheme}")


def _write(picture: bytes, name: str) -> None:
    (FOLDER / f"{name}.png").write_bytes(picture)
    if name in DOCUMENTED and os.environ.get("SCREENSHOTS"):  # noqa: TID251 - `make screenshots` asks for it
        small = shrunk(picture)
        assert len(small) < MOST_BYTES, f"{name} has {len(small)} bytes"
        IMAGES.mkdir(exist_ok=True)
        (IMAGES / DOCUMENTED[name]).write_bytes(small)
