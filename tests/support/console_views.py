"""Every view of the console, as tests visit them all: its link on the seeded edition (tests/support/console_data.py)."""

from typing import NamedTuple

from playwright.sync_api import Page

from tests.support.browser import Watched

HOSTILE_IMAGE = "test/source-hostile:1"


class Shown(NamedTuple):
    """A view with something in it."""

    name: str
    link: str
    """"" is the sign-in."""
    hostile: bool = False
    """Whether hostile texts are on it."""


VIEWS = (
    Shown("sign-in", ""),
    Shown("syncs", "#/syncs", hostile=True),
    Shown("syncs-none", "#/syncs?q=nothing-has-this-name"),
    Shown("sync", "#/syncs/state-success"),
    Shown("sync-failed", "#/syncs/state-failed"),
    Shown("sync-invalid", "#/syncs/state-invalid"),
    Shown("sync-hostile", "#/syncs/hostile", hostile=True),
    Shown("tasks", "#/tasks", hostile=True),
    Shown("tasks-failed", "#/tasks?state=FAILED", hostile=True),
    Shown("task", "#/tasks/succeeded"),
    Shown("task-running", "#/tasks/moving"),
    Shown("task-waiting", "#/tasks/waiting"),
    Shown("task-failed", "#/tasks/failing"),
    Shown("task-wide", "#/tasks/wide"),
    Shown("task-hostile", "#/tasks/hostile", hostile=True),
    Shown("task-spec", "#/tasks/hostile-spec", hostile=True),
    Shown("task-check", "#/tasks/hostile-check", hostile=True),
    Shown("task-catalog", "#/tasks/hostile-discover", hostile=True),
    Shown("task-unknown", "#/tasks/nobody-made-this"),
    Shown("logs", "#/tasks/long/logs"),
    Shown("logs-search", "#/tasks/long/logs?level=ERROR&q=line"),
    Shown("logs-hostile", "#/tasks/hostile/logs", hostile=True),
    Shown("new", "#/new"),
    Shown("new-image", f"#/new?image={HOSTILE_IMAGE}", hostile=True),
    Shown("elsewhere", "#/no/view/of/this/name"),
)


def visit(watched: Watched, view: Shown) -> Page:
    """Open a view and wait until it shows what it asked for."""
    watched.expected += ["404"] if view.name in {"task-unknown", "sync-invalid"} else []
    if view.link:
        page = watched.open(view.link)
    else:
        page = watched.page
        page.goto(f"{watched.url}/")
    settled(page)
    if view.name == "new-image":
        page.get_by_role("button", name="Continue to its configuration").click()
        check = page.get_by_role("button", name="Check the connection")  # beneath the form of its specification
        check.wait_for()
        page.reload()  # as with a link: the focus is nowhere yet
        check.wait_for()
        settled(page)
    return page


def settled(page: Page) -> None:
    """Wait until the view has its heading and waits for nothing more."""
    page.locator("main h1").wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_function("() => !document.querySelector('main [aria-busy=true]')")
