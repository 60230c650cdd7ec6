"""The view Sync: runs, streams, the document, and the end of a sync."""

import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Watched
from tests.support.edition_process import EditionProcess
from tests.support.garden import GARDEN, Garden

SCRIPT = "<img src=x onerror=document.title='taken'>"


def answered(page: Page, verb: str) -> Locator:
    """Press the button of the question that is open; return what announces its end."""
    page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    return page.locator("[aria-live]")


def test_what_a_sync_is_and_has_done(watched: Watched, garden: Garden) -> None:
    """Facts, runs as a strip and a plot with its table, and streams."""
    garden.declare("first")
    garden.declare("facts", schedule="30 2 * * 1-5", timeZone="Europe/Berlin", after=["first"], retries=2)
    garden.run("facts")
    garden.fails.write_text("The gate is locked")
    failed = garden.run("facts", "FAILED")
    page = watched.open("#/syncs/facts")
    facts = page.get_by_role("region", name="Facts")
    for text in (GARDEN, "at 02:30 on Monday to Friday", "30 2 * * 1-5", "Europe/Berlin", "facts_"):
        expect(facts).to_contain_text(text)
    expect(facts.get_by_role("link", name="first")).to_have_attribute("href", "#/syncs/first")
    runs = page.get_by_role("region", name="Runs").first
    strip = runs.get_by_role("list", name="Last 2 runs: 1 success, 1 failed")
    expect(strip.get_by_role("link")).to_have_count(2)
    expect(strip.get_by_role("link").last).to_have_attribute("href", f"#/tasks/{failed}")
    expect(runs.get_by_role("img", name="Rows per run")).to_be_visible()
    expect(runs.get_by_role("row").filter(has_text=failed)).to_contain_text("The gate is locked")
    roses = page.get_by_role("row").filter(has=page.get_by_role("checkbox", name="Select roses"))
    expect(roses.get_by_role("rowheader")).to_have_text("roses")
    expect(page.get_by_role("heading", level=1)).to_contain_text("failed")


def test_its_tables_are_named_and_can_be_looked_into(
    watched: Watched, garden: Garden, edition: EditionProcess, tmp_path: Path
) -> None:
    """With the prefix, or the table that was chosen; the command that is copied shows rows of the first one."""
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    garden.declare("tabled", prefix="t-", streams=[{"name": "roses"}, {"name": "tulips", "table": 'odd "tulips"'}])
    page = watched.open("#/syncs/tabled")
    facts = page.get_by_role("region", name="Facts")
    expect(facts.locator(".tables")).to_contain_text('t-roses, odd "tulips"')  # as it is declared, before the first run
    garden.run("tabled")
    page.reload()
    facts.get_by_text("Look at the rows").click()
    facts.get_by_role("button", name="command", exact=True).click()
    facts.get_by_role("button", name="command ✓", exact=True).wait_for()
    data = tmp_path / "home/.local/share"
    data.mkdir(parents=True)
    (data / "sync-functions").symlink_to(edition.home)
    edition.idle()
    command = page.evaluate("navigator.clipboard.readText()").replace("python ", f"{sys.executable} ", 1)
    shown = subprocess.run(
        ["bash", "-c", command], env={"HOME": str(tmp_path / "home")}, check=True, capture_output=True, text=True
    )
    assert "│     1 │" in shown.stdout


def test_some_streams_are_run_and_refreshed(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """A refresh says what is forgotten; the other streams keep their states."""
    garden.declare("beds")
    garden.run("beds")
    page = watched.open("#/syncs/beds")
    page.get_by_role("checkbox", name="Select roses").check()
    page.get_by_role("button", name="Run selected").click()
    expect(page.get_by_role("dialog")).to_contain_text("Other streams are left as they are")
    expect(answered(page, "Run")).to_have_text("A run of beds has been started.")
    [newest, *_] = edition.ask("/tasks", syncId="beds", command="read")[1]["tasks"]
    edition.finish(newest["taskId"])
    expect(page.get_by_text("A run has been started")).to_have_count(0)  # it has ended since
    assert states(edition, "beds") == {"roses": {"n": 2}, "tulips": {"n": 1}}
    page.get_by_role("checkbox", name="Select tulips").check()
    page.get_by_role("checkbox", name="Select roses").uncheck()
    page.get_by_role("button", name="Refresh selected").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The saved states of tulips are forgotten, and everything is read again.")
    expect(dialog).to_contain_text("Their tables are replaced")
    with page.expect_response(lambda answer: "/run?" in answer.url) as answer:
        answered(page, "Refresh")
    edition.finish(answer.value.json()["taskId"])
    assert states(edition, "beds") == {"roses": {"n": 2}, "tulips": {"n": 1}}
    assert "streams=tulips&fullSync=true" in answer.value.url


def states(edition: EditionProcess, name: str) -> dict[str, object]:
    """The saved states of a sync."""
    found: dict[str, object] = edition.ask(f"/syncs/{name}/state")[1]["states"]
    return found


@pytest.mark.fault(681)
def test_a_change_meanwhile_is_seen_and_not_lost(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """409 offers theirs; a text that is kept is based on theirs, and saved."""
    garden.declare("shared")
    watched.expected.append("409")
    page = watched.open("#/syncs/shared")
    page.get_by_role("button", name="Edit document").click()
    editor = page.get_by_role("textbox", name="Document as YAML")
    editor.fill(editor.input_value().replace("prefix: shared_", "prefix: mine_"))
    garden.declare("shared", schedule="@daily")
    page.get_by_role("button", name="Review and save").click()
    expect(page.get_by_role("alert").filter(has_text="Somebody else has changed shared")).to_be_visible()
    assert edition.ask("/syncs/shared")[1]["sync"]["spec"]["schedule"] == "@daily"
    page.get_by_role("button", name="Load theirs").click()
    expect(editor).to_have_value(expectation("schedule: '@daily'"))
    editor.fill(editor.input_value().replace("prefix: shared_", "prefix: mine_"))
    page.get_by_role("button", name="Review and save").click()
    expect(page.get_by_role("dialog").get_by_role("insertion")).to_contain_text("prefix: mine_")
    expect(answered(page, "Save")).to_have_text("shared is saved.")
    spec = edition.ask("/syncs/shared")[1]["sync"]["spec"]
    assert (spec["prefix"], spec["schedule"]) == ("mine_", "@daily")


@pytest.mark.fault(681)
def test_a_text_that_is_kept_keeps_its_own_secrets(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """Marks are numbered: that of a value here is that of another one where somebody has added a secret before it."""
    garden.declare("kept", {"b_token": "basil-77"})
    watched.expected.append("409")
    page = watched.open("#/syncs/kept")
    page.get_by_role("button", name="Edit document").click()
    editor = page.get_by_role("textbox", name="Document as YAML")
    editor.fill(editor.input_value().replace("prefix: kept_", "prefix: mine_"))
    known = garden.document("kept")["spec"]["config"]
    changed = {"a_token": "aster-77", **known, "b_token": "basil-77"}
    assert (
        edition.ask("/syncs/kept", garden.document("kept") | {"spec": {"image": GARDEN, "config": changed}}, "PUT")[0]
        == 200
    )
    page.get_by_role("button", name="Review and save").click()
    page.get_by_role("button", name="Keep my text, based on theirs").click()
    page.get_by_role("button", name="Review and save").click()
    expect(answered(page, "Save")).to_have_text("kept is saved.")
    config = edition.ask("/syncs/kept")[1]["sync"]["spec"]["config"]
    assert config == known | {"b_token": "basil-77"}


def expectation(text: str) -> re.Pattern[str]:
    """Any value that holds the text."""
    return re.compile(re.escape(text))


@pytest.mark.fault(682)
def test_secret_values_are_hidden_and_stay(
    watched: Watched, garden: Garden, edition: EditionProcess, tmp_path: Path
) -> None:
    """Neither the editor nor a file has them; saved, the document still does; problems are shown at their lines."""
    garden.declare("hidden", {"api_key": "orchid-77", "nested": {"password": 'a"b: #c'}})
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched.expected.append("422")
    page = watched.open("#/syncs/hidden")
    page.get_by_text("Show as YAML").click()
    expect(page.get_by_role("region", name="Document").last).to_contain_text("********1")
    page.get_by_role("button", name="YAML", exact=True).click()
    expect(page.locator("[aria-live]")).to_have_text("Copied as YAML.")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a file").click()
    saved.value.save_as(tmp_path / "saved.yaml")
    assert saved.value.suggested_filename == "hidden.yaml"
    page.get_by_role("button", name="Edit document").click()
    editor = page.get_by_role("textbox", name="Document as YAML")
    editor.wait_for()
    for text in (
        (tmp_path / "saved.yaml").read_text(),
        page.evaluate("navigator.clipboard.readText()"),
        editor.input_value(),
    ):
        assert "********" in text
        assert "orchid-77" not in text
    good = editor.input_value()
    editor.fill(good + "  imgae: x\n  schedule: often\n")
    page.get_by_role("button", name="Check", exact=True).click()
    problems = page.get_by_role("alert").get_by_role("listitem")
    expect(problems).to_have_count(2)
    line = good.count("\n") + 1
    expect(problems.filter(has_text="did you mean image?")).to_contain_text(f"Line {line} imgae: x")
    page.get_by_role("button", name=f"Line {line}", exact=True).click()
    assert (
        page.evaluate(
            "document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd)"
        )
        == "  imgae: x"
    )
    editor.fill(good + "  retries: 3\n")
    page.get_by_role("button", name="Review and save").click()
    answered(page, "Save")
    spec = edition.ask("/syncs/hidden")[1]["sync"]["spec"]
    assert spec["retries"] == 3
    assert spec["config"]["api_key"] == "orchid-77"
    assert spec["config"]["nested"] == {"password": 'a"b: #c'}


def test_delete_says_what_stays(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """Syncs that come after it hold it, unless that is chosen; its tasks stay, and so does its view."""
    garden.declare("going")
    garden.declare("coming", after=["going"])
    task = garden.run("going")
    watched.expected += ["409", "404"]
    page = watched.open("#/syncs/going")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The tables and their rows, the saved states, and the tasks with their logs stay.")
    expect(dialog).to_contain_text("The success of going starts coming")
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("which nothing would start then")
    dialog.get_by_role("checkbox", name="Delete it all the same").check()
    expect(answered(page, "Delete")).to_contain_text("going has been deleted.")
    page.get_by_role("heading", name="Syncs", level=1).wait_for()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="going", exact=True))
    expect(row).to_contain_text("not declared")
    row.get_by_role("link", name="going", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text('syncId: "going"')
    expect(page.get_by_role("row").filter(has_text=task)).to_contain_text("success")
    expect(page.get_by_text("roses", exact=True)).to_be_visible()
    assert edition.ask("/syncs/going")[0] == 404


@pytest.mark.fault(683)
def test_hostile_names_are_text(watched: Watched, garden: Garden, edition: EditionProcess) -> None:
    """Script in streams, reasons and syncIds is shown, and never run."""
    garden.offer({SCRIPT: {"n": {"type": "integer"}}})
    body = {
        "config": garden.document("x")["spec"]["config"],
        "catalog": {"streams": [{"stream": {"name": SCRIPT, "json_schema": {}}, "sync_mode": "incremental"}]},
    }
    own = uuid4().hex
    name = f"{SCRIPT}/a b%2F?#{own}"
    edition.read(GARDEN, body, name)
    garden.fails.write_text(SCRIPT)
    edition.read(GARDEN, body, name)
    page = watched.open(f"#/syncs?q={own}")
    page.get_by_role("rowheader").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    expect(page.get_by_role("cell").filter(has_text=SCRIPT)).to_be_visible()
    page.get_by_role("region", name="States").get_by_text(SCRIPT, exact=True).click()
    expect(page.get_by_role("region", name=f"State of {SCRIPT}")).to_contain_text('"n": 1')
    assert page.title().endswith(name)
