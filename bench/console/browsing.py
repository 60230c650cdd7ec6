"""Pages of the console, and what the browser itself says of them."""

import json
from collections import Counter
from typing import Any

from msgspec import Struct
from playwright.sync_api import Browser, CDPSession, Page

from tests.support.browser import DESKTOP
from tests.support.edition_process import EditionProcess

_STEP_MS = 2000
_TRACED = ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"]
_SIGNED_IN = "sessionStorage.setItem('sync-functions.token', %s);"
_FIRST_ROW = """
new MutationObserver((_, watcher) => {
  if (!document.querySelector("main [data-row]")) return;
  watcher.disconnect();
  requestAnimationFrame(() => setTimeout(() => (window.firstRow = performance.now())));
}).observe(document, { childList: true, subtree: true });
"""
"""When the frame with the first row is done, in ms since the navigation began."""
_HIDE = """() => {
  Object.defineProperty(document, "hidden", { get: () => true });
  Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_SCROLL = """([way, screens, most]) => new Promise((done) => {
  const list = document.querySelector("main .virtual");
  const began = performance.now();
  let moved = began, last = list.scrollTop, height = list.scrollHeight;
  const step = () => {
    list.scrollTop += way * screens * list.clientHeight;
    const now = performance.now();
    if (list.scrollTop !== last || list.scrollHeight !== height) moved = now;
    [last, height] = [list.scrollTop, list.scrollHeight];
    if (now - moved < 3000 && now - began < most) return requestAnimationFrame(step);
    const left = way > 0 ? height - last - list.clientHeight : last;
    done({ seconds: (moved - began) / 1000, left, height });
  };
  requestAnimationFrame(step);
})"""
"""Scrolls screen by screen until nothing more comes; lists ask for more as they are scrolled."""


class Visit(Struct, frozen=True):
    """Bytes with headers, and the time from navigation to the first row's frame."""

    bytes: int
    first_row_seconds: float


class Scrolled(Struct, frozen=True):
    """A list that was scrolled from end to end; the longest task of the page's main thread, which holds a frame."""

    seconds: float
    height: int
    longest_ms: float
    longest_own_ms: float
    heap_mb: float


def visits(browser: Browser, edition: EditionProcess, link: str) -> tuple[Visit, Visit]:
    """Visit twice, first with an empty cache."""
    page = _page(browser, edition)
    page.add_init_script(_FIRST_ROW)
    first = _visit(page, edition, link)
    page.goto("about:blank")
    second = _visit(page, edition, link)
    page.context.close()
    return first, second


def _visit(page: Page, edition: EditionProcess, link: str) -> Visit:
    session, got = _network(page)
    page.goto(f"{edition.url}/{link}")
    page.wait_for_function("() => window.firstRow")
    page.wait_for_load_state("networkidle")
    seconds = page.evaluate("window.firstRow") / 1000
    session.detach()
    return Visit(got["bytes"], seconds)


def asked_meanwhile(browser: Browser, edition: EditionProcess, minutes: int, *, hidden: bool) -> int:
    """Return how many requests an open page sends in so many minutes of its clock, which is put forward."""
    page = _page(browser, edition)
    page.clock.install()
    page.goto(f"{edition.url}/#/syncs")
    page.locator("main h1").wait_for()
    page.wait_for_load_state("networkidle")
    session, got = _network(page)
    if hidden:
        page.evaluate(_HIDE)
    for _ in range(minutes * 60_000 // _STEP_MS):
        page.clock.run_for(_STEP_MS)
        while got["begun"] > got["ended"]:
            page.wait_for_timeout(20)
    session.detach()
    page.context.close()
    return got["begun"]


def scroll(browser: Browser, edition: EditionProcess, link: str, way: int, *, quick: bool) -> Scrolled:
    """Scroll the view's list to its other end, and read from the browser's trace how long its frames were."""
    page = _page(browser, edition)
    page.goto(f"{edition.url}/{link}")
    page.locator("main .virtual > * > * > *").first.wait_for()
    page.wait_for_load_state("networkidle")
    browser.start_tracing(page=page, categories=_TRACED)
    most_ms = 5000 if quick else 180_000
    end = page.evaluate(_SCROLL, [way, 2, most_ms])
    events = json.loads(browser.stop_tracing())["traceEvents"]
    assert quick or end["left"] < 2, f"{link} was not scrolled to its end: {end}"
    longest, own = _longest(events)
    heap = _heap(page)
    page.context.close()
    return Scrolled(end["seconds"], end["height"], longest, own, heap)


def _longest(events: list[dict[str, Any]]) -> tuple[float, float]:
    """The longest task of the thread that ran the page, on the clock and in its own time, in ms."""
    frames = Counter((event["pid"], event["tid"]) for event in events if event["name"] == "FireAnimationFrame")
    [(main, _)] = frames.most_common(1)
    tasks = [event for event in events if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) == main]
    longest = max(tasks, key=lambda event: float(event.get("dur", 0)))
    return longest["dur"] / 1000, max(event.get("tdur", 0) for event in tasks) / 1000


def _heap(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"]) / 1e6


def _page(browser: Browser, edition: EditionProcess) -> Page:
    """A page with a cache of its own, signed in."""
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    context.set_default_timeout(60_000)
    context.add_init_script(_SIGNED_IN % json.dumps(edition.token))
    return context.new_page()


def _network(page: Page) -> tuple[CDPSession, Counter[str]]:
    """Count requests and bytes from now on."""
    got = Counter[str]()
    session = page.context.new_cdp_session(page)
    session.on("Network.requestWillBeSent", lambda _: got.update(begun=1))
    session.on("Network.loadingFinished", lambda event: got.update(ended=1, bytes=int(event["encodedDataLength"])))
    session.on("Network.loadingFailed", lambda _: got.update(ended=1))
    session.send("Network.enable")
    return session, got
