"""The view of a log: a real connector that logs while one looks, and logs of any length and content from Postgres."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.console.conftest import TALKER
from tests.console.test_virtual_rows import until
from tests.support.browser import PHONE, Watched
from tests.support.edition_process import EditionProcess

LONG = 100_000
_TASK = """INSERT INTO syncctl_task (task_id, command, package, version, pod_name, request_hash, state, created_at, finished_at)
VALUES (:task_id, 'spec', 'test/source-talker', '1', :task_id, '', 'SUCCESS', now(), now())"""
_LINES = """INSERT INTO public.task_log (id, level, logger, message, sync_id, task_id, timestamp)
SELECT (:prefix || lpad(to_hex(n), 24, '0'))::uuid, level, logger, message, '', :task_id, timestamp
FROM json_to_recordset(:lines::json) AS line (n int, level text, logger text, message text, timestamp timestamptz)"""
# Ten lines each millisecond; midnight in Berlin is between the numbers 29,999 and 30,000.
_LONG = """INSERT INTO public.task_log (id, level, logger, message, sync_id, task_id, timestamp)
SELECT (:prefix || lpad(to_hex(n), 24, '0'))::uuid,
       CASE WHEN n % 1000 = 7 THEN 'ERROR' WHEN n % 100 = 3 THEN 'WARN' ELSE 'INFO' END,
       CASE WHEN n % 10 = 0 THEN 'jitsu' ELSE 'test/source-talker' END,
       'line ' || n || CASE WHEN n = 12345 THEN ' has the needle' ELSE '' END
           || CASE WHEN n % 97 = 0 THEN repeat(E'\\n  at a place in a file', n % 9) ELSE '' END,
       '', :task_id, '2026-11-29T22:59:57Z'::timestamptz + n / 10 * interval '1 millisecond'
FROM generate_series(:first, :first + 4999) AS n"""


def written(edition: EditionProcess, *lines: str | dict[str, Any]) -> str:
    """A task that has ended, with these lines; returns its id."""
    task_id = f"log-{uuid4()}"
    database = edition.database()
    database.rows(_TASK, task_id=task_id)
    common = {"level": "INFO", "logger": "test/source-talker", "timestamp": "2026-11-30T08:09:10.123Z"}
    made = [common | {"n": n} | ({"message": one} if isinstance(one, str) else one) for n, one in enumerate(lines)]
    database.rows(_LINES, task_id=task_id, prefix=uuid4().hex[:8], lines=json.dumps(made))
    return task_id


@pytest.fixture(scope="session")
def long_log(edition: EditionProcess) -> str:
    """A task whose log has 100,000 lines; returns its id."""
    task_id = f"long-{uuid4()}"
    edition.database().rows(_TASK, task_id=task_id)
    prefix = uuid4().hex[:8]
    database = edition.database()
    for first in range(0, LONG, 5_000):
        database.rows(_LONG, task_id=task_id, prefix=prefix, first=first)
    assert database.rows("SELECT count(*) FROM public.task_log WHERE task_id = :task_id", task_id=task_id) == [
        {"count": LONG}
    ]
    return task_id


class Talk:
    """A check by a connector that says what it is given to say."""

    def __init__(self, edition: EditionProcess, folder: Path) -> None:
        self._file, self._edition = folder / "lines", edition
        self._file.touch()
        package, _, version = TALKER.rpartition(":")
        body = {"config": {"lines": str(self._file)}}
        status, answer = edition.ask("/check", body, package=package, version=version, storageKey=uuid4().hex)
        assert status == 200, answer
        self.task_id: str = answer["taskId"]

    def say(self, *messages: Any) -> None:
        """Logs these."""
        with self._file.open("a") as lines:
            lines.writelines(json.dumps(one) + "\n" for one in messages)

    def end(self) -> None:
        """Lets the check succeed."""
        with self._file.open("a") as lines:
            lines.write("end\n")


def log(page: Page) -> Locator:
    """The element that scrolls."""
    return page.get_by_role("log")


def row(page: Page, text: str | re.Pattern[str]) -> Locator:
    """Rows that hold a text."""
    return page.locator(".log-line", has_text=text)


def exactly(number: int) -> re.Pattern[str]:
    """The line with this number."""
    return re.compile(rf"line {number}(?!\d)")


def test_a_running_task_is_followed_to_its_end(watched: Watched, edition: EditionProcess, tmp_path: Path) -> None:
    """Lines appear by themselves; scrolling up stops that, and a button with their number brings one back."""
    talk = Talk(edition, tmp_path)
    page = watched.open(f"#/tasks/{talk.task_id}/logs")
    talk.say(*(f"first {n}" for n in range(200)))
    expect(row(page, "first 199")).to_be_in_viewport(timeout=90_000)  # its pod has to start
    expect(log(page)).to_have_attribute("aria-live", "polite")
    log(page).hover()
    page.mouse.wheel(0, -1500)
    expect(log(page)).to_have_attribute("aria-live", "off")
    seen = page.evaluate("document.querySelector('.log').scrollTop")
    talk.say(*(f"second {n}" for n in range(30)))
    page.get_by_role("button", name=re.compile(r"Follow \(30 new\)")).wait_for()
    assert page.evaluate("document.querySelector('.log').scrollTop") == seen
    page.get_by_role("button", name="Follow").click()
    expect(row(page, "second 29")).to_be_in_viewport()
    talk.say("third")
    expect(row(page, "third")).to_be_in_viewport()
    talk.end()
    page.get_by_role("status").filter(has_text="The task has ended: success.").wait_for()
    assert page.title() == f"✓ Log of {talk.task_id}"
    with page.expect_event("requestfinished", lambda one: "/logs" in one.url):
        pass  # one more: lines may come a moment late
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.clock.install()
    page.clock.run_for(20_000)
    assert asked == []


@pytest.mark.fault(702)
def test_a_long_log_is_scrolled_from_end_to_start(watched: Watched, long_log: str) -> None:
    """Home and End are those of 100,000 lines; only what is seen is in the document, and older lines move nothing."""
    page = watched.open(f"#/tasks/{long_log}/logs")
    expect(row(page, exactly(LONG - 1))).to_be_in_viewport()
    log(page).focus()
    page.keyboard.press("Home")
    expect(row(page, exactly(0))).to_be_in_viewport()
    page.keyboard.press("End")
    expect(row(page, exactly(LONG - 1))).to_be_in_viewport()
    assert page.locator(".log-line").count() < 120
    kept = page.evaluate(SCROLL_UP)
    until(page, "document.querySelector('.log').scrollTop > 10_000")
    moved = page.evaluate(PLACE_OF, kept[0])
    assert moved is not None
    assert abs(moved - kept[1]) < 2


SCROLL_UP = """async () => {
  document.querySelector(".log").scrollTop = 300;
  for (let n = 0; n < 2; n += 1) await new Promise(requestAnimationFrame);
  const top = document.querySelector(".log").getBoundingClientRect().top;
  const one = [...document.querySelectorAll(".log-line")].find((row) => row.getBoundingClientRect().top > top);
  return [one.querySelector(".log-message").textContent, one.getBoundingClientRect().top];
}"""
PLACE_OF = """(text) => [...document.querySelectorAll(".log-line")]
  .find((row) => row.querySelector(".log-message").textContent === text)?.getBoundingClientRect().top ?? null"""


def test_a_line_has_a_link(watched: Watched, long_log: str, edition: EditionProcess) -> None:
    """It opens the log at this line, wherever in it that is, and marks it; also among many of one millisecond."""
    page = watched.open(f"#/tasks/{long_log}/logs?q=needle")
    row(page, exactly(12345)).get_by_role("link").click()
    page.wait_for_url(re.compile("line="))
    href = page.url
    page.get_by_role("searchbox").fill("")
    page.goto(href.replace("q=needle&", ""))
    page.reload()
    marked = page.locator(".log-line.marked")
    expect(marked).to_have_text(exactly(12345))
    expect(marked).to_be_in_viewport()
    expect(row(page, exactly(12344))).to_be_in_viewport()
    expect(row(page, exactly(12346))).to_be_in_viewport()
    expect(log(page)).to_have_attribute("aria-live", "off")
    row(page, exactly(12349)).get_by_role("link").click()
    expect(marked).to_have_text(exactly(12349))
    page.reload()
    expect(marked).to_have_text(exactly(12349))
    watched.open(f"#/tasks/{long_log}/logs?line={quote('2026-11-29T23:00:02.000Z')}")
    expect(marked).to_have_text(exactly(50_000))
    watched.open(f"#/tasks/{long_log}/logs?level=ERROR&line={href.partition('line=')[2]}")
    page.get_by_text("The line of this link is not in the log as it is filtered here").wait_for()


@pytest.mark.fault(703)
def test_filters_and_the_search_find_lines_anywhere(watched: Watched, long_log: str) -> None:
    """Level and text are the server's, which looks through all 100,000 lines; matches are steps."""
    page = watched.open(f"#/tasks/{long_log}/logs")
    row(page, exactly(LONG - 1)).wait_for()
    page.get_by_label("Level").select_option("ERROR")
    expect(row(page, exactly(99_007))).to_be_in_viewport()
    expect(page.locator(".log-level").first).to_have_text("ERROR")
    page.keyboard.press("Escape")
    page.locator("body").press("/")
    page.keyboard.type("LINE 9")
    expect(page.get_by_role("search").get_by_role("status")).to_have_text("11 lines")
    expect(page.locator("mark").first).to_have_text("line 9")
    page.keyboard.press("Enter")
    expect(page.locator(".log-line.current")).to_have_text(exactly(99_007))
    expect(page.get_by_role("search").get_by_role("status")).to_have_text("11 of 11 lines")
    page.keyboard.press("Enter")
    expect(page.get_by_role("search").get_by_role("status")).to_have_text("1 of 11 lines")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+F3")
    expect(page.get_by_role("search").get_by_role("status")).to_have_text("10 of 11 lines")
    page.keyboard.press("F3")
    page.locator(".log-line.current").hover()
    page.locator(".log-line.current").get_by_role("button", name="Around").click()
    expect(page.locator(".log-line.marked")).to_have_text(exactly(99_007))
    expect(row(page, exactly(99_006))).to_be_in_viewport()
    page.get_by_role("searchbox").fill("nothing has this")
    page.get_by_text("No line of this log is like that.").wait_for()
    page.get_by_role("button", name="Show all lines").click()
    expect(row(page, exactly(LONG - 1))).to_be_in_viewport()


def test_lines_of_the_platform_and_a_change_of_date(watched: Watched, edition: EditionProcess) -> None:
    """The source is a filter of the page's; times are local, and a new day is shown."""
    task_id = written(
        edition,
        {"message": "by the connector", "timestamp": "2026-11-29T22:59:59.500Z"},
        {"message": "by the sidecar", "logger": "jitsu", "timestamp": "2026-11-29T23:00:00.250Z"},
    )
    page = watched.open(f"#/tasks/{task_id}/logs")
    expect(row(page, "by the connector").locator("time")).to_have_text("23:59:59.500")
    expect(page.locator(".log-day")).to_have_text("Mon, 30 Nov 2026")
    expect(row(page, "by the sidecar").locator("time")).to_have_text("00:00:00.250")
    page.get_by_label("From").select_option("platform")
    expect(page.locator(".log-line")).to_have_count(1)
    expect(row(page, "by the sidecar")).to_contain_text("platform")
    assert "source=platform" in page.url


@pytest.mark.fault(701)
def test_hostile_lines_are_text(watched: Watched, edition: EditionProcess) -> None:
    """Markup, terminal escapes, letters that turn the order around: shown as what they are, or not at all."""
    task_id = written(
        edition,
        "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
        "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07 \x1b(Bplain\x07\x01\x7f",
        "evil \u202egnp.exe\u202c end\u200b",
        {"message": "odd", "level": "<b>ODD</b>", "logger": "\x1b[1m<i>logger</i>"},
        "progress 10%\rprogress 90%\r\ndone",
        "x" * 1_000_000,
        "half \ud83d\ude00 emoji ␡ ␀",
    )
    page = watched.open(f"#/tasks/{task_id}/logs?q=")
    messages = page.locator(".log-message")
    expect(messages.nth(0)).to_contain_text("<img src=x onerror=")
    expect(messages.nth(1)).to_have_text("red link plain")
    expect(messages.nth(2)).to_have_text(r"evil \u202egnp.exe\u202c end\u200b")
    expect(row(page, "odd").locator(".log-level")).to_have_text("<B>ODD</B>")
    expect(messages.nth(4)).to_have_text("progress 10%\nprogress 90%\ndone")
    assert len(messages.nth(5).inner_text()) == 1500
    page.get_by_role("button", name=re.compile("more characters")).click()
    assert len(messages.nth(5).inner_text()) > 30_000
    expect(messages.nth(6)).to_have_text("half 😀 emoji ␡ ␀")
    assert page.locator(".log img, .log script, .log b, .log i").count() == 0
    assert "owned" not in page.title()


def test_long_messages_are_folded_and_json_is_formatted_on_demand(watched: Watched, edition: EditionProcess) -> None:
    """A stack trace shows its first lines; JSON stays as it was logged until somebody asks."""
    trace = "\n".join(
        ["Traceback (most recent call last):", *(f'  File "a.py", line {n}' for n in range(40)), "KeyError"]
    )
    task_id = written(edition, trace, '{"a": {"b": [1, 2]}, "html": "<b>"}', "[not JSON]")
    page = watched.open(f"#/tasks/{task_id}/logs")
    first = row(page, "Traceback")
    expect(first).not_to_contain_text("KeyError")
    first.get_by_role("button", name="36 more lines").click()
    expect(first).to_contain_text("KeyError")
    first.get_by_role("button", name="Show less").click()
    expect(first).not_to_contain_text("KeyError")
    second = row(page, "html")
    second.get_by_role("button", name="Format JSON").click()
    assert '"b": [\n      1,' in second.locator(".log-message").inner_text()
    second.get_by_role("button", name="As it was logged").click()
    expect(second.locator(".log-message")).to_have_text('{"a": {"b": [1, 2]}, "html": "<b>"}')
    expect(row(page, "not JSON").get_by_role("button", name="Format JSON")).to_have_count(0)


def test_what_is_not_there_is_explained(watched: Watched, edition: EditionProcess) -> None:
    """A log without lines, and a task that nobody knows or that has been removed."""
    page = watched.open(f"#/tasks/{written(edition)}/logs")
    page.get_by_text("This task has no log lines").wait_for()
    watched.expected.append("404")
    page = watched.open("#/tasks/never-heard-of/logs")
    expect(page.get_by_role("alert")).to_contain_text("No task has the id never-heard-of.")
    expect(page.get_by_role("alert")).to_contain_text("removed with its log some time after its end")
    expect(log(page)).to_have_count(0)


def test_it_is_saved_and_copied(watched: Watched, edition: EditionProcess) -> None:
    """All of it as a file; a line, and the view as commands, without a token."""
    task_id = written(edition, *(f"number {n}" for n in range(1200)), "it's \x1b[1mthe last")
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched.context.add_init_script("delete window.showSaveFilePicker")  # a dialog of the browser's own
    page = watched.open(f"#/tasks/{task_id}/logs?level=INFO&q=it%27s")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download all").click()
    assert coming.value.suggested_filename == f"{task_id}.log"
    assert len(Path(coming.value.path()).read_text().splitlines()) == 1201
    copied = "navigator.clipboard.readText()"
    page.get_by_role("button", name="curl").click()
    page.get_by_text("Copied as curl.").wait_for()
    assert f"/tasks/{task_id}/logs?level=INFO&q=it%27s&format=text" in page.evaluate(copied)
    assert edition.token not in page.evaluate(copied)
    page.get_by_role("button", name="syncctl").click()
    page.get_by_text("Copied as syncctl.").wait_for()
    assert page.evaluate(copied) == f"syncctl logs --level INFO --grep='it'\\''s' {task_id}"
    row(page, "the last").hover()
    page.get_by_role("button", name="Copy this line").click()
    page.get_by_text("Copied the line.").wait_for()
    assert page.evaluate(copied) == "2026-11-30T08:09:10.123Z INFO test/source-talker it's the last"


def test_it_fits_on_a_phone(chromium: Browser, edition: EditionProcess) -> None:
    """320 px wide: the page does not scroll sideways, and a message has the whole width; unwrapped, the log scrolls."""
    task_id = written(edition, "word " * 60, "x" * 300)
    phone = Watched(chromium, edition.url, edition.token, viewport=PHONE, has_touch=True)
    page = phone.open(f"#/tasks/{task_id}/logs")
    row(page, "word").wait_for()
    sideways = "document.documentElement.scrollWidth > innerWidth"
    assert not page.evaluate(sideways)
    box = row(page, "word").locator(".log-message").bounding_box()
    assert box
    assert box["width"] > 240
    page.get_by_label("Wrap").uncheck()
    until(page, "document.querySelector('.log').scrollWidth > 1000")
    assert not page.evaluate(sideways)
    assert phone.problems() == []
    phone.close()
