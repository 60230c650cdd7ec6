"""Names and documents that could make the console do something else than it shows."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.test_attacks import LARGE, run
from tests.console.test_new_manifest import PLAIN, paste
from tests.support import canaries
from tests.support.browser import Watched
from tests.support.edition_process import EditionProcess
from tests.support.garden import GARDEN, Garden


@pytest.mark.fault(821)
def test_a_stream_of_dots_stands_for_no_other_address(
    watched: Watched, garden: Garden, edition: EditionProcess
) -> None:
    """A browser would take `/syncs/dots/state/..` for `/syncs/dots`, and delete the sync with its state."""
    garden.declare("dots")
    states = {"..": {"n": 1}, ".": {"n": 2}, "roses": {"n": 3}}
    assert edition.ask("/syncs/dots/state", {"states": states}, "PUT")[0] == 200
    page = watched.open("#/syncs/dots")
    for name in ("..", "."):
        part = (
            page.get_by_role("region", name="States")
            .get_by_role("group")
            .filter(has=page.get_by_text(name, exact=True))
        )
        part.get_by_text(name, exact=True).click()
        expect(part.get_by_role("alert")).to_contain_text("cannot be part of an address")
        expect(part.get_by_role("button")).to_have_count(0)
    sent = run(
        page, "lib/api.js", "return m.change('DELETE', ['syncs', 'dots', 'state', '..']).catch((error) => error.status)"
    )
    assert sent == 400
    assert edition.ask("/syncs/dots/state")[1]["states"] == states
    page = watched.open("#/syncs/..")
    expect(page.get_by_role("alert")).to_contain_text("cannot be part of an address")


@pytest.mark.fault(822)
def test_names_that_javascript_knows_are_names(watched: Watched, garden: Garden) -> None:
    """A sync `constructor` that has never run, and links with such words: each object has members of these names."""
    garden.declare("constructor")
    page = watched.open("#/syncs?q=constructor")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="constructor", exact=True))
    expect(row).to_contain_text("no runs")
    for query in ("state=constructor", "state=__proto__", "sort=__proto__", "sort=hasOwnProperty", "q=constructor"):
        page = watched.open(f"#/syncs?{query}")
        expect(page.get_by_role("heading", name="Syncs")).to_be_visible()
        expect(page.get_by_role("search")).to_be_visible()


ODD: dict[str, list[Any]] = {
    "#/syncs": [{"syncs": [{}]}, [], 7],
    "#/syncs/odd": [{}, {"sync": {"metadata": {"name": "odd"}, "spec": {"after": "x", "schedule": 5}}}],
    "#/tasks": [{"tasks": [{}]}, {"tasks": 5}],
    "#/tasks/odd": [{"task": {"taskId": "odd", "command": "read"}}],
}


@pytest.mark.fault(823)
@pytest.mark.parametrize(("link", "answer"), [(link, one) for link, some in ODD.items() for one in some])
def test_an_answer_of_another_shape_costs_its_view_alone(watched: Watched, link: str, answer: Any) -> None:
    """It says so, everything else can be used, and once the answer is right the view is there again."""
    page = watched.page
    pattern = re.compile(r"127\.0\.0\.1:\d+/" + link[2:].replace("/", "/") + r"(\?.*)?$")
    page.route(pattern, lambda route: route.fulfill(json=answer))
    watched.open(link)
    wrong = re.compile("cannot be shown|something else than an object of JSON")
    expect(page.get_by_role("alert")).to_contain_text(wrong)
    page.get_by_role("link", name="New", exact=True).click()
    expect(page.get_by_role("heading", name="New", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("alert")).to_contain_text(wrong)
    page.unroute(pattern)
    watched.expected.append("404")
    if page.get_by_role("button", name="Try again").count():
        page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text(wrong)).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.fault(826)
def test_a_name_with_a_comma_runs_no_other_streams(watched: Watched, garden: Garden) -> None:
    """`streams=a,b` are two: a stream of that name is run with all others only."""
    garden.offer({"a,b": {"n": {"type": "integer"}}, "a": {"n": {"type": "integer"}}, "b": {"n": {"type": "integer"}}})
    garden.declare("commas")
    garden.run("commas")
    page = watched.open("#/syncs/commas")
    expect(page.get_by_role("checkbox", name="Select a,b")).to_be_disabled()
    page.get_by_role("checkbox", name="Select all streams").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="a,b").first).to_contain_text("only with all")


@pytest.mark.fault(827)
def test_a_text_like_a_mark_stays_a_text(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """Who writes `********1` into a document would otherwise get the secret of that mark there."""
    given = {"password": "orchid-77", "note": "********1", "more": "a *********2 b", "pin_token": "tulip-77"}
    garden.declare("marks", given)
    page = watched.open("#/syncs/marks")
    page.get_by_role("button", name="Edit document").click()
    editor = page.get_by_role("textbox", name="Document as YAML")
    editor.wait_for()
    assert "orchid-77" not in editor.input_value()
    editor.fill(editor.input_value().replace("prefix: marks_", "prefix: new_"))
    save(page)
    spec = edition.ask("/syncs/marks")[1]["sync"]["spec"]
    assert spec["prefix"] == "new_"
    assert {key: spec["config"][key] for key in given} == given


@pytest.mark.fault(827)
def test_a_label_of_the_version_s_name_is_left_alone(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """A text that is kept is based on another version: that is written where the version is."""
    watched.expected.append("409")
    document = garden.document("labelled")
    document["metadata"]["annotations"] = {"note": "a\n  resourceVersion: 7\nb", "resourceVersion": "5"}
    garden.declare("labelled")
    assert edition.ask("/syncs/labelled", document, "PUT")[0] == 200
    page = watched.open("#/syncs/labelled")
    page.get_by_role("button", name="Edit document").click()
    editor = page.get_by_role("textbox", name="Document as YAML")
    editor.fill(editor.input_value().replace("prefix: labelled_", "prefix: mine_"))
    document["spec"]["schedule"] = "@daily"
    assert edition.ask("/syncs/labelled", document, "PUT")[0] == 200
    page.get_by_role("button", name="Review and save").click()
    page.get_by_role("button", name="Keep my text, based on theirs").click()
    expect(page.get_by_role("status").filter(has_text="based on theirs now")).to_be_visible()
    save(page)
    found = edition.ask("/syncs/labelled")[1]["sync"]
    assert found["metadata"]["annotations"] == document["metadata"]["annotations"]
    assert found["spec"]["prefix"] == "mine_"


@pytest.mark.fault(763)
def test_a_document_with_large_numbers_has_no_letter_that_yaml_refuses(
    watched: Watched, garden: Garden, edition: EditionProcess
) -> None:
    """It is shown as JSON, which may hold letters that YAML may not."""
    config = {"account": LARGE, "text": "a\x7fb\x85c\x9bd\u2028e\ufeff"}
    garden.declare("letters", config)
    page = watched.open("#/syncs/letters")
    page.get_by_role("button", name="Edit document").click()
    editor = page.get_by_role("textbox", name="Document as YAML")
    editor.fill(editor.input_value().replace('"letters_"', '"new_"'))
    save(page)
    spec = edition.ask("/syncs/letters")[1]["sync"]["spec"]
    assert spec["prefix"] == "new_"
    assert {key: spec["config"][key] for key in config} == config


def save(page: Page) -> None:
    """Review what is in the editor, and save it."""
    page.get_by_role("button", name="Review and save").click()
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Edit document")).to_be_visible()


@pytest.mark.fault(828)
def test_a_command_that_asks_does_not_take_the_next_one_for_an_answer(watched: Watched, tmp_path: Path) -> None:
    """Pasted where a terminal does not mark what is pasted: all of it is read before the first value is asked for."""
    page = watched.open("#/tasks")
    refs = [{"name": "one", "key": "a"}, {"name": "one", "key": "b"}, {"name": "two", "key": "c"}]
    made = run(page, "views/new/commands.js", "return m.secretCommands(given)", refs)
    for program in ("kubectl", "syncctl"):
        (tmp_path / program).write_text(FAKE)
        (tmp_path / program).chmod(0o755)
    for way, answers in (("kubectl", "value-a\nvalue-b\nvalue-c\n"), ("syncctl", "value-a\nvalue-b\nvalue-c\n")):
        typed = f"{made[way]}\n{answers}"
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ASKS": "1" if way == "syncctl" else ""}
        done = subprocess.run(["bash"], input=typed, env=path, check=True, capture_output=True, text=True)
        assert [line for line in done.stdout.splitlines() if line.startswith("kept ")] == [
            "kept a=value-a", "kept b=value-b", "kept c=value-c",
        ], (way, done)  # fmt: skip


FAKE = r"""#!/usr/bin/env bash
# A program that keeps values: from files, as kubectl does, or asked for, as `syncctl secret set` does.
if [ -n "$ASKS" ]; then read -r value; echo "kept ${@: -1}=$value"; exit; fi
for one in "$@"; do case $one in --from-file=*) one=${one#--from-file=}; echo "kept ${one%%=*}=$(cat "${one#*=}")";; esac; done
"""


@pytest.mark.fault(761)
def test_a_link_with_an_image_gets_nothing_of_a_manifest_s_draft(watched: Watched) -> None:
    """Somebody else's image would run the manifest that is being written, and be given its configuration."""
    page = paste(watched, json.dumps(PLAIN))
    page.get_by_label("Url", exact=True).fill(canaries.CONFIG)
    page.get_by_role("link", name="Tasks", exact=True).click()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.evaluate("location.hash = '#/new?image=evil.example/source:1&step=check'")
    expect(page.get_by_label("An image", exact=True)).to_be_checked()
    expect(page.get_by_label("Image", exact=True)).to_have_value("evil.example/source:1")
    canaries.refuse("the tab", page.evaluate("sessionStorage.getItem('sync-functions.new')"))


def test_a_question_shows_what_a_name_hides(watched: Watched, garden: Garden) -> None:
    """U+202E would turn the words of the question around that follow it."""
    name = "x\u202e?lla peek"
    garden.offer({name: {"n": {"type": "integer"}}})
    garden.declare("turned")
    garden.run("turned")
    page = watched.open("#/syncs/turned")
    page.get_by_role("checkbox", name=f"Select {name}").check()
    page.get_by_role("button", name="Refresh selected").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Refresh x\\u202e?lla peek of turned?")
    assert "\u202e" not in dialog.inner_text()


def test_an_image_by_its_digest_stays_one(watched: Watched, edition: EditionProcess) -> None:
    """What is not declared leads to New with its image: `NAME@sha256:...`, as it is written in a document."""
    digest = "sha256:" + "0" * 64
    page = watched.page

    def answer(route: Route) -> None:
        body = route.fetch().json()
        for task in body["tasks"]:
            task["version"] = digest
        route.fulfill(json=body)

    page.route(re.compile(r"/tasks\?syncId="), answer)
    body = {
        "config": {},
        "catalog": {"streams": [{"stream": {"name": "n", "json_schema": {}}, "sync_mode": "full_refresh"}]},
    }
    edition.read(GARDEN, body, "by-digest")
    watched.open("#/syncs/by-digest?undeclared=1")
    link = page.get_by_role("link", name="Begin with its connector")
    expect(link).to_have_attribute("href", re.compile("image=test%2Fsource-garden%40sha256"))
