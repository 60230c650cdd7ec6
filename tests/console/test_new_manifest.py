"""A low-code connector in New: from a pasted manifest to a saved sync that runs, and what may go wrong on the way."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import SHOP
from tests.console.test_new import document, everything, keep_secret, save, task_of
from tests.support import canaries
from tests.support.browser import Watched
from tests.support.docs import ROOT, code
from tests.support.edition_process import EditionProcess
from tests.support.posts_api import POSTS, posts_api

HOW_TO = code((ROOT / "docs/how-to/run-a-manifest.md").read_text(encoding="utf-8"), "yaml")[0]
PLAIN: dict[str, Any] = {
    "version": "6.5.2",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["posts"]},
    "streams": [{"type": "DeclarativeStream", "name": "posts"}],
    "spec": {
        "type": "Spec",
        "connection_specification": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with posts_api(canaries.CONFIG) as url:
        yield url


def paste(watched: Watched, text: str) -> Page:
    """An empty page, and the manifest in it."""
    page = watched.open("#/new")
    page.get_by_label("A low-code manifest").check()
    page.get_by_label("Manifest (YAML or JSON)").fill(text)
    page.get_by_role("button", name="Continue to its configuration").click()
    return page


@pytest.mark.timeout(600)  # the CDK is installed
def test_from_a_manifest_to_a_sync_that_runs(watched: Watched, edition: EditionProcess, api: str) -> None:
    """Checked, corrected, discovered, read once, saved and run; its token is nowhere but in the Secret."""
    watched.context.set_default_timeout(300_000)
    page = paste(watched, HOW_TO)
    page.get_by_label("Url", exact=True).fill(api)
    page.get_by_label("Token", exact=True).fill("guessed")
    page.get_by_role("button", name="Check the connection").click()
    page.get_by_role("alert").get_by_text("The check did not pass").wait_for()
    page.get_by_role("button", name="Change the configuration").click()
    page.get_by_label("Token", exact=True).fill(canaries.CONFIG)
    page.get_by_role("button", name="Check the connection").click()
    page.get_by_text("The check passed").wait_for()
    page.get_by_role("button", name="Find its streams").click()
    page.get_by_text("1 of 1 streams selected").wait_for()
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).fill("low-code")
    page.get_by_label("Prefix of its tables").fill("low_")
    page.get_by_role("button", name="Run once now").click()
    page.get_by_role("dialog").get_by_role("button", name="Run now").click()
    assert edition.finish(task_of(page))["state"] == "SUCCESS"
    page.go_back()
    save(page)
    canaries.refuse("the tab", everything(page))
    spec = document(edition, "low-code")
    reference = {"valueFrom": {"secretKeyRef": {"name": "credentials-low-code", "key": "token"}}}
    assert spec["config"] == {"url": api, "token": reference}
    assert spec["manifest"]["streams"][0]["name"] == "posts"
    keep_secret(edition, "credentials-low-code", "token", canaries.CONFIG)
    page.get_by_role("button", name="Run low-code now").click()
    assert edition.finish(task_of(page))["state"] == "SUCCESS"
    assert sorted(edition.rows("SELECT id, title FROM low_posts")) == POSTS


@pytest.mark.fault(803)
def test_what_yaml_readers_disagree_on_is_refused(watched: Watched) -> None:
    """As in a file of `syncctl`: the CDK would get something else than what is written there."""
    page = paste(watched, HOW_TO + "\nflag: yes\n")
    page.get_by_text('expected "yes" in quotes').wait_for()
    for odd, shown in (("010", "010"), ("1_000", "1_000"), ("0x1F", "0x1F")):
        page.get_by_label("Manifest (YAML or JSON)").fill(HOW_TO + f"\nflag: {odd}\n")
        page.get_by_text(f'expected "{shown}" in quotes').wait_for()


@pytest.mark.fault(803)
@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_a_manifest_is_saved_as_it_was_pasted(watched: Watched, edition: EditionProcess, kind: str) -> None:
    """Numbers keep their digits, and dates are texts: here into a sync that is edited, which needs no discover."""
    name = f"as-pasted-{kind}"
    spec = {"manifest": PLAIN, "config": {"url": "http://127.0.0.1:1/"}}
    whole = {"apiVersion": "sync-functions.dev/v1alpha1", "kind": "Sync", "metadata": {"name": name}, "spec": spec}
    assert edition.ask(f"/syncs/{name}", whole, "PUT")[0] == 200
    text = json.dumps(PLAIN | {"metadata": {"number": 9007199254740993, "low": 1e-7, "from": "2026-01-01"}})
    if kind == "yaml":
        text = "# YAML\n" + text.replace('"2026-01-01"', "2026-01-01")
    page = watched.open(f"#/new?sync={name}&step=image")
    page.get_by_label("Manifest (YAML or JSON)").fill(text)
    page.get_by_role("button", name="Open: Schedule and save").click()
    save(page, "Save the changes")
    assert document(edition, name)["manifest"]["metadata"] == {
        "number": 9007199254740993,
        "low": 1e-7,
        "from": "2026-01-01",
    }


def test_another_kind_of_connector_begins_without_what_was_typed(watched: Watched) -> None:
    """The fields of an image's form are not those of a manifest, and its check was not the manifest's."""
    page = watched.open("#/new")
    page.get_by_label("Image", exact=True).fill(f"{SHOP}:spec")
    page.get_by_role("button", name="Continue to its configuration").click()
    page.get_by_label("Shop", exact=True).fill("berlin")
    page.get_by_label("Password of the shop", exact=True).fill(canaries.CONFIG)
    page.get_by_role("button", name="Check the connection").click()
    page.get_by_text("The check passed").wait_for()
    page.get_by_role("button", name="Open: Connector").click()
    page.get_by_label("A low-code manifest").check()
    expect(page.get_by_label("Image that runs it (may be left out)")).to_have_value("")
    page.get_by_label("Manifest (YAML or JSON)").fill(json.dumps(PLAIN))
    page.get_by_role("button", name="Continue to its configuration").click()
    page.get_by_label("Url", exact=True).wait_for()
    expect(page.get_by_label("Configuration as JSON")).to_have_value("{}")
    expect(page.get_by_text("The connector can work with it")).to_have_count(0)


@pytest.mark.fault(804)
def test_a_field_that_becomes_secret_is_one(watched: Watched) -> None:
    """Its value was typed before the manifest called it a secret: neither the tab nor a document may keep it."""
    page = paste(watched, json.dumps(PLAIN))
    page.get_by_label("Url", exact=True).fill(canaries.CONFIG)
    page.get_by_role("button", name="Open: Connector").click()
    secret = json.dumps(PLAIN).replace('{"type": "string"}', '{"type": "string", "airbyte_secret": true}')
    page.get_by_label("Manifest (YAML or JSON)").fill(secret)
    page.get_by_role("button", name="Continue to its configuration").click()
    page.get_by_text("Secrets are kept in this page's memory alone").wait_for()
    canaries.refuse("the tab", everything(page))
