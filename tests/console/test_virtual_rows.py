"""components/virtual-rows.js: 100,000 rows of unequal height, of which only those that can be seen are in the document."""

from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Watched

MOUNT = """async ({ first, count, follow }) => {
  const base = document.querySelector("script[type=module]").src.replace(/main\\.js$/, "");
  const { html, render } = await import(`${base}lib/html.js`);
  const { VirtualRows } = await import(`${base}components/virtual-rows.js`);
  document.getElementById("app").remove();
  const place = document.body.appendChild(document.createElement("div"));
  const heights = [20, 44, 71, 33, 120];
  const made = (from, to) => Array.from({ length: to - from }, (_, n) => ({ key: from + n }));
  const row = ({ key }) => html`<p style=${{ height: `${heights[Math.abs(key) % 5]}px`, margin: 0 }}>
    <a href="#x" data-row="">Row ${key}</a></p>`;
  const list = { calls: [], handle: { current: null }, items: made(first, first + count), follow };
  list.show = () => render(html`<${VirtualRows} items=${list.items} row=${row} label="Numbers" follow=${list.follow}
    handle=${list.handle} className="tested" onTop=${() => list.calls.push("top")}
    onBottom=${() => list.calls.push("bottom")} onAtEnd=${(yes) => list.calls.push(`end ${yes}`)} />`, place);
  list.prepend = (n) => {
    const from = list.items[0].key - n;
    list.items = [...made(from, from + n), ...list.items];
    list.show();
  };
  list.append = (n) => {
    const from = list.items.at(-1).key + 1;
    list.items = [...list.items, ...made(from, from + n)];
    list.show();
  };
  list.trim = (n) => ((list.items = list.items.slice(n)), list.show());
  globalThis.list = list;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(".tested { height: 600px; }");
  document.adoptedStyleSheets = [sheet];
  list.show();
}"""

PLACE_OF = """key => {
  const box = list.handle.current.element.getBoundingClientRect();
  const row = [...document.querySelectorAll("[data-row]")].find((one) => one.textContent === `Row ${key}`);
  return row ? Math.round(row.getBoundingClientRect().top - box.top) : null;
}"""
STILL = """() => new Promise((done) => {
  let before, same = 0;
  const look = () => {
    const { scrollTop, scrollHeight } = list.handle.current.element;
    same = before === `${scrollTop} ${scrollHeight}` ? same + 1 : 0;
    before = `${scrollTop} ${scrollHeight}`;
    if (same > 10) done(); else requestAnimationFrame(look);
  };
  look();
})"""


@pytest.fixture
def page(watched: Watched) -> Page:
    """A page of the console, whose place is free for a list."""
    page = watched.open("#/new")
    page.get_by_role("heading", level=1).wait_for()
    return page


def until(page: Page, condition: str) -> None:
    """Waits for it; Playwright's own way to do so is an eval, which the page's policy forbids."""
    page.evaluate(f"""() => new Promise((done, fail) => {{
      setTimeout(() => fail(new Error("it did not come true within 60 s")), 60_000);
      const look = () => (({condition}) ? done() : requestAnimationFrame(look));
      look();
    }})""")


def mount(page: Page, first: int = 0, count: int = 100_000, *, follow: bool = False) -> None:
    """Shows rows with these numbers."""
    page.evaluate(MOUNT, {"first": first, "count": count, "follow": follow})
    page.evaluate(STILL)


def do(page: Page, script: str) -> Any:
    """Runs a script, and waits until the list stands still."""
    answer = page.evaluate(script)
    page.evaluate(STILL)
    return answer


def first_seen(page: Page) -> int:
    """The number of the first row that can be seen."""
    return int(
        page.evaluate("""() => {
          const top = list.handle.current.element.getBoundingClientRect().top;
          const seen = (one) => one.parentElement.getBoundingClientRect().bottom > top + 1;
          return [...document.querySelectorAll("[data-row]")].find(seen).textContent.slice(4);
        }""")
    )


def test_only_what_is_seen_is_in_the_document(page: Page) -> None:
    """Of 100,000 rows a few dozen; and each can be reached, though none above it was ever measured."""
    mount(page)
    rows = page.get_by_role("listitem")
    assert rows.count() < 60
    expect(rows.first).to_have_text("Row 0")
    expect(rows.first).to_have_attribute("aria-setsize", "100000")
    do(page, "list.handle.current.scrollTo(70_001)")
    expect(page.get_by_text("Row 70001", exact=True)).to_be_in_viewport()
    assert rows.count() < 60
    do(page, "list.handle.current.scrollToEnd()")
    expect(page.get_by_text("Row 99999", exact=True)).to_be_in_viewport()
    assert "bottom" in page.evaluate("list.calls")


def test_no_two_rows_overlap_and_none_is_left_out(page: Page) -> None:
    """Their places follow from their real heights, wherever one has scrolled to."""
    mount(page)
    for index in (0, 512, 99_000, 3):
        do(page, f"list.handle.current.scrollTo({index}, 'start')")
        found = page.evaluate("""() => [...document.querySelectorAll("[data-row]")].map((one) => {
          const { top, height } = one.parentElement.getBoundingClientRect();
          return [Number(one.textContent.slice(4)), top, height];
        })""")
        for (number, top, height), (following, below, _) in pairwise(found):
            assert following == number + 1
            assert abs(top + height - below) < 1


def test_a_row_that_is_scrolled_to_is_reached_though_others_come_before_it(page: Page) -> None:
    """As when a link to a line opens a log, whose older lines come a moment later."""
    mount(page, count=2_000)
    do(page, "list.handle.current.scrollTo(1_500), list.prepend(1000)")
    expect(page.get_by_text("Row 1500", exact=True)).to_be_in_viewport()
    do(page, "list.handle.current.scrollTo(1_000), requestAnimationFrame(() => list.prepend(1000))")
    expect(page.get_by_text("Row 0", exact=True)).to_be_in_viewport()


def test_what_is_read_stays_where_it_is(page: Page) -> None:
    """Rows that come before it, after it, or are dropped at the top do not move it by a pixel."""
    mount(page, count=2_000)
    do(page, "list.handle.current.scrollTo(0, 'start')")
    seen = first_seen(page)
    before = page.evaluate(PLACE_OF, seen)
    do(page, "list.prepend(1000)")
    assert page.evaluate(PLACE_OF, seen) == before
    do(page, "list.handle.current.element.scrollBy(0, -5000)")
    seen = first_seen(page)
    assert seen < 0
    before = page.evaluate(PLACE_OF, seen)
    for change in ("list.prepend(500)", "list.append(700)", "list.trim(400)"):
        do(page, change)
        assert page.evaluate(PLACE_OF, seen) == before, change


def test_the_end_is_followed_until_somebody_scrolls_up(page: Page) -> None:
    """New rows keep the end in sight; scrolling up is told, and then nothing moves."""
    mount(page, count=3_000, follow=True)
    expect(page.get_by_text("Row 2999", exact=True)).to_be_in_viewport()
    do(page, "list.append(50)")
    expect(page.get_by_text("Row 3049", exact=True)).to_be_in_viewport()
    assert "end false" not in page.evaluate("list.calls")
    page.get_by_role("list").hover()
    page.mouse.wheel(0, -900)
    until(page, "list.calls.includes('end false')")
    do(page, "list.follow = false; list.show()")
    seen = first_seen(page)
    before = page.evaluate(PLACE_OF, seen)
    do(page, "list.append(50)")
    assert page.evaluate(PLACE_OF, seen) == before
    do(page, "list.handle.current.scrollToEnd()")
    assert page.evaluate("list.calls.at(-1)") == "end true"


def test_keys_scroll_it_and_the_focus_is_not_lost(page: Page) -> None:
    """PageDown scrolls; a row that had the focus leaves it to the list when it is scrolled away."""
    mount(page)
    page.get_by_role("list").focus()
    page.keyboard.press("PageDown")
    until(page, "list.handle.current.element.scrollTop > 300")
    do(page, "list.handle.current.scrollTo(0)")
    page.get_by_text("Row 1", exact=True).focus()
    do(page, "list.handle.current.scrollTo(50_000)")
    expect(page.get_by_role("list")).to_be_focused()
