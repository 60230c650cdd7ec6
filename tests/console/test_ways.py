"""Ways through the console that somebody needs who has nothing but the page."""

from playwright.sync_api import expect

from tests.console.test_attacks import run
from tests.support.browser import Watched
from tests.support.garden import GARDEN, Garden


def test_a_sync_is_edited_by_the_steps_that_made_it(watched: Watched, garden: Garden) -> None:
    """Its form and its streams, not the text of its document alone."""
    garden.declare("again")
    page = watched.open("#/syncs/again")
    page.get_by_role("button", name="Edit step by step").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Edit again")
    page.get_by_role("button", name="Open: Connector").click()
    expect(page.get_by_label("Image", exact=True)).to_have_value(GARDEN)


def test_a_discovery_that_failed_is_found(watched: Watched, garden: Garden) -> None:
    """A read without streams has no log of its own: that of the discovery says why."""
    garden.declare("unknown", {"broken": True})
    task = garden.run("unknown", "FAILED")
    page = watched.open(f"#/tasks/{task}")
    page.get_by_role("link", name="Show the discovery, with its log").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"discover of {GARDEN}")
    expect(page.get_by_label("Failure")).to_contain_text("No such account")


def test_the_name_of_an_image_is_asked_for_as_it_is_written(watched: Watched) -> None:
    """Who types the name of a source alone is shown a whole one."""
    page = watched.open("#/tasks")
    for name in ("faker", "source-faker"):
        said = run(page, "views/new/document.js", "return m.imageProblem(given)", name)
        assert "airbyte/source-faker:1.2.3" in said
    assert "me/mine:1.2.3" in run(page, "views/new/document.js", "return m.imageProblem(given)", "me/mine")
