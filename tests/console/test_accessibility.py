"""Every view for everyone: axe-core, narrow and enlarged pages, the keyboard alone, what a screen reader hears."""

from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import DESKTOP, PHONE, Watched
from tests.support.console_views import VIEWS, Shown, settled, visit
from tests.support.edition_process import EditionProcess

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
_RUN = "(more) => axe.run(document, {resultTypes: ['violations'], ...more}).then((found) => found.violations)"
_COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules that the theme matters to."""
_TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll('body *')]
    .filter((one) => one.getBoundingClientRect().right > width + 1 && !one.closest('.scroll'))
    .map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 40)}`).slice(0, 5)
    .concat(`${document.documentElement.scrollWidth} > ${width}`);
}"""
STOPS = 80
"""Stops of Tab that a long view is looked at for."""
every_view = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)


@pytest.mark.fault(731)
@pytest.mark.fault(732)
@pytest.mark.fault(733)
@every_view
def test_a_view_is_for_everyone(crowded: Watched, view: Shown) -> None:
    """Loaded once, and looked at in every way: all that is wrong is in one list."""
    page = visit(crowded, view)
    found = [*outline(page, view), *moving(page), *unreached(page), *axe(page), *too_wide(page)]
    assert not found, "\n".join(found)


def axe(page: Page) -> list[str]:
    """What axe finds in both themes, on a phone and on a desktop."""
    page.evaluate(AXE + ";undefined")
    found: list[str] = []
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme, rules in (("light", {}), ("dark", _COLOURS)):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found += [f"{size['width']} {scheme} {text}" for text in serious(page, rules)]
    return found


def serious(page: Page, rules: dict[str, Any] | None = None) -> list[str]:
    """What axe finds to be serious or critical: rule, element and why."""
    violations: list[dict[str, Any]] = page.evaluate(_RUN, rules or {})
    return [
        f"{one['impact']} {one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in violations
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"][:3]
    ]


def test_axe_sees_what_is_wrong(crowded: Watched) -> None:
    """The test above is able to fail: a field without a name, and grey on grey."""
    page = visit(crowded, VIEWS[0])
    page.evaluate(AXE + ";undefined")
    page.evaluate("""() => {
      const text = document.createElement('p');
      text.append('grey on grey', document.createElement('input'));
      text.style.color = '#777'; text.style.backgroundColor = '#888';
      document.querySelector('main').append(text);
    }""")
    found = " ".join(serious(page))
    assert "color-contrast" in found
    assert "label" in found


def too_wide(page: Page) -> list[str]:
    """What a phone of 320 CSS pixels (also 1280 at 400 %) does not hold; then with text of twice the size."""
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    found = [f"phone: {text}" for text in page.evaluate(_TOO_WIDE)]
    page.set_viewport_size({"width": 640, "height": 400})
    page.evaluate("() => (document.documentElement.style.fontSize = '200%')")
    return found + [f"text of 200 %: {text}" for text in page.evaluate(_TOO_WIDE)]


def outline(page: Page, view: Shown) -> list[str]:
    """One main, one h1 that says where one is, no level of headings left out, and a title."""
    found = [] if page.get_by_role("main").count() == 1 else ["not one main"]
    found += [] if page.get_by_role("heading", level=1).count() == 1 else ["not one h1"]
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((one) => Number(one.tagName[1]))")
    found += [f"headings leave out a level: {levels}"] if any(b > a + 1 for a, b in pairwise(levels)) else []
    if view.link and page.title() in {"", "sync-functions"}:
        found.append("no title")
    if view.link and page.get_by_role("navigation").count() < 1:
        found.append("no navigation")
    return found


_FOCUSED = """async () => {
  const one = document.activeElement, until = performance.now() + 30_000;
  if (!one || one === document.body) return null;
  const inSight = ({width, height, top, bottom}) => width > 0 && height > 0 && bottom > 0 && top < innerHeight;
  // It is scrolled to a moment later, and what comes above it meanwhile moves it.
  while (!inSight(one.getBoundingClientRect()) && performance.now() < until) await new Promise(requestAnimationFrame);
  const style = getComputedStyle(one);
  const marked = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none';
  const name = `${one.tagName} ${one.id} ${(one.getAttribute('aria-label') || one.textContent || one.name || '').trim().slice(0, 50)}`;
  one.dataset.reached = '1';
  const {top, bottom} = one.getBoundingClientRect();
  const where = one.isConnected ? `${top} to ${bottom} of ${innerHeight}` : 'it is not in the document any more';
  return {name, marked, where, shown: inSight(one.getBoundingClientRect())};
}"""
_MISSED = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [onclick]')]
  .filter((one) => !one.disabled && one.tabIndex >= 0 && one.type !== 'radio' && one.checkVisibility({visibilityProperty: true}) && !one.dataset.reached)
  .map((one) => `${one.tagName} ${one.textContent.trim().slice(0, 40)} ${one.name || ''}`)"""


def unreached(page: Page) -> list[str]:
    """From the top, with Tab alone: what is not reached, not in sight or not marked."""
    page.evaluate(_FOCUSED)  # the sign-in's field has it already
    page.evaluate("() => document.activeElement.blur()")
    found: list[str] = []
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        at = page.evaluate(_FOCUSED)
        if at is None:
            return found + [f"Tab does not reach {one}" for one in page.evaluate(_MISSED)]
        found += [] if at["marked"] else [f"no mark of the focus: {at['name']}"]
        found += [] if at["shown"] else [f"the focus is out of sight: {at['name']} ({at['where']})"]
    return found  # a long list


@pytest.mark.fault(734)
def test_a_new_view_gets_the_focus_and_is_announced(crowded: Watched) -> None:
    """So that a screen reader reads on from there; the title says where one is."""
    page = visit(crowded, VIEWS[1])
    page.get_by_role("link", name="Tasks", exact=True).click()
    page.get_by_role("heading", level=1, name="tasks").wait_for()
    settled(page)
    page.wait_for_function("() => document.activeElement?.closest('main')")
    page.wait_for_function("() => /tasks/i.test(document.querySelector('[aria-live=polite]').textContent)")
    assert page.get_by_role("link", name="Tasks", exact=True).get_attribute("aria-current") == "page"


def test_the_content_can_be_jumped_to(crowded: Watched) -> None:
    """The first stop of Tab skips the navigation, and shows itself."""
    page = visit(crowded, VIEWS[1])
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    assert skip.evaluate("(one) => one === document.activeElement && one.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert "#/syncs" in page.url


def moving(page: Page) -> list[str]:
    """What moves although the reader asked for less of that."""
    running: list[str] = page.evaluate(
        "document.getAnimations().filter((one) => one.playState === 'running').map((one) => `${one.animationName} runs`)"
    )
    return running


@pytest.mark.fault(735)
@pytest.mark.parametrize(
    "view", [one for one in VIEWS if one.name in {"syncs", "task", "task-failed"}], ids=lambda v: v.name
)
def test_forced_colours_leave_words(chromium: Browser, seeded: EditionProcess, view: Shown) -> None:
    """With a system's own colours a state is still told by a word and a sign, and the focus by an outline."""
    watched = Watched(chromium, seeded.url, seeded.token, forced_colors="active")
    page = visit(watched, view)
    for status in page.locator(".status").all()[:20]:
        assert status.inner_text().strip()
    page.keyboard.press("Tab")
    assert page.evaluate(_FOCUSED)["marked"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    watched.close()
