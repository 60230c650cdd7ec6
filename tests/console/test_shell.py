"""The shell: sign-in, links, and what becomes of a token."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import Watched
from tests.support.edition_process import EditionProcess


def test_a_token_is_tried_and_stays_in_the_tab(watched: Watched, edition: EditionProcess) -> None:
    """A wrong one is refused with its reason; the right one is in sessionStorage alone."""
    page = watched.page
    watched.expected.append("401")
    page.goto(edition.url)
    page.get_by_label("Token").fill("Bearer abc")
    page.get_by_role("button", name="Sign in").click()
    assert "Leave out the word Bearer" in page.get_by_role("alert").inner_text()
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("not one of those that this installation accepts").wait_for()
    page.get_by_label("Token").fill(edition.token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation").wait_for()
    assert page.evaluate("[localStorage.length, document.cookie, sessionStorage.length]") == [0, "", 1]
    page.reload()
    page.get_by_role("navigation").wait_for()


def test_signing_in_says_what_this_is_and_where_a_token_comes_from(watched: Watched, edition: EditionProcess) -> None:
    """Somebody who was only sent the address learns both; the button is as wide as its word needs."""
    page = watched.page
    page.goto(edition.url)
    page.get_by_text("copies data from sources").wait_for()
    page.get_by_text("ask those who run the deployment").wait_for()
    button, field = page.get_by_role("button", name="Sign in").bounding_box(), page.get_by_label("Token").bounding_box()
    assert button
    assert field
    assert button["width"] < field["width"] / 2


@pytest.mark.fault(801)
@pytest.mark.parametrize("able", [True, False])
def test_a_browser_that_would_round_numbers_is_named(watched: Watched, able: bool) -> None:
    """Without JSON.rawJSON a large number would be saved as a text; a newer browser keeps its digits."""
    if not able:
        watched.context.add_init_script("delete JSON.rawJSON; delete JSON.isRawJSON")
    page = watched.open("#/new")
    page.get_by_role("heading", name="New").wait_for()
    expect(page.get_by_text("too old for numbers of more than 15 digits")).to_have_count(0 if able else 1)
