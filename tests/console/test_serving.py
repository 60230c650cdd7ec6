"""How the console gets into a browser: its address, its token, and what the first view costs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.browser import Watched
from tests.support.edition_process import EditionProcess
from tests.support.terminal import COMMAND, environment

MOST_BYTES = 100_000
"""Of the first view, over the wire, with the answer about syncs."""
LEAST_BYTES = 40_000
"""That much its code has at least: less would be a page that came out of a cache."""
_COPY = "import shutil, sys; from urllib.parse import urlsplit; shutil.copy(urlsplit(sys.argv[1]).path, sys.argv[2])"


class _Wire:
    """What a page asks for, and how many bytes that takes with headers."""

    def __init__(self, page: Page, *, cached: bool = True) -> None:
        self.bytes = 0
        self.paths: list[str] = []
        session = page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.loadingFinished", self._loaded)
        session.send("Network.enable")
        if not cached:
            session.send("Network.clearBrowserCache")

    def _sent(self, event: dict[str, Any]) -> None:
        self.paths.append(re.sub(r"^https?://[^/]+", "", event["request"]["url"]))

    def _loaded(self, event: dict[str, Any]) -> None:
        self.bytes += int(event["encodedDataLength"])


def test_serve_names_the_console_first(edition: EditionProcess) -> None:
    """Before the address for programs."""
    lines = [line.strip() for line in edition.output if line.strip()]
    [at] = [at for at, line in enumerate(lines) if line == f"Console: {edition.url}/"]
    assert lines[at + 1].startswith(f"sync-functions answers at {edition.url}")


@pytest.mark.fault(675)
def test_the_page_that_syncctl_opens_is_signed_in(watched: Watched, edition: EditionProcess, tmp_path: Path) -> None:
    """The token is gone from the address and from what the browser goes back to, and in the tab alone."""
    copied = tmp_path / "secrets" / "copied.html"  # a folder that may hold secrets
    copied.parent.mkdir()
    browser = tmp_path / "browser.py"
    browser.write_text(_COPY)
    given = {"BROWSER": f"{sys.executable} {browser} %s {copied}", "SYNCCTL_TOKEN": edition.token}
    command = [*COMMAND, "console"]
    subprocess.run(command, env=environment(edition.url, **given), check=True, timeout=60, capture_output=True)
    page = watched.page
    page.goto(copied.as_uri())
    page.get_by_role("navigation").wait_for()
    assert page.url == f"{edition.url}/#/"
    assert page.evaluate("sessionStorage.getItem('sync-functions.token')") == edition.token
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert edition.token not in page.content()
    page.get_by_role("link", name="Tasks").click()
    page.get_by_role("heading", name="Tasks").wait_for()
    page.go_back()
    page.wait_for_url(f"{edition.url}/#/")
    assert edition.token not in page.url


@pytest.mark.fault(679)
def test_the_first_view_is_small(watched: Watched) -> None:
    """Under 100 kB over the wire with an empty cache; of modules it loads those alone that the page names ahead."""
    page = watched.page
    page.goto(watched.url)
    page.evaluate("token => sessionStorage.setItem('sync-functions.token', token)", watched.token)
    page.goto("about:blank")
    wire = _Wire(page, cached=False)
    page.goto(f"{watched.url}/")
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_load_state("networkidle")
    assert LEAST_BYTES < wire.bytes < MOST_BYTES, sorted(wire.paths)
    named = page.locator("link[rel=modulepreload]").evaluate_all(
        "links => links.map(link => new URL(link.href).pathname)"
    )
    loaded = {path for path in wire.paths if path.endswith(".js")}
    assert loaded == set(named)
    assert len(wire.paths) == len(set(wire.paths)), "something was asked for twice"


def test_the_sign_in_is_part_of_it(watched: Watched) -> None:
    """Who has no token yet waits for no other module, nor once more for the first view."""
    page = watched.page
    wire = _Wire(page)
    page.goto(watched.url)
    page.get_by_label("Token").fill(watched.token)
    before = len([path for path in wire.paths if path.endswith(".js")])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", level=1).wait_for()
    page.get_by_role("navigation").wait_for()
    assert len([path for path in wire.paths if path.endswith(".js")]) == before


def test_a_second_visit_asks_for_nothing_again(watched: Watched) -> None:
    """But the page itself, which has not changed, and the data."""
    page = watched.open("#/")
    page.get_by_role("navigation").wait_for()
    page.wait_for_load_state("networkidle")
    wire = _Wire(page)
    page.goto("about:blank")
    page.goto(f"{watched.url}/#/")
    page.get_by_role("navigation").wait_for()
    page.wait_for_load_state("networkidle")
    assert wire.bytes < 20_000, wire.paths


def test_the_console_is_found_at_its_other_addresses(watched: Watched) -> None:
    """With a slash at the end, too: the addresses in the page are relative."""
    for path in ("/console", "/console/"):
        watched.page.goto(f"{watched.url}{path}")
        watched.page.get_by_label("Token").wait_for()
