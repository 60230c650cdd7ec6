"""The view Task: what is true of one task, stream by stream, while it runs and after its end."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.console.conftest import SCRIPT
from tests.support.browser import PHONE, Watched
from tests.support.edition_process import EditionProcess
from tests.support.garden import GARDEN
from tests.support.sidecar_process import catalog
from tests.support.task_rows import Rows

PACKAGE, _, VERSION = SCRIPT.rpartition(":")
LONG = "The site does not know <b>this</b> token. " * 40
SHORT_MS = 120_000
"""For what takes the edition its time: a retry's pause, a cancel."""


def _read(edition: EditionProcess, *streams: str, task: str = "", incremental: bool = True, **config: Any) -> str:
    task = task or str(uuid4())
    body = {"config": config, "catalog": catalog(*streams, incremental=incremental)}
    query = {"package": PACKAGE, "version": VERSION, "syncId": f"sync-{uuid4().hex}", "taskId": task}
    status, answer = edition.ask("/read", body, **query)
    assert status == 200, answer
    return task


def _open(watched: Watched, task: str) -> Page:
    return watched.open(f"#/tasks/{quote(task, safe='')}")


def _state(page: Page, word: str) -> None:
    expect(page.get_by_role("region", name="How it is").locator(".task-state")).to_contain_text(word, timeout=SHORT_MS)


def _stream(page: Page, name: str) -> Locator:
    table = page.get_by_role("table", name="Streams", exact=True)
    return table.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))


def _clock(page: Page, name: str) -> Locator:
    return _stream(page, name).get_by_role("cell").nth(2)


def _copied(page: Page, name: str) -> str:
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("button", name=f"{name} ✓", exact=True).wait_for()
    return str(page.evaluate("navigator.clipboard.readText()"))


@pytest.mark.fault(692)
def test_each_stream_has_its_own_clock(watched: Watched, edition: EditionProcess, tmp_path: Path) -> None:
    """One goes on by itself from second to second; one that has ended stands still; the task's end stops all."""
    gate = tmp_path / "gate"
    steps = [
        *(["started", "beds"], ["rows", "beds", 2], ["state", "beds", 1], ["complete", "beds"]),
        *(["started", "plants"], ["rows", "plants", 42], ["estimate", "plants", 100], ["log", "INFO", "in the garden"]),
        *(["gate", str(gate)], ["state", "plants", 1], ["complete", "plants"]),
    ]
    task = _read(edition, "beds", "plants", "trees", steps=steps)
    page = _open(watched, task)
    _state(page, "running")
    expect(_stream(page, "plants")).to_contain_text("42 %")
    expect(_stream(page, "beds")).to_contain_text("ended")
    ended = _clock(page, "beds").inner_text()
    for _ in range(3):
        expect(_clock(page, "plants")).not_to_have_text(_clock(page, "plants").inner_text())
    assert _clock(page, "beds").inner_text() == ended
    expect(page).to_have_title(re.compile("▶ read of sync-"))
    assert str(page.locator("#icon").get_attribute("href")).endswith("busy.svg")
    expect(page.get_by_text("in the garden")).to_be_visible()
    gate.touch()
    _state(page, "partial")  # nothing came of trees
    expect(page.get_by_role("status").filter(has_text="The read has ended: partial.")).to_have_count(1)
    expect(page).to_have_title(re.compile("◐ read of sync-"))
    stopped = [_clock(page, "plants").inner_text(), page.get_by_role("timer").inner_text()]
    page.clock.install()
    page.clock.run_for(5000)
    assert [_clock(page, "plants").inner_text(), page.get_by_role("timer").inner_text()] == stopped


@pytest.mark.fault(692)
def test_a_browser_whose_clock_is_wrong_shows_the_time_that_passed(
    watched: Watched, edition: EditionProcess, tmp_path: Path
) -> None:
    """By the functions' clock, not by its own."""
    gate = tmp_path / "gate"
    task = _read(edition, "plants", steps=[["started", "plants"], ["gate", str(gate)], ["complete", "plants"]])
    page = watched.page
    page.clock.set_system_time("2031-01-01T00:00:00Z")
    _open(watched, task)
    _state(page, "running")
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"^\d+ s$"))
    expect(_clock(page, "plants")).to_have_text(re.compile(r"^\d+ s$"))
    gate.touch()
    _state(page, "success")


def test_a_rate_limit_says_until_when(watched: Watched, edition: EditionProcess, tmp_path: Path) -> None:
    """For the task and at its stream; once it is over it is not shown any more."""
    gate = tmp_path / "gate"
    steps = [["started", "plants"], ["limited", "plants", 3600], ["gate", str(gate)], ["rows", "plants", 1],
             ["state", "plants", 1], ["complete", "plants"]]  # fmt: skip
    page = _open(watched, _read(edition, "plants", steps=steps))
    _state(page, "running")
    note = page.get_by_role("note", name="What it waits for")
    expect(note).to_contain_text(re.compile(r"Rate limited until (.* )?\d\d:\d\d since"))
    expect(_stream(page, "plants")).to_contain_text(re.compile(r"rate limited until (.* )?\d\d:\d\d"))
    gate.touch()
    _state(page, "success")
    expect(note).to_have_count(0)
    expect(_stream(page, "plants")).not_to_contain_text("rate limited")


def test_a_pending_task_says_what_it_waits_for(watched: Watched, rows: Rows) -> None:
    """A row in Postgres: one machine has no nodes to wait for."""
    task = rows.add(1, state="PENDING", reason="The pod waits: 0/3 nodes are available", waits_for="node")
    page = _open(watched, task)
    note = page.get_by_role("note", name="What it waits for")
    expect(note).to_contain_text("Waits for a node that takes its pod")
    expect(note).to_contain_text("1 min")
    expect(note).to_contain_text("0/3 nodes are available")


@pytest.mark.fault(693)
def test_a_failure_is_told_whole(watched: Watched, edition: EditionProcess) -> None:
    """Kind, origin and advice stand out; the connector's words are text, and folded as they are long."""
    task = _read(edition, "plants", steps=[["started", "plants"], ["error", "config_error", LONG], ["exit", 1]])
    edition.finish(task, 240)
    page = _open(watched, task)
    failure = page.get_by_role("region", name="Failure")
    expect(failure).to_contain_text("Why it failed: config_error")
    expect(failure).to_contain_text("user: the request, the document or the settings")
    expect(failure).to_contain_text("Correct the configuration")
    assert failure.locator("b").count() == 0
    expect(failure.get_by_text(LONG.strip())).to_be_hidden()
    failure.get_by_text("The whole message").click()
    expect(failure.get_by_text(LONG.strip())).to_be_visible()
    page.get_by_role("link", name="Errors only").click()
    expect(page).to_have_url(re.compile("/logs[?]level=ERROR"))


def test_earlier_attempts_have_their_reasons(watched: Watched, edition: EditionProcess, tmp_path: Path) -> None:
    """A read that is started again by itself: first what it waits for, then how it went."""
    attempts = [
        [["started", "plants"], ["error", "transient_error", "not this time"], ["exit", 1]],
        [["started", "plants"], ["rows", "plants", 3], ["state", "plants", 3], ["complete", "plants"]],
    ]
    page = _open(watched, _read(edition, "plants", attempts=attempts, memory=str(tmp_path / "runs")))
    expect(page.get_by_role("note", name="What it waits for")).to_contain_text(
        re.compile(r"Waits for its next attempt until \d\d:\d\d"), timeout=SHORT_MS
    )
    _state(page, "success")
    row = page.get_by_role("region", name="Earlier attempts").get_by_role("row").filter(has_text="transient_error")
    expect(row).to_contain_text("source")
    expect(row).to_contain_text("not this time")
    expect(row).to_contain_text("goes on from its last saved state")


def test_a_cancel_says_what_stays(watched: Watched, edition: EditionProcess, tmp_path: Path) -> None:
    """First the question; leaving it changes nothing."""
    gate = tmp_path / "gate"
    steps = [["started", "plants"], ["rows", "plants", 5], ["gate", str(gate)]]
    task = _read(edition, "plants", steps=steps)
    page = _open(watched, task)
    _state(page, "running")
    page.get_by_role("button", name="Cancel").click()
    question = page.get_by_role("dialog", name="Cancel this read?")
    expect(question).to_contain_text("Rows that the warehouse has acknowledged stay")
    expect(question).to_contain_text("The table of a full refresh is not replaced")
    question.get_by_role("button", name="Go back").click()
    expect(question).to_have_count(0)
    assert edition.ask(f"/tasks/{task}")[1]["task"]["state"] == "RUNNING"
    page.get_by_role("button", name="Cancel").click()
    question.get_by_role("button", name="Cancel it").click()
    _state(page, "cancelled")
    expect(page.get_by_role("region", name="Failure")).to_contain_text("Why it ended: cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    gate.touch()


def test_a_cancel_that_comes_too_late_says_so(watched: Watched, rows: Rows) -> None:
    """A row in Postgres that ends while the question is open."""
    task = rows.add(1, state="RUNNING")
    page = _open(watched, task)
    page.get_by_role("button", name="Cancel").click()
    rows.finish(task)
    page.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_role("note").filter(has_text="It had already ended: success.")).to_be_visible()
    _state(page, "success")


def test_a_stream_that_goes_on_is_told_from_one_that_begins(watched: Watched, rows: Rows) -> None:
    """A row in Postgres."""
    counts = {"emitted": 3, "sent": 3, "stored": 3, "refused": 0, "bytes": 9, "error": ""}
    one = {"status": "SUCCESS", **counts}
    page = _open(watched, rows.add(1, state="SUCCESS", streams={"plants": one | {"resumed": True}, "beds": one}))
    table = page.get_by_role("table", name="Streams", exact=True)
    expect(table.get_by_role("row").filter(has_text="plants")).to_contain_text("resumed from its state")
    expect(table.get_by_role("row").filter(has_text="beds")).not_to_contain_text("resumed")


def test_three_thousand_streams_can_be_searched(watched: Watched, rows: Rows) -> None:
    """By name and state, in each order, with few rows in the document. A row in Postgres."""
    counts = {"sent": 0, "stored": 0, "refused": 0, "bytes": 0, "error": ""}
    streams = {f"table_{n}": {"status": "SUCCESS", "emitted": n, **counts} for n in range(3000)}
    streams["table_77"] |= {"status": "FAILED", "error": "no right to read <i>this</i>"}
    task = rows.add(1, state="PARTIAL", streams=streams)
    page = _open(watched, task)
    table = page.get_by_role("table", name="Streams", exact=True)
    expect(table).to_have_attribute("aria-rowcount", "3001")
    assert table.get_by_role("row").count() < 100
    page.get_by_role("button", name="Emitted").click()
    expect(table.get_by_role("columnheader", name="Emitted")).to_have_attribute("aria-sort", "descending")
    expect(table.get_by_role("row").nth(1)).to_contain_text("table_2999")
    page.get_by_role("button", name="Emitted").click()
    expect(table.get_by_role("row").nth(1)).to_contain_text("table_0")
    page.get_by_label("State").select_option("failed (1)")
    expect(page.get_by_text("1 of 3,000 streams")).to_be_visible()
    expect(_stream(page, "table_77")).to_contain_text("no right to read <i>this</i>")
    page.get_by_label("State").select_option("any (3,000)")
    page.get_by_label("Search streams").fill("table_29")
    expect(page.get_by_text("111 of 3,000 streams")).to_be_visible()
    page.reload()
    expect(page.get_by_text("111 of 3,000 streams")).to_be_visible()


def test_rates_are_a_picture_with_its_table(watched: Watched, edition: EditionProcess, rows: Rows) -> None:
    """As the sidecar counted them; the answer's member is put in by the test."""
    task = rows.add(1)
    rates = {
        "startedAt": "2026-11-30T10:00:00Z",
        "stepSeconds": 10,
        "emitted": [100, 300, 200],
        "stored": [0, 200, 400],
    }
    _answer(watched.page, task, lambda found: found["task"].update(rates=rates))
    page = _open(watched, task)
    picture = page.get_by_role(
        "img", name=re.compile("^Rows over time, 11:00:00 to 11:00:20: emitted at most 30 rows.s")
    )
    expect(picture.locator("canvas")).to_be_visible()
    page.get_by_text("Rows over time as a table").click()
    table = page.get_by_role("region", name="Rows over time as a table").get_by_role("table")
    expect(table.get_by_role("row").nth(2)).to_have_text(re.compile(r"11:00:10\s*30\s*20"))


def test_rates_of_a_running_read_are_seen(watched: Watched, edition: EditionProcess, tmp_path: Path) -> None:
    """Also where the answer has none: as this page has seen it."""
    gates = [tmp_path / str(number) for number in range(4)]
    steps: list[list[Any]] = [["started", "plants"]]
    for gate in gates:
        steps += [["rows", "plants", 10], ["gate", str(gate)]]
    task = _read(edition, "plants", steps=[*steps, ["state", "plants", 1], ["complete", "plants"]])
    page = _open(watched, task)
    for number, gate in enumerate(gates):
        expect(_stream(page, "plants").get_by_role("cell").nth(3)).to_have_text(str((number + 1) * 10))
        gate.touch()
    expect(page.get_by_role("img", name=re.compile("^Rows over time"))).to_be_visible()


@pytest.mark.parametrize(("status", "text"), [
    ("SUCCEEDED", "The connector can work with this configuration."),
    ("FAILED", "The site <b>refuses</b> this user"),
])  # fmt: skip
def test_a_check_says_whether_it_works(watched: Watched, edition: EditionProcess, status: str, text: str) -> None:
    """Or why not, in the connector's words."""
    task = edition.run("check", SCRIPT, {"config": {"steps": [["connection", status]]}}, storageKey=uuid4().hex)
    page = _open(watched, task["taskId"])
    expect(page.locator("section").filter(has=page.get_by_role("heading", name="Check", exact=True))).to_contain_text(
        text
    )
    page.get_by_text("Result as JSON").click()
    expect(page.get_by_label("Result as JSON")).to_contain_text(f'"status": "{status}"')


def test_a_discover_shows_streams(watched: Watched, edition: EditionProcess) -> None:
    """With columns, keys and cursors."""
    task = edition.run("discover", SCRIPT, {"config": {"steps": [["catalog", 80]]}}, storageKey=uuid4().hex)
    page = _open(watched, task["taskId"])
    page.get_by_label("Search streams").fill("stream_79")
    row = page.get_by_role("table", name="Streams that it offers").get_by_role("row").filter(has_text="stream_79")
    expect(row).to_contain_text("full_refresh, incremental")
    expect(row.get_by_role("cell", name="changed_at", exact=True)).to_be_visible()
    row.get_by_text("2 columns").click()
    expect(row).to_contain_text(
        "string, null" if row.get_by_text("string, null").count() else "null, string (date-time)"
    )


def test_a_spec_shows_fields_and_runs_again(watched: Watched, edition: EditionProcess) -> None:
    """Which are secret, what is required, nested ones; links are http alone."""
    task = edition.run("spec", SCRIPT, None)
    page = _open(watched, task["taskId"])
    fields = page.get_by_role("region", name="Fields")
    expect(fields.get_by_role("row").filter(has_text="site")).to_contain_text("yes")
    expect(fields.get_by_role("row").filter(has_text="password")).to_contain_text("secret")
    expect(fields.get_by_role("row").filter(has_text="way.key")).to_contain_text("string")
    expect(page.get_by_role("link", name="The connector's documentation")).to_have_attribute(
        "href", "https://docs.example.org/script"
    )
    page.get_by_role("button", name="Run again").click()
    page.get_by_role("dialog").get_by_role("button", name="Run it").click()
    expect(page).not_to_have_url(re.compile(task["taskId"]))
    _state(page, "success")


@pytest.mark.fault(693)
def test_a_hostile_spec_has_no_link(watched: Watched, edition: EditionProcess, rows: Rows) -> None:
    """`javascript:` as the documentation's address; written into Postgres."""
    task = rows.add(1)
    rows.change(task, "command = 'spec', sync_id = ''")
    spec = {
        "connectionSpecification": {
            "properties": {"a": {"description": "<a href='javascript:alert(1)'>x</a>", "enum": 5}}
        }
    }
    edition.database().rows(
        "INSERT INTO syncctl_result (task_id, result) VALUES (:t, CAST(:r AS json))",
        t=task, r=json.dumps(spec | {"documentationUrl": "javascript:alert(1)"}),
    )  # fmt: skip
    page = _open(watched, task)
    expect(page.get_by_role("region", name="Fields").get_by_role("row")).to_have_count(2)
    assert page.locator("a[href^=javascript]").count() == 0


@pytest.mark.fault(694)
@pytest.mark.parametrize("task", ["night/2026 ü%2F#?&", "..%2f/<b>x"])
def test_a_strange_id_works(watched: Watched, edition: EditionProcess, task: str) -> None:
    """Slashes, percent signs, markup: in the link, in the request, in copies."""
    name = f"{task}{uuid4().hex}"
    _read(edition, "plants", task=name, steps=[["started", "plants"], ["state", "plants", 1], ["complete", "plants"]])
    edition.finish(name, 240)
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = _open(watched, name)
    _state(page, "success")
    assert _copied(page, "Copy") == name
    page.get_by_role("link", name="Whole log").click()
    expect(page).to_have_url(re.compile("/logs$"))
    page.go_back()
    _state(page, "success")


@pytest.mark.fault(694)
def test_an_unknown_task_is_said_to_be_unknown(watched: Watched) -> None:
    """With the way to all tasks; it is not asked for again."""
    watched.expected.append("404")
    page = _open(watched, "gone/1")
    expect(page.get_by_role("heading", level=1)).to_have_text("Task not found")
    expect(page.get_by_text("gone/1")).to_be_visible()
    page.get_by_role("link", name="Show all tasks").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tasks")


def test_a_declared_syncs_run_is_run_again(watched: Watched, edition: EditionProcess, tmp_path: Path) -> None:
    """With the same streams, from nothing if that was so; and the command says so."""
    offered = tmp_path / "offered.json"
    offered.write_text(json.dumps({"plants": {}, "beds": {}}))
    name = f"again-{uuid4().hex[:8]}"
    package, _, version = GARDEN.rpartition(":")
    document = {
        "apiVersion": "sync-functions.dev/v1alpha1", "kind": "Sync", "metadata": {"name": name},
        "spec": {"image": GARDEN, "config": {"offered": str(offered)}, "prefix": f"{name}_"},
    }  # fmt: skip
    status, answer = edition.ask(f"/syncs/{name}", document, "PUT")
    assert status == 200, answer
    status, started = edition.ask(f"/syncs/{name}/run", {}, "POST", streams="beds", fullSync="true")
    assert status == 200, started
    edition.finish(started["taskId"], 240)
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = _open(watched, started["taskId"])
    page.get_by_text("Start it once more, from a terminal").click()
    assert _copied(page, "as syncctl") == f"syncctl run --again={started['taskId']} --follow"
    page.get_by_role("button", name="Run again").click()
    question = page.get_by_role("dialog", name="Run it again?")
    expect(question).to_contain_text(f"These streams of {name} are read: beds.")
    expect(question).to_contain_text("from nothing")
    question.get_by_role("button", name="Run it").click()
    expect(page).not_to_have_url(re.compile(started["taskId"]))
    _state(page, "success")
    [*_, again] = page.url.split("/")
    run = edition.ask(f"/tasks/{again}")[1]["task"]["run"]
    assert run == {"sync": name, "streams": ["beds"], "fullSync": True}
    assert package in page.get_by_role("main").inner_text()
    assert version


def test_a_repeated_read_has_no_secrets(watched: Watched, edition: EditionProcess) -> None:
    """It says which options are not known."""
    steps = [["started", "plants"], ["state", "plants", 1], ["complete", "plants"]]
    task = _read(edition, "plants", steps=steps, password="pa55-of-nobody")
    edition.finish(task, 240)
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = _open(watched, task)
    page.get_by_text("Start it once more, from a terminal").click()
    command = _copied(page, "as syncctl")
    assert command.startswith(f"syncctl read {SCRIPT} --config config.json --sync=sync-")
    assert "--stream=plants" in command
    expect(page.get_by_text("config.json: the connector's configuration", exact=True)).to_be_visible()
    assert "pa55-of-nobody" not in page.content()
    assert watched.token not in _copied(page, "as curl") + _copied(page, "curl")


def test_changes_of_what_the_source_offers(watched: Watched, rows: Rows) -> None:
    """Written into Postgres: streams and columns that came, went, or have another type."""
    task = rows.add(1)
    columns = [{"stream": "plants", "column": "height", "was": "integer", "now": "number"},
               {"stream": "plants", "column": "age", "was": "integer", "now": None}]  # fmt: skip
    changes = {"streamsAdded": ["beds"], "streamsRemoved": ["weeds"], "columns": columns, "more": 3}
    rows.change(task, "schema_changes = CAST(:changes AS jsonb)", changes=json.dumps(changes))
    page = _open(watched, task)
    expect(page.get_by_text("New streams: beds")).to_be_visible()
    expect(page.get_by_text("Streams that are gone: weeds")).to_be_visible()
    table = page.get_by_role("region", name="Changes of what the source offers")
    expect(table.get_by_role("row").filter(has_text="height")).to_contain_text("number")
    expect(table.get_by_role("row").filter(has_text="age")).to_contain_text("gone")
    expect(page.get_by_text("And 3 other changes that are not listed.")).to_be_visible()


def test_an_answer_without_changes_leaves_the_page_as_it_is(watched: Watched, rows: Rows) -> None:
    """304 again and again: what is unfolded stays so, and the focus where it was."""
    task = rows.add(1, state="RUNNING")
    page = watched.page
    _open(watched, task)
    page.get_by_text("Start it once more, from a terminal").click()
    page.evaluate("document.querySelector('.task-headline').marked = true")
    for _ in range(2):
        with page.expect_response(lambda answer: f"/tasks/{quote(task, safe='')}" in answer.url) as answered:
            pass
        assert answered.value.status == 304
    expect(page.get_by_role("button", name="as syncctl")).to_be_visible()
    assert page.evaluate("document.querySelector('.task-headline').marked")


def test_a_phone_shows_it_without_scrolling_sideways(watched: Watched, edition: EditionProcess) -> None:
    """A failed read with all its parts."""
    task = _read(edition, "plants", steps=[["started", "plants"], ["error", "config_error", "x" * 500], ["exit", 1]])
    edition.finish(task, 240)
    watched.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page = _open(watched, task)
    _state(page, "failed")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def _answer(page: Page, task: str, change: Callable[[Any], None]) -> None:
    """Changes the function's answer about a task on its way."""

    def fulfil(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        change(body)
        route.fulfill(response=response, json=body)

    page.route(re.compile(f"/tasks/{re.escape(quote(task, safe=''))}"), fulfil)
