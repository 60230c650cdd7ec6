"""A real Chromium, without a window: the machine's own, driven by Playwright, which downloads nothing here."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "no Chromium is installed; `apt-get install chromium` brings it"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 320, "height": 640}
SLOW = bool(os.environ.get("SLOW_PAGES"))  # noqa: TID251 - to find tests that look too early
"""Whether what a page does later (effects, frames, answers) comes much later, as on a busy machine."""
_SLOW_MS = 300
_LATE = f"""(() => {{
  const {{ setTimeout: wait, requestAnimationFrame: frame, fetch: ask }} = window;
  window.setTimeout = (call, ms = 0, ...more) => wait(call, Math.max(ms, {_SLOW_MS}), ...more);
  window.requestAnimationFrame = (call) => frame(() => wait(() => call(performance.now()), {_SLOW_MS}));
  window.fetch = async (...given) => {{
    await new Promise((done) => wait(done, {_SLOW_MS}));
    return ask.apply(window, given);
  }};
}})();"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; tests run as root, where Chromium's own sandbox does not work."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page of its own, and what went wrong in it: `problems` is empty at the end of a test, or the test fails.

    `expected` are parts of problems that a test provokes, such as "401".
    """

    def __init__(self, browser: Browser, url: str, token: str, **options: Any) -> None:
        settings = {"viewport": DESKTOP, "reduced_motion": "reduce", "locale": "en-GB", "timezone_id": "Europe/Berlin"}
        self.context = browser.new_context(**(settings | options))
        self.context.set_default_timeout(60_000)
        if SLOW:
            self.context.add_init_script(_LATE)
        self.page: Page = self.context.new_page()
        self.url, self.token = url, token
        self.expected: list[str] = []
        self._seen: list[str] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))

    def open(self, link: str = "#/") -> Page:
        """Open a view, signed in, as with a link of `syncctl console`; return its page."""
        there = self.page.url.startswith(self.url)
        self.page.goto(f"{self.url}/#token={quote(self.token, safe='')}&to={quote(link[1:], safe='')}")
        if there:
            self.page.reload()  # only the link has changed until then
        return self.page

    def problems(self) -> list[str]:
        """Errors and warnings of the console, and uncaught ones, that the test did not expect."""
        return [one for one in self._seen if not any(part in one for part in self.expected)]

    def close(self) -> None:
        """Close all that belongs to it."""
        self.context.close()

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self._seen.append(f"{kind}: {text}")
