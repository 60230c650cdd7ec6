"""Keys, links and tabs: what people expect of a page, and of the tab that it is in."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Watched
from tests.support.console_views import Shown, settled, visit

TASKS = Shown("tasks", "#/tasks", hostile=True)
TASK = Shown("task", "#/tasks/succeeded")
FOCUSED = "document.activeElement"


def focused_row(page: Page) -> int:
    """Which of the rows has the focus, or -1."""
    rows = "[...document.querySelectorAll('[data-row]')]"
    at: int = page.evaluate(f"{rows}.indexOf({FOCUSED})")
    return at


@pytest.mark.parametrize("view", [TASKS, Shown("syncs", "#/syncs", hostile=True)], ids=["tasks", "syncs"])
def test_keys_go_to_the_search_and_through_the_rows(crowded: Watched, view: Shown) -> None:
    """`/` searches, `j` and `k` step, `Esc` leaves the field, Enter opens; a letter in a field is a letter."""
    page = visit(crowded, view)
    page.locator("[data-row]").first.wait_for()
    page.keyboard.press("/")
    assert page.evaluate(f"{FOCUSED}.matches('[data-search]')")
    page.keyboard.type("j/k")
    expect(page.locator("[data-search]")).to_have_value("j/k")
    page.keyboard.press("Escape")
    assert page.evaluate(f"!{FOCUSED}.matches('[data-search]')")
    page = visit(crowded, view)
    page.locator("[data-row]").nth(1).wait_for()
    page.keyboard.press("j")
    assert focused_row(page) == 0
    page.keyboard.press("j")
    assert focused_row(page) == 1
    page.keyboard.press("k")
    assert focused_row(page) == 0
    before = page.url
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(before)


def test_keys_of_the_browser_are_left_alone(crowded: Watched) -> None:
    """Ctrl-K and others are not ours."""
    page = visit(crowded, TASKS)
    page.locator("[data-row]").first.wait_for()
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Control+j")
    assert focused_row(page) == -1


def test_back_forward_and_reload_do_what_one_expects(crowded: Watched) -> None:
    """A filter survives a look at something else, and a reload."""
    page = visit(crowded, Shown("tasks", "#/tasks?state=FAILED"))
    page.get_by_role("link", name="Syncs", exact=True).click()
    expect(page).to_have_url(re.compile("#/syncs$"))
    page.go_back()
    expect(page).to_have_url(re.compile("#/tasks\\?state=FAILED$"))
    settled(page)
    page.go_forward()
    expect(page).to_have_url(re.compile("#/syncs$"))
    page.go_back()
    page.reload()
    settled(page)
    expect(page).to_have_url(re.compile("#/tasks\\?state=FAILED$"))
    expect(page.get_by_role("link", name="Tasks", exact=True)).to_have_attribute("aria-current", "page")


@pytest.mark.fault(779)
def test_a_link_that_is_followed_at_once_is_not_lost(crowded: Watched) -> None:
    """In the moment in which the first view is drawn, before a busy browser has run what comes after it."""
    crowded.context.add_init_script("""new MutationObserver((_, watch) => {
      if (!document.querySelector('nav a')) return;
      watch.disconnect();
      location.hash = '#/tasks';
    }).observe(document, {childList: true, subtree: true});
    const frame = window.requestAnimationFrame, wait = window.setTimeout;
    window.requestAnimationFrame = (call) => frame(() => wait(() => call(performance.now()), 300));
    window.setTimeout = (call, ms = 0, ...more) => wait(call, Math.max(ms, 300), ...more);""")
    page = crowded.open("#/syncs")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")


@pytest.mark.parametrize(
    ("task", "word", "icon"),
    [("succeeded", "✓", "good"), ("failing", "✗", "bad"), ("moving", "▶", "busy"), ("waiting", "◷", "busy")],
)
def test_the_tab_tells_the_state(crowded: Watched, task: str, word: str, icon: str) -> None:
    """Title and icon, among twenty other tabs."""
    page = visit(crowded, Shown(task, f"#/tasks/{task}"))
    expect(page).to_have_title(re.compile(f"^{word} "))
    assert f"icons/{icon}.svg" in (page.locator("#icon").get_attribute("href") or "")
    page.get_by_role("link", name="New", exact=True).click()
    expect(page).not_to_have_title(re.compile(f"^{word} "))
    expect(page.locator("#icon")).to_have_attribute("href", re.compile("idle.svg"))


@pytest.mark.fault(744)
def test_a_link_in_a_new_tab(crowded: Watched) -> None:
    """The view is there; or, where the browser gives a new tab no token, the sign-in that leads to it, and says so."""
    page = visit(crowded, TASKS)
    link = page.get_by_role("link", name="Syncs", exact=True)
    with crowded.context.expect_page() as opened:
        link.click(modifiers=["ControlOrMeta"])
    tab = opened.value
    tab.wait_for_load_state()
    tab.locator("main h1").wait_for()
    if tab.get_by_label("Token").count():
        expect(tab.get_by_text("Each tab needs the token")).to_be_visible()
        tab.get_by_label("Token").fill(crowded.token)
        tab.get_by_role("button", name="Sign in").click()
    tab.get_by_role("navigation").wait_for()
    expect(tab).to_have_url(re.compile("#/syncs$"))
