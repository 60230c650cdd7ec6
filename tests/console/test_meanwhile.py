"""What changes, or never comes, while somebody looks at the console or waits for it."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.test_attacks import run
from tests.support.browser import Watched
from tests.support.edition_process import EditionProcess
from tests.support.fake_bulker import wait_for
from tests.support.garden import Garden


def states(edition: EditionProcess, name: str) -> dict[str, object]:
    """The saved states of a sync."""
    found: dict[str, object] = edition.ask(f"/syncs/{name}/state")[1]["states"]
    return found


def held_by(page: Page, pattern: str, method: str) -> list[Route]:
    """Requests that wait until a test lets them go."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == method:
            held.append(route)
        else:
            route.continue_()

    page.route(re.compile(pattern), hold)
    return held


@pytest.mark.fault(825)
def test_a_state_that_was_saved_meanwhile_is_not_overwritten(
    watched: Watched, garden: Garden, edition: EditionProcess
) -> None:
    """A run may have saved a newer one since: that is shown as what the change would replace, and asked for again."""
    garden.declare("newest")
    edition.ask("/syncs/newest/state/roses", {"n": 1}, "PUT")
    page = watched.open("#/syncs/newest")
    part = page.get_by_role("region", name="States").get_by_role("group").filter(has_text="roses")
    part.get_by_text("roses", exact=True).click()
    part.get_by_role("button", name="Edit state").click()
    part.get_by_role("textbox").fill('{"n": 7}')
    edition.ask("/syncs/newest/state/roses", {"n": 5}, "PUT")
    part.get_by_role("button", name="Review the change").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("deletion")).to_contain_text('"n": 1')
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("has changed since")
    assert states(edition, "newest") == {"roses": {"n": 5}}
    expect(dialog.get_by_role("deletion")).to_contain_text('"n": 5')
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog).to_have_count(0)
    assert states(edition, "newest") == {"roses": {"n": 7}}


@pytest.mark.fault(825)
def test_an_undo_takes_back_the_change_that_is_shown(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """Another change by hand since is named first."""
    garden.declare("undone")
    edition.ask("/syncs/undone/state/roses", {"n": 1}, "PUT")
    page = watched.open("#/syncs/undone")
    page.get_by_role("button", name="Undo the last change").click()
    edition.ask("/syncs/undone/state/tulips", {"n": 2}, "PUT")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("set of roses")
    dialog.get_by_role("button", name="Undo", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("has changed since")
    assert states(edition, "undone") == {"roses": {"n": 1}, "tulips": {"n": 2}}
    expect(dialog).to_contain_text("set of tulips")
    dialog.get_by_role("button", name="Undo", exact=True).click()
    expect(dialog).to_have_count(0)
    assert states(edition, "undone") == {"roses": {"n": 1}}


@pytest.mark.fault(681)
@pytest.mark.parametrize("choice", ["Load theirs", "Keep my text, based on theirs"])
def test_no_text_is_reviewed_while_another_one_is_loaded(
    watched: Watched, garden: Garden, edition: EditionProcess, choice: str
) -> None:
    """It would be the text before, and be refused again; if theirs cannot be loaded the choice is still there."""
    watched.expected += ["409", "ERR_"]
    garden.declare("slowly")
    page = watched.open("#/syncs/slowly")
    page.get_by_role("button", name="Edit document").click()
    editor = page.get_by_role("textbox", name="Document as YAML")
    editor.fill(editor.input_value().replace("prefix: slowly_", "prefix: mine_"))
    garden.declare("slowly", schedule="@daily")
    review = page.get_by_role("button", name="Review and save")
    review.click()
    take = page.get_by_role("button", name=choice)
    take.wait_for()
    held = held_by(page, r"/syncs/slowly$", "GET")
    take.click()
    wait_for(lambda: page.evaluate("1") and held, 60, "the document")
    expect(review).to_be_disabled()
    expect(page.get_by_role("button", name="Check", exact=True)).to_be_disabled()
    held.pop().abort()
    expect(take).to_be_visible()
    page.unroute(re.compile(r"/syncs/slowly$"))
    take.click()
    expect(
        page.get_by_role("status").filter(has_text="theirs now" if "Keep" in choice else "their document")
    ).to_be_visible()
    expect(review).to_be_enabled()


@pytest.mark.fault(829)
def test_an_answer_that_never_comes_is_not_waited_for_always(watched: Watched, garden: Garden) -> None:
    """A connection may be dead without a sign of it: the page says so, and asks again."""
    watched.expected.append("ERR_")
    garden.declare("silent")
    page = watched.page
    page.clock.install()
    watched.open("#/tasks")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    held = held_by(page, r"/syncs$", "GET")
    page.get_by_role("link", name="Syncs", exact=True).click()
    wait_for(lambda: page.evaluate("1") and held, 60, "the request")
    page.clock.run_for(6 * 60_000)
    expect(page.get_by_text("The functions cannot be reached").first).to_be_visible()
    while len(held) < 2:
        page.clock.run_for(10_000)
    page.unroute(re.compile(r"/syncs$"))


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


def test_what_cannot_be_copied_is_shown(watched: Watched) -> None:
    """Over plain HTTP a page has no clipboard: the text is there to be selected."""
    watched.context.add_init_script("Object.defineProperty(navigator, 'clipboard', {get: () => undefined})")
    page = watched.open("#/tasks")
    page.get_by_role("button", name="curl", exact=True).click()
    shown = page.get_by_role("region", name="Text to copy")
    expect(shown).to_contain_text("curl -H")
    expect(page.get_by_role("main")).to_contain_text("does not allow copying")
    page.get_by_role("button", name="syncctl", exact=True).click()
    expect(shown).to_have_text("syncctl tasks")


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
