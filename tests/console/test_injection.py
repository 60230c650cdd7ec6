"""Hostile texts in everything that a view shows: none runs, none becomes a link, all are shown as they are."""

import pytest
from playwright.sync_api import Page, expect

from tests.support import console_data
from tests.support.browser import Watched
from tests.support.console_views import VIEWS, Shown, visit

_LISTEN = """
window.reports = [];
document.addEventListener('securitypolicyviolation', (event) => window.reports.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
_ARMED = """() => [...document.querySelectorAll('*')].flatMap((one) => [...one.attributes]
  .filter(({name, value}) => /^on/i.test(name) || name === 'srcdoc'
    || (/^(href|src|action|formaction|xlink:href|data)$/i.test(name) && !/^(#|https?:|data:image|console[/]|[/]|$)/i.test(value)))
  .map(({name, value}) => `${one.tagName} ${name}=${value.slice(0, 80)}`))"""
_FOREIGN = "() => document.querySelectorAll('iframe, object, embed, base, main script, main style, main meta, main link').length"
hostile_views = pytest.mark.parametrize("view", [one for one in VIEWS if one.hostile], ids=lambda view: view.name)


def harmless(page: Page) -> None:
    """Nothing ran, nothing tried to, and nothing waits for a click to run."""
    assert page.evaluate("window.harm ?? 0") == 0
    assert page.evaluate("window.reports") == []
    assert page.evaluate(_ARMED) == []
    assert page.evaluate(_FOREIGN) == 0


@pytest.mark.fault(736)
@hostile_views
def test_hostile_text_is_text(crowded: Watched, view: Shown) -> None:
    """Also once everything that is folded is open, and every button that only shows things was pressed."""
    crowded.context.add_init_script(_LISTEN)
    page = visit(crowded, view)
    expect(page.locator("body")).to_contain_text(console_data.MARK)
    page.evaluate("() => document.querySelectorAll('main details').forEach((one) => (one.open = true))")
    for row in page.locator("main [aria-expanded=false]").all()[:10]:
        row.click()
    page.wait_for_load_state("networkidle")
    harmless(page)


@pytest.mark.fault(736)
@pytest.mark.parametrize(
    ("link", "texts"),
    [
        ("#/tasks/hostile", (console_data.SCRIPT, console_data.MARKUP, console_data.LINK)),
        ("#/tasks/hostile/logs", (console_data.SCRIPT, console_data.MARKUP, console_data.LINK)),
        ("#/syncs/hostile", (console_data.SCRIPT,)),
    ],
)
def test_it_is_shown_as_it_is(crowded: Watched, link: str, texts: tuple[str, ...]) -> None:
    """Someone who looks for the cause sees what the connector sent, letter by letter."""
    page = visit(crowded, Shown("", link))
    for text in texts:
        expect(page.get_by_role("main")).to_contain_text(text)


@pytest.mark.fault(736)
@pytest.mark.parametrize(
    "link",
    [
        "#/tasks/" + console_data.MARKUP.replace("/", "%2F"),
        "#/tasks?sync=" + console_data.SCRIPT.replace("/", "%2F"),
        "#/tasks/hostile/logs?q=" + console_data.MARKUP.replace("/", "%2F") + "&level=" + console_data.LINK,
        "#/syncs?q=" + console_data.SCRIPT.replace("/", "%2F"),
        "#/new?image=" + console_data.LINK,
        "#/syncs/" + console_data.SCRIPT.replace("/", "%2F"),
        "#/%E0%A4%A/<script>",
    ],
)
def test_a_link_that_someone_sent_does_no_harm(crowded: Watched, link: str) -> None:
    """What is in a link goes into the page, too."""
    crowded.context.add_init_script(_LISTEN)
    crowded.expected += ["400", "404", "422"]
    page = crowded.open(link)
    page.locator("main h1").wait_for()
    page.wait_for_load_state("networkidle")
    harmless(page)


@pytest.mark.fault(736)
def test_the_policy_stops_what_would_get_through(crowded: Watched) -> None:
    """The net below the rope, and the proof that these tests see harm: script that is written into the page."""
    crowded.context.add_init_script(_LISTEN)
    crowded.expected += ["Content Security Policy", "Trusted"]
    page = visit(crowded, VIEWS[0])
    page.evaluate("""() => {
      const link = document.createElement('a');
      link.href = 'javascript:window.harm=8';
      document.querySelector('main').append(link);
      link.click();
    }""")
    page.wait_for_function("() => window.reports.length > 0")
    assert page.evaluate("window.harm ?? 0") == 0
    assert page.evaluate(_ARMED) == ["A href=javascript:window.harm=8"]
    for way in ("innerHTML = '<b>'", "setAttribute('onclick', 'window.harm=9')"):
        refused = page.evaluate(f"() => {{ try {{ document.body.{way}; }} catch (error) {{ return error.name; }} }}")
        assert refused == "TypeError"


@pytest.mark.fault(737)
@hostile_views
def test_a_text_that_turns_around_stays_in_its_place(crowded: Watched, view: Shown) -> None:
    """U+202E would show "exe.txt" for "txt.exe", and turn the words of the page that follow it."""
    page = visit(crowded, view)
    expect(page.get_by_role("main")).to_contain_text(console_data.MARK)
    isolated = page.evaluate("""() => {
      const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT), bad = [];
      while (walker.nextNode()) {
        if (!walker.currentNode.data.includes('\\u202e')) continue;
        const one = walker.currentNode.parentElement;
        const style = getComputedStyle(one);
        if (!/isolate|plaintext/.test(style.unicodeBidi) && /inline$/.test(style.display)) bad.push(`${one.tagName}.${one.className}`);
      }
      return bad;
    }""")
    assert isolated == []
