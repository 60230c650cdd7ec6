"""The view Syncs: from an empty page to a sync that runs, fails, is understood and runs again."""

from playwright.sync_api import expect

from tests.support.browser import Watched
from tests.support.edition_process import EditionProcess
from tests.support.garden import Garden

SCRIPT = "<img src=x onerror=document.title='taken'>"
BROKEN = """apiVersion: sync-functions.dev/v1alpha1
kind: Sync
metadata: {name: broken}
spec: {image: "test/source-garden:1", imgae: "<b>x</b>"}
"""


def test_an_empty_page_says_how_to_fill_it(watched: Watched) -> None:
    """The three commands can be copied, and New is one click away."""
    page = watched.page
    page.route("**/syncs", lambda route: route.fulfill(json={"ok": True, "syncs": [], "undeclared": []}))
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched.open()
    expect(page.get_by_text("A sync copies data from a source into the warehouse")).to_be_visible()
    expect(page.get_by_role("button", name="New sync")).to_have_attribute("href", "#/new")
    expect(page.get_by_role("listitem").filter(has_text="syncctl")).to_have_count(3)
    page.get_by_role("group", name="Copy").first.get_by_role("button").click()
    expect(page.get_by_role("status")).to_have_text("Copied as command.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "syncctl read airbyte/source-faker:7.2.1 --save-as first.yaml"


def test_a_failing_sync_is_understood_and_runs_again(watched: Watched, garden: Garden) -> None:
    """Its row has the reason; once the cause is gone, Run starts it, and the row says so."""
    garden.declare("gate", schedule="30 2 * * 1-5", timeZone="Europe/Berlin")
    garden.fails.write_text(f"The door is locked {SCRIPT}")
    garden.run("gate", "FAILED")
    page = watched.open()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="gate", exact=True))
    expect(row).to_contain_text("failed")
    expect(row).to_contain_text(f"The door is locked {SCRIPT}")
    expect(row).to_contain_text("at 02:30 on Monday to Friday (Europe/Berlin)")
    garden.fails.unlink()
    row.get_by_role("button", name="Run gate").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("from the saved states on")
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("A run of gate has been started.")
    expect(row).to_contain_text("started")
    expect(row).to_contain_text("success", timeout=60_000)
    assert page.title() != "taken"


def test_suspend_and_resume_from_the_row(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """What is at stake is named; the rest of the document stays."""
    garden.declare("paused", schedule="@daily")
    page = watched.open()
    row = page.get_by_role("row").filter(has_text="paused")
    row.get_by_role("button", name="Suspend paused").click()
    expect(page.get_by_role("dialog")).to_contain_text("A run that goes on is not ended")
    page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
    row.get_by_role("button", name="Resume paused").click()
    _, shown = edition.ask("/syncs/paused")
    assert shown["sync"]["spec"] == garden.document("paused", schedule="@daily")["spec"] | {"suspend": True}
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    row.get_by_role("button", name="Suspend paused").wait_for()
    _, shown = edition.ask("/syncs/paused")
    assert "suspend" not in shown["sync"]["spec"]


def test_search_filter_and_order_are_in_the_link(watched: Watched, garden: Garden) -> None:
    """A link shows what it showed; going back leaves the filters as they were."""
    for name in ("alpha", "beta", "gamma"):
        garden.declare(name, suspend=name == "beta")
    page = watched.open("#/syncs?q=garden&state=SUSPENDED")
    rows = page.get_by_role("row").filter(has=page.get_by_role("rowheader"))
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("beta")
    page.get_by_label("State").select_option("")
    page.get_by_role("searchbox", name="Search").fill("a source-garden")
    expect(rows.first).to_contain_text("alpha")
    page.get_by_role("columnheader", name="Sync").get_by_role("button").click()
    expect(rows.first).to_contain_text("gamma")
    assert page.evaluate("location.hash") == "#/syncs?q=a+source-garden&sort=name&desc=1"
    rows.first.get_by_role("link", name="gamma").click()
    page.get_by_role("heading", name="gamma", level=1).wait_for()
    page.go_back()
    expect(rows.first).to_contain_text("gamma")
    page.get_by_role("searchbox", name="Search").fill("nothing like that")
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("")


def test_a_document_that_cannot_be_used_shows_its_problem(watched: Watched, garden: Garden) -> None:
    """It has the state invalid and a reason, and cannot be run."""
    folder = garden.edition.home / "syncs"
    folder.mkdir(exist_ok=True)
    (folder / "broken.yaml").write_text(BROKEN)
    try:
        page = watched.open()
        row = page.get_by_role("row").filter(has_text="broken")
        expect(row).to_contain_text("invalid")
        expect(row).to_contain_text("imgae")
        expect(row.get_by_role("button", name="Run broken")).to_be_disabled()
    finally:
        (folder / "broken.yaml").unlink()


def test_thousands_of_syncs_stay_usable(watched: Watched) -> None:
    """Only some rows are in the page; search finds the others."""
    status = {"state": "SUCCESS"}
    many = [
        {"metadata": {"name": f"sync-{n:04}"}, "spec": {"image": f"airbyte/source-{n}:1"}, "status": status}
        for n in range(3000)
    ]
    hostile = {"syncId": f"{SCRIPT}/..", "declared": False, "status": status | {"message": SCRIPT}}
    answer = {"ok": True, "syncs": many, "undeclared": [hostile]}
    page = watched.page
    page.route("**/syncs", lambda route: route.fulfill(json=answer))
    watched.open()
    page.get_by_text("200 of 3,001 are shown.").wait_for()
    assert page.locator("tbody tr").count() == 200
    page.get_by_role("button", name="Show 200 more").click()
    expect(page.locator("tbody tr")).to_have_count(400)
    page.get_by_role("searchbox", name="Search").fill("sync-2999")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("searchbox", name="Search").fill("onerror")
    expect(page.get_by_role("rowheader").get_by_role("link")).to_have_text(f"{SCRIPT}/..")
    assert page.title() != "taken"
