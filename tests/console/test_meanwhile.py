"""What changes, or never comes, while somebody looks at the console or waits for it."""


import pytest
from playwright.sync_api import expect

from tests.console.test_attacks import run
from tests.support.browser import Watched


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
