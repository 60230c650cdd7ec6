"""What the console asks, how often, and what it keeps of the answers."""

import json
import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.support.browser import Watched
from tests.support.edition_process import EditionProcess
from tests.support.garden import Garden
from tests.support.task_rows import Rows

BIG = 9007199254740993


def _asked(page: Page, pattern: str) -> list[Request]:
    found: list[Request] = []
    page.on("request", lambda request: found.append(request) if re.search(pattern, request.url) else None)
    return found


@pytest.mark.fault(771)
def test_a_task_that_is_just_being_started_is_found(watched: Watched, garden: Garden) -> None:
    """A link may be older than its task by a moment."""
    watched.expected.append("404")
    garden.declare("soon")
    task = f"soon-{uuid4().hex}"
    page = watched.open(f"#/tasks/{task}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Task not found")
    garden.run("soon", taskId=task)
    expect(page.get_by_role("heading", level=1)).to_contain_text("soon")
    expect(page.get_by_label("How it is")).to_contain_text("success")


@pytest.mark.fault(772)
def test_a_page_asks_again_when_it_may_and_not_before(watched: Watched, garden: Garden) -> None:
    """Of 429 the answer's own Retry-After counts; what is refused otherwise is not asked again."""
    watched.expected += ["429", "403"]
    garden.declare("often")
    page = watched.page
    asked = _asked(page, r"/syncs$")
    answers = iter([429, 403])

    def refuse(route: Route) -> None:
        headers = {"Retry-After": "7"}
        route.fulfill(status=next(answers), json={"ok": False, "error": "Not now."}, headers=headers)

    page.route(re.compile(r"/syncs$"), refuse)
    page.clock.install()
    watched.open("#/syncs")
    expect(page.get_by_role("alert")).to_have_text("Not now.")
    page.clock.run_for(6_500)
    assert len(asked) == 1
    with page.expect_response(re.compile(r"/syncs$")):
        page.clock.run_for(1_000)
    page.clock.run_for(300_000)
    assert len(asked) == 2


@pytest.mark.fault(773)
def test_who_signs_out_leaves_nothing_in_the_tab(watched: Watched, garden: Garden) -> None:
    """No token, no draft, no answers: the next person begins with an empty page."""
    garden.declare("mine")
    page = watched.open("#/new?image=test/source-garden:9")
    expect(page.get_by_label("Image", exact=True)).to_have_value("test/source-garden:9")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    assert page.evaluate("[Object.keys(sessionStorage), localStorage.length]") == [[], 0]
    page.get_by_label("Token").fill(watched.token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="New", exact=True).click()
    expect(page.get_by_label("Image", exact=True)).to_have_value("")


@pytest.mark.fault(774)
def test_a_later_page_does_not_break_off_slow_answers(watched: Watched, rows: Rows) -> None:
    """While a task of a later page goes on, an answer that takes long is waited for."""
    rows.add(1, state="RUNNING")
    rows.add(100)
    page = watched.page
    page.clock.install()
    watched.open(f"#/tasks?package={rows.package}")
    with page.expect_response(re.compile("cursor=")):
        page.get_by_role("rowgroup", name="Tasks, newest first").evaluate(
            "element => element.scrollTo(0, element.scrollHeight)"
        )
    expect(page.get_by_role("status").first).to_have_text("101 tasks")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/tasks\?(?!.*cursor=)"), hold)
    while not held:
        page.clock.run_for(1_000)
    page.clock.run_for(20_000)
    assert len(held) == 1


@pytest.mark.fault(775)
def test_a_document_keeps_the_digits_of_its_numbers(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """Numbers that JavaScript would round are written back as they were: suspended, edited, copied."""
    garden.declare("digits", {"account": BIG})

    def account() -> object:
        return edition.ask("/syncs/digits")[1]["sync"]["spec"]["config"]["account"]

    page = watched.open("#/syncs/digits")
    page.get_by_role("button", name="Suspend").click()
    page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("suspended")
    assert account() == BIG
    page.get_by_role("button", name="Edit document").click()
    text = page.get_by_label("Document as YAML")
    expect(text).to_have_value(re.compile(f"account.*{BIG}"))
    text.fill(text.input_value().replace("digits_", "new_"))
    page.get_by_role("button", name="Review and save").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Edit document")).to_be_visible()
    document = edition.ask("/syncs/digits")[1]["sync"]
    assert document["spec"]["prefix"] == "new_"
    assert json.dumps(document["spec"]["config"]["account"]) == str(BIG)


@pytest.mark.fault(776)
def test_a_sync_of_another_id_is_found_by_it(watched: Watched, garden: Garden) -> None:
    """Links of tasks have the syncId: it leads to the document that has it, which is not called undeclared."""
    watched.expected.append("404")
    sync_id = f"old-{uuid4().hex}"
    garden.declare("renamed", syncId=sync_id)
    task = garden.run("renamed")
    page = watched.open(f"#/tasks/{task}")
    link = page.get_by_role("link", name=f"Sync {sync_id}")
    expect(link).to_have_attribute("href", "#/syncs/renamed")
    page = watched.open(f"#/syncs/{sync_id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("renamed")
    expect(page.get_by_text("Not declared")).to_have_count(0)
