"""Networks and functions as they are: slow to wake, away and back, refusing; and how little a page that is idle asks."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Watched
from tests.support.console_views import VIEWS, Shown, settled, visit
from tests.support.edition_process import EditionProcess
from tests.support.fake_bulker import wait_for
from tests.support.gateway import Answer, Gateway, Seen, gateway

TASK = Shown("task", "#/tasks/succeeded")
PATH = "/tasks/succeeded"
AWAY = "The functions cannot be reached"
_COUNT = """
const real = window.fetch;
window.waiting = 0;
window.fetch = (...given) => {
  window.waiting += 1;
  return real(...given).finally(() => (window.waiting -= 1));
};
"""


@pytest.fixture
def between(seeded: EditionProcess) -> Iterator[Gateway]:
    """A gateway before the seeded edition."""
    with gateway(seeded.url) as running:
        yield running


@pytest.fixture
def watched(chromium: Browser, between: Gateway, seeded: EditionProcess) -> Iterator[Watched]:
    """A page behind that gateway."""
    one = Watched(chromium, between.url, seeded.token)
    one.expected += ["ERR_", "status of 4", "status of 5"]
    yield one
    problems = one.problems()
    one.close()
    assert not problems


def asked(between: Gateway, path: str = PATH) -> list[Seen]:
    """The requests for a thing so far."""
    return [one for one in between.seen if one.path.split("?")[0] == path]


@pytest.mark.fault(738)
def test_a_cold_start_is_shown_as_one(watched: Watched, between: Gateway) -> None:
    """No error, no blank: a function is waking up; then the view is there, and the bar goes."""
    visit(watched, TASK)
    awake = threading.Event()

    def sleepy(path: str) -> None:
        if path.startswith(PATH):
            awake.wait(60)

    between.instead = sleepy
    page = watched.page
    page.reload()
    bar = page.get_by_text("A function is waking up")
    bar.wait_for()
    awake.set()
    bar.wait_for(state="detached")
    settled(page)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.fault(739)
def test_the_network_goes_and_comes_back(watched: Watched, between: Gateway) -> None:
    """What is shown stays, with its age; once the network is there again the page finds it by itself."""
    page = visit(watched, TASK)
    heading = page.get_by_role("heading", level=1).inner_text()
    watched.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_text(AWAY).first.wait_for()
    assert page.get_by_role("heading", level=1).inner_text() == heading
    watched.context.set_offline(False)
    expect(page.get_by_text(AWAY)).to_have_count(0)


@pytest.mark.fault(739)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(500),
        Answer(503, headers=(("Retry-After", "1"),)),
        Answer(429, headers=(("Retry-After", "1"),)),
        Answer(404),
        Answer(200, "<!doctype html><title>Sign in to the hotel</title>", kind="text/html"),
        Answer(502, "<html><h1>Bad Gateway</h1></html>", kind="text/html"),
    ],
    ids=["500", "503", "429", "404", "html-200", "html-502"],
)
def test_the_page_asks_again_by_itself(watched: Watched, between: Gateway, answer: Answer) -> None:
    """It says what is wrong, and gets well without a reload. A task whose link came first may be there in a moment."""
    well = threading.Event()

    def twice(path: str) -> Answer | None:
        if not path.startswith(PATH):
            return None
        return answer if len(asked(between)) < 2 or not well.wait(60) else None

    between.instead = twice
    page = watched.open(TASK.link)
    wrong = (
        page.get_by_role("heading", name="Task not found") if answer.status == 404 else page.get_by_role("alert").first
    )
    expect(wrong).to_be_visible()
    well.set()
    expect(page.get_by_role("heading", level=1)).to_contain_text("state-success")
    expect(page.get_by_role("alert")).to_have_count(0)
    settled(page)


@pytest.mark.fault(740)
@pytest.mark.parametrize("status", [400, 403, 422, 404])
def test_what_stays_wrong_is_not_asked_for_ever(watched: Watched, between: Gateway, status: int) -> None:
    """A request that is wrong is sent once; a thing that is not there a few times, so that no function is kept awake."""
    between.instead = lambda path: Answer(status) if path.startswith(PATH) else None
    page = at_rest(watched, TASK)
    for _ in range(8):
        pass_time(page, 30_000)
    assert len(asked(between)) == (6 if status == 404 else 1)


@pytest.mark.fault(740)
def test_retry_after_is_followed(watched: Watched, between: Gateway) -> None:
    """A function that names a time is not asked before it."""
    between.instead = lambda path: Answer(503, headers=(("Retry-After", "60"),)) if path.startswith(PATH) else None
    page = at_rest(watched, TASK)
    assert len(asked(between)) == 1
    pass_time(page, 45_000)
    assert len(asked(between)) == 1
    pass_time(page, 30_000)
    assert len(asked(between)) == 2


@pytest.mark.fault(741)
def test_a_token_that_expires_leads_back_to_the_same_view(watched: Watched, between: Gateway) -> None:
    """The sign-in says why; what was on the page is gone from it, and comes back with a new token."""
    page = visit(watched, TASK)
    between.instead = lambda path: (
        Answer(401, '{"ok":false,"error":"The token has expired."}') if path.startswith(PATH) else None
    )
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("alert")).to_have_text("The token has expired.")
    assert page.evaluate("sessionStorage.length") == 0
    between.instead = lambda _: None
    page.get_by_label("Token").fill(watched.token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation").wait_for()
    settled(page)
    assert page.url.endswith(TASK.link)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.fault(742)
@pytest.mark.parametrize(
    "view", [one for one in VIEWS if one.name in {"syncs", "sync", "tasks", "task", "logs"}], ids=lambda v: v.name
)
def test_an_idle_page_asks_seldom_and_in_one_line(watched: Watched, between: Gateway, view: Shown) -> None:
    """Longer apart than a function stays awake, with an ETag, and the answers are 304 without a body."""
    between.body = lambda body: body.replace(b'"RUNNING"', b'"SUCCESS"').replace(b'"PENDING"', b'"SUCCESS"')
    page = at_rest(watched, view)
    between.seen.clear()
    for _ in range(10):
        pass_time(page, 60_000)
    found = between.api()
    # What has ended for good, as the log of a task, is not asked for again.
    times = Counter(one.path for one in found)
    assert set(times.values()) <= {5}, times
    assert (view.name == "logs") == (not times)
    assert all(one.tag and one.status == 304 for one in found), found


def test_what_is_a_while_ago_ages_without_an_answer(watched: Watched, between: Gateway) -> None:
    """An idle page asks every two minutes, and one whose functions are away gets no answer at all."""
    page = at_rest(watched, Shown("sync", "#/syncs/state-success"))
    times = page.locator("main time").filter(has_text="ago")
    before, asked_before = times.first.inner_text(), len(between.api())
    for _ in range(3):
        pass_time(page, 30_000)
    assert times.first.inner_text() != before
    assert len(between.api()) == asked_before


def at_rest(watched: Watched, view: Shown) -> Page:
    """A view whose clock is the test's, once it has shown itself."""
    watched.context.add_init_script(_COUNT)
    watched.page.clock.install()
    page = visit(watched, view)
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 5)  # from here on it goes only where the test says so
    pass_time(page, 1000)
    return page


def pass_time(page: Page, ms: int) -> None:
    """Let the page's timers go off, and wait for the answers to what they have asked."""
    page.clock.run_for(ms)
    wait_for(lambda: page.evaluate("window.waiting") == 0, 30, "the answers")


@pytest.mark.fault(742)
def test_a_hidden_page_asks_nothing(watched: Watched, between: Gateway) -> None:
    """So that functions go back to zero; seen again, it asks at once."""
    page = at_rest(watched, Shown("task-running", "#/tasks/moving"))
    page.evaluate("""() => {
      Object.defineProperty(document, 'hidden', {configurable: true, get: () => window.isHidden});
      window.isHidden = true;
      document.dispatchEvent(new Event('visibilitychange'));
    }""")
    pass_time(page, 1000)
    between.seen.clear()
    pass_time(page, 600_000)
    page.evaluate("dispatchEvent(new Event('online'))")
    pass_time(page, 60_000)
    assert between.api() == []
    page.evaluate("window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    wait_for(between.api, 20, "a request")


@pytest.mark.fault(743)
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_no_request_leaves_the_origin(crowded: Watched, view: Shown) -> None:
    """No font, no script, no statistics of anyone else's."""
    wanted: list[str] = []
    crowded.page.on("request", lambda request: wanted.append(request.url))
    visit(crowded, view)
    assert wanted
    assert [url for url in wanted if not url.startswith((crowded.url + "/", "data:", "blob:"))] == []
