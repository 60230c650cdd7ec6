"""The view Tasks: filters in the link, thousands of rows, what is new and what goes on."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.console.conftest import SCRIPT
from tests.support.browser import PHONE, Watched
from tests.support.edition_process import EditionProcess
from tests.support.sidecar_process import catalog
from tests.support.task_rows import Rows

PLACE = "element => Math.round(element.getBoundingClientRect().top)"


def _row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def _counted(page: Page, text: str) -> None:
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def _start(edition: EditionProcess, sync: str, *steps: Any) -> str:
    task = str(uuid4())
    package, _, version = SCRIPT.rpartition(":")
    body = {"config": {"steps": steps}, "catalog": catalog("plants")}
    query = {"package": package, "version": version, "syncId": sync, "taskId": task, "startedBy": f"test {sync}"}
    assert edition.ask("/read", body, **query)[0] == 200
    return task


def test_each_filter_is_in_the_link(watched: Watched, edition: EditionProcess) -> None:
    """All seven of GET /tasks; a link shows the same after a reload, and one button takes them back."""
    sync = f"filters-{uuid4().hex}"
    edition.finish(_start(edition, sync, ["error", "config_error", "The key is unknown"], ["exit", 1]))
    page = watched.open(f"#/tasks?sync={sync}")
    expect(_row(page, sync)).to_contain_text("The key is unknown")
    page.get_by_label("State").select_option("failed")
    expect(page).to_have_url(re.compile("state=FAILED"))
    page.get_by_label("Command").select_option("read")
    page.get_by_text("More filters").click()
    page.get_by_label("Image, without version").fill("test/source-script")
    expect(page).to_have_url(re.compile("package=test%2Fsource-script"))
    page.get_by_label("Started by").fill(f"test {sync}")
    page.get_by_label("Accepted from").fill("2020-01-01T00:00")
    page.get_by_label("Accepted before").fill("2099-01-01T00:00")
    expect(page).to_have_url(re.compile("to=2098-12-31T23"))
    expect(page).to_have_url(re.compile("from=2019-12-31T23"))
    expect(page).to_have_url(re.compile("startedBy=test"))
    page.reload()
    _counted(page, "1 task")
    expect(page.get_by_label("Accepted from")).to_have_value("2020-01-01T00:00")
    page.get_by_label("State").select_option("success")
    expect(page.get_by_text("No task matches these filters.")).to_be_visible()
    page.get_by_role("button", name="Show all tasks").click()
    expect(page).to_have_url(re.compile("#/tasks$"))
    expect(_row(page, sync)).to_be_visible()


@pytest.mark.parametrize(
    "other",
    ["state=SUCCESS", "command=spec", "package=test%2Fother", "startedBy=schedule", "from=2099-01-01T00:00:00Z",
     "to=2020-01-01T00:00:00Z"],
)  # fmt: skip
def test_a_filter_that_does_not_match_leaves_the_task_out(watched: Watched, rows: Rows, other: str) -> None:
    """Each alone, beside the sync's."""
    rows.add(1, state="FAILED")
    page = watched.open("#/tasks?sync=sync-00000")
    expect(_row(page, rows.package)).to_be_visible()
    watched.open(f"#/tasks?sync=sync-00000&{other}")
    expect(page.get_by_text("No task matches these filters.").or_(page.get_by_role("table"))).to_be_visible()
    expect(_row(page, rows.package)).to_have_count(0)


def test_an_unusable_filter_says_why(watched: Watched) -> None:
    """As the function does."""
    watched.expected.append("400")
    page = watched.open("#/tasks?state=FINE")
    expect(page.get_by_role("alert")).to_contain_text("status")


def test_five_thousand_tasks_come_as_one_scrolls(watched: Watched, rows: Rows) -> None:
    """Page by page, with few rows in the document, down to the oldest."""
    rows.add(5000)
    page = watched.open(f"#/tasks?package={rows.package}")
    _counted(page, "100 tasks so far")
    expect(_row(page, "sync-04999")).to_be_visible()
    scroller = page.get_by_role("rowgroup", name="Tasks, newest first")
    for count in range(200, 5100, 100):
        scroller.evaluate("element => element.scrollTo(0, element.scrollHeight)")
        page.wait_for_function(
            "count => Number(document.querySelector('.task-head [role=status]').textContent.replace(/[^0-9]/g, '')) >= count",
            arg=count,
        )
    _counted(page, "5,000 tasks")
    scroller.evaluate("element => element.scrollTo(0, element.scrollHeight)")
    expect(_row(page, "sync-00000")).to_be_visible()
    assert page.get_by_role("row").count() < 100
    assert page.get_by_role("table").get_attribute("aria-rowcount") == "5001"


def test_new_tasks_do_not_move_what_is_read(watched: Watched, rows: Rows) -> None:
    """Below the top a button counts them; at the top they are just there."""
    rows.add(90)
    page = watched.open(f"#/tasks?package={rows.package}")
    _row(page, "sync-00089").wait_for()
    page.get_by_role("rowgroup", name="Tasks, newest first").evaluate("element => element.scrollTo(0, 1500)")
    read = _row(page, "sync-00045")
    expect(read).to_be_visible()
    before = read.evaluate(PLACE)
    rows.add(2)
    page.get_by_role("button", name="Refresh").click()
    more = page.get_by_role("button", name="2 new tasks")
    expect(more).to_be_visible()
    assert abs(read.evaluate(PLACE) - before) <= 1
    more.click()
    expect(_row(page, "sync-00091")).to_be_in_viewport()
    expect(more).to_have_count(0)
    rows.add(1)
    page.get_by_role("button", name="Refresh").click()
    expect(_row(page, "sync-00092")).to_be_in_viewport()


@pytest.mark.fault(691)
def test_more_new_tasks_than_a_page_leave_no_gap(watched: Watched, rows: Rows) -> None:
    """The list begins again, and has all of them."""
    rows.add(10)
    page = watched.open(f"#/tasks?package={rows.package}")
    _counted(page, "10 tasks")
    rows.add(140)
    page.get_by_role("button", name="Refresh").click()
    expect(_row(page, "sync-00149")).to_be_visible()
    for at in ("100 tasks so far", "150 tasks"):
        _counted(page, at)
        page.get_by_role("rowgroup", name="Tasks, newest first").evaluate(
            "element => element.scrollTo(0, element.scrollHeight)"
        )
    expect(_row(page, "sync-00000")).to_be_visible()


@pytest.mark.fault(691)
def test_a_page_that_loads_while_new_tasks_come_is_not_lost(watched: Watched, rows: Rows) -> None:
    """Its answer comes after that of a newer first page."""
    rows.add(150)
    page, held = watched.page, list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile("cursor="), hold)
    watched.open(f"#/tasks?package={rows.package}")
    _counted(page, "100 tasks so far")
    with page.expect_request(re.compile("cursor=")):
        page.get_by_role("rowgroup", name="Tasks, newest first").evaluate(
            "element => element.scrollTo(0, element.scrollHeight)"
        )
    rows.add(1)
    page.get_by_role("button", name="Refresh").click()
    _counted(page, "101 tasks so far")
    for route in held:
        route.continue_()
    _counted(page, "151 tasks")


def test_a_task_that_goes_on_is_followed(watched: Watched, edition: EditionProcess, tmp_path: Path) -> None:
    """From running to its end, without a reload."""
    sync, gate = f"goes-on-{uuid4().hex}", tmp_path / "gate"
    _start(edition, sync, ["started", "plants"], ["gate", str(gate)], ["complete", "plants"])
    page = watched.open(f"#/tasks?sync={sync}")
    expect(_row(page, sync)).to_contain_text("running")
    gate.touch()
    expect(_row(page, sync)).to_contain_text("success")


def test_a_task_of_a_later_page_is_followed_too(watched: Watched, rows: Rows) -> None:
    """Its page is asked again, and what is behind it stays."""
    old = rows.add(1, state="RUNNING")
    rows.add(149)
    page = watched.open(f"#/tasks?package={rows.package}")
    _counted(page, "100 tasks so far")
    page.get_by_role("rowgroup", name="Tasks, newest first").evaluate(
        "element => element.scrollTo(0, element.scrollHeight)"
    )
    _counted(page, "150 tasks")
    page.get_by_role("rowgroup", name="Tasks, newest first").evaluate(
        "element => element.scrollTo(0, element.scrollHeight)"
    )
    expect(_row(page, "sync-00000")).to_contain_text("running")
    rows.finish(old)
    expect(_row(page, "sync-00000")).to_contain_text("success")
    _counted(page, "150 tasks")


def test_a_task_that_does_not_match_any_more_goes(watched: Watched, rows: Rows) -> None:
    """A list of running tasks has only those."""
    one = rows.add(1, state="RUNNING")
    rows.add(1, state="RUNNING")
    page = watched.open(f"#/tasks?state=RUNNING&package={rows.package}")
    expect(_row(page, "sync-00000")).to_be_visible()
    rows.finish(one)
    expect(_row(page, "sync-00000")).to_have_count(0)
    expect(_row(page, "sync-00001")).to_be_visible()


def test_keys_go_to_the_search_and_through_the_rows(watched: Watched, rows: Rows) -> None:
    """`/`, `j` and `k`; Enter opens the task."""
    rows.add(3)
    page = watched.open(f"#/tasks?package={rows.package}")
    _row(page, "sync-00002").wait_for()
    page.keyboard.press("/")
    expect(page.get_by_label("Sync", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    for key in "jjjk":
        page.keyboard.press(key)
    expect(_row(page, "sync-00001").get_by_role("link", name="read, task")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("read of sync-00001")


def test_what_is_shown_can_be_copied(watched: Watched, rows: Rows) -> None:
    """As curl and as syncctl, with the filters and without the token."""
    rows.add(1, state="FAILED")
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = watched.open(f"#/tasks?package={rows.package}&state=FAILED")
    page.get_by_role("button", name="syncctl").click()
    expect(page.get_by_role("button", name="syncctl ✓")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"syncctl tasks --status=FAILED --package={rows.package}"
    page.get_by_role("button", name="curl").click()
    expect(page.get_by_role("button", name="curl ✓")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "status=FAILED" in copied
    assert watched.token not in copied


def test_a_phone_shows_cards(watched: Watched, rows: Rows) -> None:
    """Nothing is wider than the screen, and everything is there."""
    rows.add(2, state="FAILED", reason="The site is closed today. " * 5)
    watched.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page = watched.open(f"#/tasks?package={rows.package}")
    card = _row(page, "sync-00001")
    for text in ("failed", rows.package, "manual", "7 s", "The site is closed today."):
        expect(card).to_contain_text(text)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
