"""States in the view Sync: seen, edited, forgotten, taken back, copied; and what holds a change up."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Watched
from tests.support.edition_process import EditionProcess
from tests.support.fake_bulker import wait_for
from tests.support.garden import Garden

SCRIPT = "<img src=x onerror=document.title='taken'>"


def states(edition: EditionProcess, name: str) -> dict[str, object]:
    """The saved states of a sync."""
    found: dict[str, object] = edition.ask(f"/syncs/{name}/state")[1]["states"]
    return found


def opened(page: Page, stream: str) -> Locator:
    """The part of a stream's state, unfolded."""
    part = page.get_by_role("region", name="States").get_by_role("group").filter(has_text=stream)
    part.get_by_text(stream, exact=True).click()
    return part


def press(page: Page, verb: str) -> None:
    """Press the button of the question that is open, which then closes."""
    page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.fault(684)
def test_a_state_is_edited_with_every_digit(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """What is not JSON is not sent; the change is shown before; numbers stay as they were written."""
    garden.declare("edited")
    edition.ask("/syncs/edited/state/roses", {"n": 1, "at": 12345678901234567890123, "why": SCRIPT}, "PUT")
    page = watched.open("#/syncs/edited")
    part = opened(page, "roses")
    expect(part.get_by_role("region", name="State of roses")).to_contain_text(SCRIPT)
    part.get_by_role("button", name="Edit state").click()
    editor = part.get_by_role("textbox", name="State of roses as JSON")
    good = editor.input_value()
    editor.fill(good.replace("}", ""))
    expect(part.get_by_role("alert")).to_contain_text("This is not JSON")
    expect(part.get_by_role("button", name="Review the change")).to_be_disabled()
    editor.fill("[1]")
    expect(part.get_by_role("alert")).to_contain_text("A state is a JSON object")
    editor.fill(good.replace('"n": 1,', '"n": 7,'))
    part.get_by_role("button", name="Review the change").click()
    changes = page.get_by_role("dialog").get_by_role("region", name="Changes of the state")
    expect(changes.get_by_role("deletion")).to_have_text('-   "n": 1,')
    expect(changes.get_by_role("insertion")).to_have_text('+   "n": 7,')
    press(page, "Save")
    expect(part.get_by_role("region", name="State of roses")).to_contain_text('"n": 7')
    assert states(edition, "edited") == {"roses": {"n": 7, "at": 12345678901234567890123, "why": SCRIPT}}
    assert page.title() != "taken"


def test_states_are_reset_undone_and_copied(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """Each asks first; what was forgotten comes back."""
    garden.declare("source")
    garden.declare("copied")
    garden.run("source")
    page = watched.open("#/syncs/source")
    opened(page, "roses").get_by_role("button", name="Reset state").click()
    expect(page.get_by_role("dialog")).to_contain_text(
        "The next read of roses begins from nothing, and replaces its table"
    )
    press(page, "Reset")
    expect(page.locator("[aria-live]")).to_have_text("The state of roses is forgotten.")
    assert states(edition, "source") == {"tulips": {"n": 1}}
    page.get_by_role("button", name="Undo the last change").click()
    press(page, "Undo")
    page.get_by_role("region", name="States").get_by_text("roses", exact=True).wait_for()
    assert states(edition, "source") == {"roses": {"n": 1}, "tulips": {"n": 1}}
    page.get_by_role("button", name="Copy to another sync").click()
    page.get_by_label("To the sync").fill("copied")
    press(page, "Copy")
    assert states(edition, "copied") == {"roses": {"n": 1}, "tulips": {"n": 1}}
    page.get_by_role("button", name="Reset all states").click()
    press(page, "Reset")
    page.get_by_text("No states are saved: the next read begins from nothing.").wait_for()
    assert states(edition, "source") == {}


@pytest.mark.fault(685)
def test_a_read_that_begins_meanwhile_holds_a_change(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """409 is explained beside the question, with a link to the read; nothing is changed."""
    garden.declare("busy")
    garden.run("busy")
    before = states(edition, "busy")
    watched.expected.append("409")
    page = watched.open("#/syncs/busy")
    page.get_by_role("button", name="Reset all states").click()
    garden.waits.touch()
    task = garden.start("busy")
    wait_for(lambda: edition.ask(f"/tasks/{task}")[1]["task"]["state"] == "RUNNING", 60, "the read")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Reset", exact=True).click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    expect(dialog.get_by_role("link", name=task)).to_have_attribute("href", f"#/tasks/{task}")
    assert states(edition, "busy") == before
    garden.waits.unlink()
    edition.finish(task)


def test_an_undo_behind_a_newer_read_asks_once_more(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """It is refused first, with the reason; then it can be chosen."""
    garden.declare("newer")
    garden.run("newer")
    edition.ask("/syncs/newer/state/roses", {"n": 5}, "PUT")
    garden.run("newer")
    watched.expected.append("409")
    page = watched.open("#/syncs/newer")
    page.get_by_role("button", name="Undo the last change").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Undo", exact=True).click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_role("checkbox", name="Go back behind what a read has saved since").check()
    press(page, "Undo")
    assert states(edition, "newer")["roses"] == {"n": 1}
