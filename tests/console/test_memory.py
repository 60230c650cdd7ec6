"""A page that is used for hours: views come and go, and take with them what they have made."""

import pytest
from playwright.sync_api import CDPSession, Page

from tests.support.browser import Watched
from tests.support.console_views import Shown, settled, visit

ROUND = (
    "#/syncs",
    "#/syncs/state-success",
    "#/tasks",
    "#/tasks/succeeded",
    "#/tasks/long/logs",
    "#/tasks/wide",
    "#/new",
)
_TIMERS = """
window.running = new Set();
const { setInterval: every, clearInterval: end } = window;
window.setInterval = (...given) => {
  const timer = every(...given);
  window.running.add(timer);
  return timer;
};
window.clearInterval = (timer) => (window.running.delete(timer), end(timer));
"""


def _round(page: Page) -> None:
    """Through the views by their links, as somebody who clicks, to the first one."""
    for link in (*ROUND, ROUND[0]):
        page.evaluate("link => (location.hash = link)", link)
        page.wait_for_function("link => location.hash.startsWith(link)", arg=link)
        settled(page)


def _kept(page: Page, session: CDPSession) -> dict[str, int]:
    """What is there once all that nothing refers to is gone."""
    session.send("HeapProfiler.collectGarbage")
    session.send("HeapProfiler.collectGarbage")
    found = {one["name"]: int(one["value"]) for one in session.send("Performance.getMetrics")["metrics"]}
    return {name: found[name] for name in ("Nodes", "JSEventListeners", "Documents")} | {
        "timers": page.evaluate("window.running.size")
    }


@pytest.mark.fault(802)
def test_fifty_views_leave_nothing_behind(crowded: Watched) -> None:
    """Nodes, listeners and timers are as many as after the first round; a leak would be some of each view and round."""
    crowded.context.add_init_script(_TIMERS)
    page = visit(crowded, Shown("syncs", ROUND[0]))
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    for _ in range(2):
        _round(page)
    first = _kept(page, session)
    for _ in range(6):
        _round(page)
    last = _kept(page, session)
    assert last["timers"] == first["timers"]
    assert last["Documents"] == first["Documents"]
    for name in ("Nodes", "JSEventListeners"):
        assert last[name] <= first[name] * 1.1 + 20, (first, last)
