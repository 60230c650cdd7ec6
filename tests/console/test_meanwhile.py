"""What changes, or never comes, while somebody looks at the console or waits for it."""


import pytest
from playwright.sync_api import expect

from tests.console.test_attacks import run
from tests.support.browser import Watched
from tests.support.fake_bulker import wait_for
from tests.support.garden import Garden


def test_who_has_gone_elsewhere_is_left_there(watched: Watched, garden: Garden) -> None:
    """What was asked for is done, and announced; the view that is looked at now stays."""
    watched.expected.append("404")
    garden.declare("leaving")
    watched.open("#/tasks")
    page = watched.page
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.evaluate("location.hash = '#/syncs/leaving'")
    page.get_by_role("button", name="Delete", exact=True).click()
    held = held_by(page, r"/syncs/leaving\?", "DELETE")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    wait_for(lambda: page.evaluate("1") and held, 60, "the request")
    page.go_back()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    held.pop().continue_()
    expect(page.locator("[aria-live]").first).to_contain_text("leaving has been deleted.")
    assert page.evaluate("location.hash") == "#/tasks"


@pytest.mark.fault(824)
@pytest.mark.parametrize(
    ("module", "body", "given"),
    [
        ("lib/safe.js", "m.richText(given)", "<a " + "href=x" * 20_000),
        ("lib/safe.js", "m.richText(given)", "<a href=x>" * 50_000),
        ("lib/safe.js", "m.richText(given)", "[" * 400_000),
        ("lib/safe.js", "m.richText(given)", "<b" * 400_000),
        ("components/form/texts.js", "m.matches(given, 'a'.repeat(1500))", "a*" * 9 + "b"),
        ("components/form/texts.js", "m.matches(given, 'a'.repeat(24))", "(((a+)+)+)+b"),
        ("components/form/texts.js", "m.matches(given, 'a'.repeat(24))", "(a+)+" * 8 + "b"),
        ("components/form/texts.js", "m.matches(given, 'a'.repeat(900))", "(a{0,900}){1,900}b"),
        ("components/form/texts.js", "m.matches(given, 'a'.repeat(30))", "(" + "+" * 100_000),
    ],
    ids=["tags", "links", "brackets", "bold", "sequence", "nested", "repeated", "counted", "pattern"],
)
def test_no_text_of_a_specification_holds_the_page_up(watched: Watched, module: str, body: str, given: str) -> None:
    """Texts whose naive reading takes hours: the page goes on."""
    page = watched.open("#/tasks")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    run(page, module, f"setTimeout(() => {{ {body}; globalThis.over = true; }}, 50)", given)
    page.wait_for_function("() => globalThis.over === true")
