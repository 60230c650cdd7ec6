"""What other sites, hostile names and lost answers could do to the console, or through it."""

import re
import shlex
import subprocess
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from playwright.sync_api import Page, Route, expect

from tests.support.browser import Watched
from tests.support.edition_process import EditionProcess
from tests.support.fake_bulker import wait_for
from tests.support.garden import Garden

TOKEN = "sessionStorage.getItem('sync-functions.token')"
LARGE = 2**53 + 1


def run(page: Page, module: str, body: str, given: Any = None) -> Any:
    """Run JavaScript with a module of the console as `m`."""
    load = f"import(document.querySelector('script[type=module]').src.replace('main.js', '{module}'))"
    return page.evaluate(f"async (given) => {{ const m = await {load}; {body} }}", given)


@pytest.mark.fault(761)
def test_a_link_of_another_sign_in_changes_nothing(watched: Watched, edition: EditionProcess) -> None:
    """Its token is not taken, and not left in the address; the page says so, until the next view."""
    page = watched.open("#/tasks")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.goto(f"{edition.url}/#token=ANOTHER&to=%2Fsyncs")
    expect(page.get_by_text("would sign you in with another token")).to_be_visible()
    assert page.evaluate(TOKEN) == edition.token
    assert page.evaluate("location.hash") == "#/syncs"
    page.get_by_role("link", name="Tasks", exact=True).click()
    expect(page.get_by_text("would sign you in with another token")).to_have_count(0)
    page.evaluate("history.replaceState(null, '', '#token=ANOTHER')")
    page.reload()
    expect(page.get_by_text("would sign you in with another token")).to_be_visible()
    assert page.evaluate(TOKEN) == edition.token
    assert page.evaluate("location.hash") == "#/"


@pytest.mark.fault(835)
@pytest.mark.parametrize("stream", [".", "..", ""])
def test_a_stream_s_name_leads_no_change_elsewhere(watched: Watched, stream: str) -> None:
    """A connector chooses it, and a browser would resolve it: to forget its state would delete the sync."""
    page = watched.open("#/tasks")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    body = "return m.change('DELETE', ['syncs', 'nothing', 'state', given]).then(() => '', (error) => error.message)"
    assert "cannot be part of an address" in run(page, "lib/api.js", body, stream)
    assert "DELETE" not in asked


@pytest.mark.fault(761)
def test_a_link_that_is_broken_leads_to_the_sign_in(watched: Watched, edition: EditionProcess) -> None:
    """A token that cannot be decoded is not one, and does not stay in the address."""
    page = watched.page
    page.goto(f"{edition.url}/#token=%zz&to=%")
    expect(page.get_by_label("Token")).to_be_visible()
    assert page.evaluate("location.hash") == "#/"
    page.evaluate("location.hash = '#token='")
    expect(page).to_have_url(re.compile("#/$"))
    assert page.evaluate(TOKEN) is None


@pytest.mark.fault(762)
def test_a_late_refusal_does_not_end_the_next_sign_in(watched: Watched, edition: EditionProcess) -> None:
    """The 401 was for the token before: the present one stays."""
    page = watched.open("#/tasks")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    watched.expected.append("401")
    held: list[Route] = []
    page.route("**/never-there", lambda route: held.append(route))  # noqa: PLW0108 - Playwright wants a function
    run(page, "lib/api.js", "globalThis.answer = m.get('never-there').catch((error) => error.status)")
    run(page, "lib/session.js", "m.signIn('TOKEN-OF-LATER')")
    wait_for(lambda: page.evaluate("1") and held, 60, "the request")  # events come while the page is asked
    held[0].fulfill(status=401, json={"ok": False, "error": "not this token"})
    assert page.evaluate("globalThis.answer") == 401
    assert page.evaluate(TOKEN) == "TOKEN-OF-LATER"


@pytest.mark.fault(763)
def test_a_document_keeps_its_large_numbers(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """Suspended, or edited as YAML: numbers beyond 2^53 stay, and texts stay texts."""
    config = {"account": LARGE, "low": 1e-7, "text": "1_000", "password": "a\u2028b\x85c\x7fd"}
    garden.declare("large", config)
    page = watched.open("#/syncs/large")
    page.get_by_role("button", name="Suspend").click()
    page.get_by_role("dialog").get_by_role("button", name="Suspend", exact=True).click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    found = edition.ask("/syncs/large")[1]["sync"]["spec"]["config"]
    assert {key: found[key] for key in config} == config
    page.get_by_role("button", name="Edit document").click()
    editor = page.get_by_role("textbox", name="Document as YAML")
    expect(editor).to_have_value(re.compile(f'"account": {LARGE},'))  # as JSON, which is YAML, too
    editor.fill(editor.input_value().replace('"suspend": true', '"suspend": false'))
    page.get_by_role("button", name="Review and save").click()
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    found = edition.ask("/syncs/large")[1]["sync"]["spec"]["config"]
    assert {key: found[key] for key in config} == config


@pytest.mark.fault(763)
def test_yaml_is_read_back_as_it_was(watched: Watched) -> None:
    """Also by readers of YAML 1.1, which the functions and kubectl are."""
    page = watched.open("#/tasks")
    texts = [
        "1_000",
        "1__0",
        ".1_",
        "+4_365",
        "0x_1F",
        "yes",
        "1e3",
        "0123",
        "12:30",
        "2020-01-01",
        "a\tb\nc",
        "\x85",
        "=",
    ]
    made = run(page, "components/yaml.js", "return m.toYaml(given)", {"texts": texts, "keys": dict.fromkeys(texts, 1)})
    assert yaml.safe_load(made) == {"texts": texts, "keys": dict.fromkeys(texts, 1)}


@pytest.mark.fault(764)
def test_copied_names_are_one_word_of_a_shell(watched: Watched) -> None:
    """Whatever is in them; control characters, which a terminal would obey, are written as escapes."""
    page = watched.open("#/tasks")
    names = [
        "$(id)",
        "`id`",
        "a'b",
        'a"b',
        "a\nb",
        "!x",
        "~",
        "=ls",
        "-rf",
        "a b",
        "",
        "\x1b[201~\nid",
        "\x9b1m",
        "\\",
        "é'\r",
    ]
    quoted = run(page, "components/copy.js", "return given.map(m.quote)", names)
    assert not [one for one in quoted if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", one)]
    assert not [one for one in quoted if one.startswith(("=", "~", "-"))]
    script = f"printf '%s\\0' {' '.join(quoted)}"
    found = subprocess.run(["bash", "-c", script], check=True, capture_output=True).stdout.decode()
    assert found.split("\0")[:-1] == names
    assert shlex.split(quoted[0]) == ["$(id)"]


@pytest.mark.fault(764)
def test_copied_values_are_no_options(watched: Watched) -> None:
    """A stream, a sync or a Secret's key may begin with a dash: `--stream=-x`, or behind `--`."""
    page = watched.open("#/tasks")
    task = {"command": "read", "package": "a/b", "version": "1", "syncId": "-s", "streams": {"-x": {}, "--follow": {}}}
    made = run(page, "views/task/commands.js", "return m.repeat(given).syncctl", task)
    assert shlex.split(made)[2:] == ["a/b:1", "--config", "config.json", "--sync=-s", "--stream=-x", "--stream=--follow", "--follow"]  # fmt: skip
    made = run(page, "views/task/commands.js", "return m.repeat(given).syncctl", {"taskId": "-t", "run": {"sync": "a"}})
    assert shlex.split(made) == ["syncctl", "run", "--again=-t", "--follow"]
    made = run(page, "views/task/filters.js", "return m.command(given)", {"sync": "-s", "startedBy": "--all"})
    assert shlex.split(made) == ["syncctl", "tasks", "--sync=-s", "--started-by=--all"]
    made = run(page, "views/new/commands.js", "return m.secretCommands(given).syncctl", [{"name": "a", "key": "-k"}])
    assert shlex.split(made) == ["syncctl", "secret", "set", "--", "a", "-k"]
    assert run(page, "components/copy.js", "return m.argument(...given)", ["a", "b"]) == "a b"


@pytest.mark.fault(765)
def test_a_run_whose_answer_was_lost_is_started_once(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """Asked again, it has the same id: the functions answer with the run that was started."""
    garden.declare("lost-answer")
    page = watched.open("#/syncs/lost-answer")
    watched.expected.append("ERR_")
    asked: list[str] = []

    def lose(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            route.continue_()
        else:
            route.fetch()
            route.abort()

    page.route("**/syncs/lost-answer/run*", lose)
    page.get_by_role("button", name="Run now").click()
    run_it = page.get_by_role("dialog").get_by_role("button", name="Run", exact=True)
    run_it.click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("cannot be reached")
    run_it.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(asked) == 2
    assert asked[0] == asked[1]
    tasks = edition.ask("/tasks", syncId="lost-answer")[1]["tasks"]
    assert [f"taskId={task['taskId']}" in asked[0] for task in tasks] == [True]
    edition.finish(tasks[0]["taskId"])
