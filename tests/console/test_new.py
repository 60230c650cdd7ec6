"""The view New: from an empty page to a saved sync that runs, and what may go wrong on the way."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.conftest import SHOP
from tests.support import canaries
from tests.support.browser import PHONE, Watched
from tests.support.edition_process import EditionProcess

HOSTILE = "<script>alert('stream')</script>/../__proto__"


def begin(watched: Watched, image: str = f"{SHOP}:spec") -> Page:
    """An empty page, and the connector chosen."""
    page = watched.open("#/new")
    page.get_by_label("Image", exact=True).fill(image)
    page.get_by_role("button", name="Continue to its configuration").click()
    return page


def fill(page: Page, password: str = canaries.CONFIG, offer: str = "few") -> None:
    """The shop's configuration."""
    page.get_by_label("Shop", exact=True).fill("berlin")
    page.get_by_label("Password of the shop", exact=True).fill(password)
    page.get_by_label("Offer", exact=True).fill(offer)


def to_streams(page: Page, offer: str = "few") -> None:
    """From a chosen connector to its streams, without a check."""
    fill(page, offer=offer)
    page.get_by_role("button", name="Continue without a check").click()
    page.get_by_role("button", name="Find its streams").click()


def save(page: Page, verb: str = "Save") -> None:
    """The last step, through its question."""
    page.get_by_role("button", name="Save", exact=False).first.click()
    page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()
    page.get_by_text("Saved as").first.wait_for()


def everything(page: Page) -> str:
    """All that a tab keeps of it or shows, apart from what is typed into fields; its token belongs there."""
    kept = page.evaluate(
        "[sessionStorage.getItem('sync-functions.new'), JSON.stringify(localStorage), location.href, document.body.innerText]"
    )
    return "".join(map(str, kept))


def keep_secret(edition: EditionProcess, name: str, key: str, value: str) -> None:
    """What the view says to do: the value comes by standard input."""
    syncctl = Path(sys.executable).parent / "syncctl"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYNCCTL_")}  # noqa: TID251
    command = [str(syncctl), "secret", "set", name, key, "--home", str(edition.home)]
    subprocess.run(command, input=value, text=True, check=True, capture_output=True, env=environment)


def document(edition: EditionProcess, name: str) -> dict[str, Any]:
    """A sync as the deployment has it."""
    status, answer = edition.ask(f"/syncs/{name}")
    assert status == 200, answer
    spec: dict[str, Any] = answer["sync"]["spec"]
    return spec


def task_of(page: Page) -> str:
    """The task that the page has gone to."""
    page.wait_for_url(re.compile("#/tasks/[^/?]+$"))
    return page.url.rpartition("/")[2]


@pytest.mark.fault(721)
def test_from_an_empty_page_to_a_sync_that_runs(watched: Watched, edition: EditionProcess) -> None:
    """A check that fails is corrected; a secret becomes a reference, and its value is nowhere but in the Secret."""
    page = begin(watched)
    fill(page, password="guessed")
    page.get_by_role("button", name="Check the connection").click()
    page.get_by_role("alert").get_by_text("does not accept").wait_for()
    page.get_by_role("button", name="Change the configuration").click()
    page.get_by_label("Password of the shop", exact=True).fill(canaries.CONFIG)
    page.get_by_role("button", name="Check the connection").click()
    page.get_by_text("The check passed").wait_for()
    page.get_by_role("button", name="Find its streams").click()
    page.get_by_text("5 of 5 streams selected").wait_for()
    page.get_by_label(f"Read {HOSTILE}").uncheck()
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).fill("shop")
    page.get_by_label("Prefix of its tables").fill("new_")
    page.get_by_label("Every day").check()
    page.get_by_label("Time", exact=True).fill("03:30")
    expect(page.get_by_label("Secret of credentials.password")).to_have_value("credentials-shop")
    page.get_by_text("syncctl secret set credentials-shop password").wait_for()
    save(page)
    page.get_by_text("Its next run").wait_for()
    canaries.refuse("the tab", everything(page))
    spec = document(edition, "shop")
    reference = {"valueFrom": {"secretKeyRef": {"name": "credentials-shop", "key": "password"}}}
    assert spec["config"] == {
        "shop": "berlin",
        "offer": "few",
        "credentials": {"auth": "password", "password": reference},
    }
    assert (spec["schedule"], spec["timeZone"], spec["prefix"]) == ("30 3 * * *", "Europe/Berlin", "new_")
    assert [one["name"] for one in spec["streams"]] == ["orders", "visits", "orders", "__proto__"]
    keep_secret(edition, "credentials-shop", "password", canaries.CONFIG)
    page.get_by_role("button", name="Run shop now").click()
    assert edition.finish(task_of(page))["state"] == "SUCCESS"
    assert edition.has_table("new_orders")


def test_a_reload_keeps_all_but_secrets(watched: Watched) -> None:
    """The step is in the link; what needs the secret asks for it again, a saved sync does not."""
    page = begin(watched)
    to_streams(page)
    page.get_by_label("Read visits").uncheck()
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).fill("kept")
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("kept")
    assert "step=save" in page.url
    expect(page.get_by_role("button", name="Run once now")).to_be_disabled()
    page.get_by_text("are not known here").wait_for()
    canaries.refuse("the tab", everything(page))
    page.go_back()
    page.get_by_text("4 of 5 streams selected").wait_for()
    page.go_back()
    expect(page.get_by_label("Shop", exact=True)).to_have_value("berlin")
    expect(page.get_by_label("Password of the shop", exact=True)).to_have_value("")
    page.get_by_label("Password of the shop", exact=True).fill(canaries.CONFIG)
    page.go_forward()
    page.go_forward()
    expect(page.get_by_role("button", name="Run once now")).to_be_enabled()


@pytest.mark.fault(722)
def test_a_specification_that_fails_says_why(watched: Watched) -> None:
    """The connector's words are text, its task is a link, and another image goes on."""
    page = begin(watched, f"{SHOP}:broken")
    alert = page.get_by_role("alert")
    alert.get_by_text("The licence <b>is missing</b>").wait_for()
    expect(alert.get_by_role("link", name="Its task, with the log")).to_have_attribute("href", re.compile("#/tasks/."))
    page.get_by_role("button", name="Open: Connector").click()
    page.get_by_label("Image", exact=True).fill(f"{SHOP}:spec")
    page.get_by_role("button", name="Continue to its configuration").click()
    page.get_by_label("Shop", exact=True).wait_for()


def test_a_specification_that_does_not_come_can_be_cancelled(watched: Watched, edition: EditionProcess) -> None:
    """The task ends, and can be asked again."""
    page = begin(watched, f"{SHOP}:slow")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Try again").wait_for()
    _, answer = edition.ask("/tasks", command="spec", package=SHOP, limit="1")
    assert answer["tasks"][0]["state"] == "CANCELLED"


def test_a_specification_that_is_no_longer_kept_is_asked_for_again(watched: Watched) -> None:
    """A tab may be older than the task that it remembers."""
    watched.expected.append("404")
    page = begin(watched)
    page.get_by_label("Shop", exact=True).wait_for()
    page.evaluate(FORGET)
    page.reload()
    page.get_by_role("button", name="Try again").click()
    page.get_by_label("Shop", exact=True).wait_for()


FORGET = """() => {
  const draft = JSON.parse(sessionStorage.getItem("sync-functions.new"));
  sessionStorage.setItem("sync-functions.new", JSON.stringify({ ...draft, spec: "gone" }));
}"""


def test_an_image_that_cannot_be_one_is_refused_here(watched: Watched) -> None:
    """What shows without asking is shown at the field; what the functions refuse, beneath it."""
    watched.expected.append("422")
    page = begin(watched, "airbyte/source-faker")
    page.get_by_text("Add a version, such as airbyte/source-faker:1.2.3").wait_for()
    page.get_by_label("Image", exact=True).fill("Not/An/Image:1")
    page.get_by_role("button", name="Continue to its configuration").click()
    page.get_by_role("alert").get_by_text("not the name of an image").wait_for()


def test_a_connector_that_offers_nothing(watched: Watched) -> None:
    """The step says so, with the way on; nothing can be saved from it."""
    page = begin(watched)
    to_streams(page, offer="none")
    page.get_by_text("offers no streams").wait_for()
    expect(page.get_by_role("button", name="Continue to the schedule")).to_have_count(0)
    page.get_by_role("button", name="Open: Configuration").click()
    page.get_by_label("Offer", exact=True).fill("few")
    page.get_by_role("button", name="Continue without a check").click()
    page.get_by_text("The configuration has changed since the streams were found").wait_for()
    page.get_by_role("button", name="Find the streams again").click()
    page.get_by_text("5 of 5 streams selected").wait_for()


def test_streams_are_read_as_was_chosen(watched: Watched, edition: EditionProcess) -> None:
    """Mode, a nested cursor, a key of two columns, write mode and table: as `spec.streams` has them."""
    page = begin(watched)
    to_streams(page)
    page.get_by_role("button", name="Select none").click()
    page.get_by_label("Read visits").check()
    page.get_by_label("Mode of visits").select_option("incremental")
    page.get_by_text("1 needs a choice").wait_for()
    expect(page.get_by_role("button", name="Continue to the schedule")).to_be_disabled()
    page.get_by_role("button", name="Details of visits").click()
    page.get_by_label("Cursor of visits").select_option(label="by.at")
    page.get_by_label("Add to the key of visits").select_option(label="id")
    page.get_by_label("Add to the key of visits").select_option(label="by.name")
    page.get_by_label("Write mode of visits").select_option("append")
    page.get_by_label("Table of visits").fill("seen")
    page.get_by_label("Read archive.orders").check()
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).fill("chosen")
    save(page)
    assert document(edition, "chosen")["streams"] == [
        {"name": "visits", "mode": "incremental", "write": "append", "cursor": ["by", "at"], "key": [["id"], ["by", "name"]], "table": "seen"},
        {"name": "orders", "namespace": "archive", "mode": "full_refresh"},
    ]  # fmt: skip


def status_of(page: Page, step: str) -> Locator:
    """What the head of a step says of it."""
    return page.get_by_role("region", name=step).locator("header .status")


def test_a_step_is_done_once_it_was_gone_on_from(watched: Watched) -> None:
    """A form whose defaults would do is not: somebody has to have looked at it. A change opens the step once more."""
    page = watched.open("#/new")
    page.get_by_label("Image", exact=True).fill(f"{SHOP}:spec")
    expect(status_of(page, "Connector")).to_have_text("○ to do")
    page.get_by_role("button", name="Continue to its configuration").click()
    expect(status_of(page, "Connector")).to_have_text("✓ done")
    fill(page)
    expect(status_of(page, "Configuration")).to_have_text("○ to do")
    page.get_by_role("button", name="Continue without a check").click()
    expect(status_of(page, "Configuration")).to_have_text("✓ done")
    page.get_by_role("button", name="Find its streams").click()
    page.get_by_text("5 of 5 streams selected").wait_for()
    expect(status_of(page, "Streams")).to_have_text("○ to do")
    page.get_by_role("button", name="Continue to the schedule").click()
    expect(status_of(page, "Streams")).to_have_text("✓ done")
    page.get_by_role("button", name="Open: Configuration").click()
    page.get_by_label("Shop", exact=True).fill("rome")
    expect(status_of(page, "Configuration")).to_have_text("○ to do")


def test_where_rows_will_go_and_what_is_saved(watched: Watched, edition: EditionProcess) -> None:
    """The tables with their prefix; streams of later are left out on request; what was saved is not saved twice."""
    page = begin(watched)
    to_streams(page)
    later = page.get_by_label("A saved sync also reads streams that the source adds later")
    expect(later).to_be_checked()
    page.get_by_label("Read visits").uncheck()
    expect(later).to_be_disabled()
    page.get_by_label("Read visits").check()
    later.uncheck()
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).fill("fixed")
    page.get_by_label("Prefix of its tables").fill("p_")
    tables = page.get_by_role("region", name="Its tables in the warehouse")
    expect(tables).to_contain_text(f"p_orders, p_visits, p_archive.orders, p_{HOSTILE}, p___proto__")
    save(page)
    expect(page.get_by_role("button", name="Save as a sync")).to_have_count(0)
    assert [one["name"] for one in document(edition, "fixed")["streams"]] == ["orders", "visits", "orders", HOSTILE, "__proto__"]  # fmt: skip
    page.get_by_label("Every hour").check()
    expect(page.get_by_role("button", name="Save as a sync")).to_be_enabled()


def test_three_thousand_streams(watched: Watched, edition: EditionProcess) -> None:
    """Only what can be seen is in the document; the search finds one among them, and all of them are one choice."""
    page = begin(watched)
    to_streams(page, offer="many")
    page.get_by_text("3,000 of 3,000 streams selected").wait_for()
    assert page.get_by_role("checkbox").count() < 100
    page.get_by_role("button", name="Select none").click()
    page.get_by_text("0 of 3,000 streams selected").wait_for()
    page.keyboard.press("Escape")
    page.get_by_label("Search streams").fill("_2999")
    page.get_by_label("Read stream_2999").check()
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).fill("one-of-many")
    save(page)
    assert document(edition, "one-of-many")["streams"] == [{"name": "stream_2999", "mode": "full_refresh"}]


@pytest.mark.fault(723)
def test_copies_can_be_applied_and_hold_no_secret(watched: Watched, edition: EditionProcess) -> None:
    """What curl, kubectl and syncctl are given is the document that the deployment accepts."""
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = begin(watched)
    to_streams(page)
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).fill("copied")

    def copied(name: str) -> str:
        page.get_by_role("button", name=name, exact=True).click()
        page.get_by_role("button", name=f"{name} ✓", exact=True).wait_for()
        text = str(page.evaluate("navigator.clipboard.readText()"))
        canaries.refuse(name, text)
        return text

    yaml = msgspec.yaml.decode(copied("YAML").encode())
    status, answer = edition.ask("/syncs/copied", yaml, "PUT", dryRun="true")
    assert (status, answer["result"]) == (200, "created")
    assert copied("kubectl").startswith("kubectl apply -n sync-tasks -f - <<'EOF'\n")
    assert copied("syncctl").startswith("syncctl apply -f - <<'EOF'\n")
    sent = re.search("-d '(.*)' ", copied("curl"))
    assert sent
    assert json.loads(sent.group(1)) == yaml
    assert "read -rsp" in copied("kubectl secret")
    assert copied("syncctl secret") == "syncctl secret set credentials-copied password"


@pytest.mark.fault(724)
def test_what_the_functions_refuse_is_shown_where_it_belongs(watched: Watched, edition: EditionProcess) -> None:
    """A table at the streams, a schedule and a Secret's name at the last step; nothing is written."""
    watched.expected.append("422")
    page = begin(watched)
    to_streams(page)
    page.get_by_role("button", name="Details of visits").click()
    page.get_by_label("Table of visits").fill("tab\u2028le")
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).fill("refused")
    page.get_by_label("Cron expression").first.check()
    page.get_by_role("textbox", name="Cron expression").fill("every day")
    page.get_by_label("Secret of credentials.password").fill("other")
    page.get_by_role("button", name="Save as a sync").click()
    page.get_by_role("alert").get_by_text("spec.schedule").wait_for()
    streams = page.get_by_role("region", name="Streams")
    streams.get_by_text("needs you").wait_for()
    page.get_by_role("button", name="Open: Streams").click()
    page.get_by_role("alert").get_by_text("table").wait_for()
    page.get_by_role("button", name="Details of visits").click()
    page.get_by_label("Table of visits").fill("")
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_role("textbox", name="Cron expression").fill("@daily")
    page.get_by_role("button", name="Save as a sync").click()
    page.get_by_role("alert").get_by_text("secretKeyRef.name").wait_for()
    assert edition.ask("/syncs/refused")[0] == 404


def test_a_run_without_a_sync(watched: Watched, edition: EditionProcess) -> None:
    """The values that were typed are used; the page goes to the task."""
    page = begin(watched)
    to_streams(page)
    page.get_by_label(f"Read {HOSTILE}").uncheck()
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Name", exact=True).fill("once")
    page.get_by_label("Prefix of its tables").fill("once_")
    page.get_by_role("button", name="Run once now").click()
    page.get_by_role("dialog").get_by_role("button", name="Run now").click()
    task = edition.finish(task_of(page))
    assert (task["state"], task["syncId"]) == ("SUCCESS", "once")
    assert edition.ask("/syncs/once")[0] == 404
    page.go_back()
    expect(page.get_by_label("Name", exact=True)).to_have_value("once")


def test_an_existing_sync_is_edited(watched: Watched, edition: EditionProcess) -> None:
    """What the view does not show stays; its streams are chosen from a list that is there already."""
    reference = {"valueFrom": {"secretKeyRef": {"name": "credentials-edited", "key": "password"}}}
    config = {"shop": "rome", "offer": "few", "credentials": {"auth": "password", "password": reference}}
    spec = {
        "image": f"{SHOP}:spec",
        "config": config,
        "retries": 7,
        "schedule": "15 4 * * *",
        "streams": [{"name": "visits"}, {"name": "gone"}],
    }
    whole = {"apiVersion": "sync-functions.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "edited"}, "spec": spec}
    assert edition.ask("/syncs/edited", whole, "PUT")[0] == 200
    given = {"config": config | {"credentials": {"auth": "password", "password": canaries.CONFIG}}}
    assert edition.run("discover", f"{SHOP}:spec", given, storageKey="edited")["state"] == "SUCCESS"
    page = watched.open("#/new?sync=edited")
    page.get_by_role("heading", name="Edit edited").wait_for()
    page.get_by_text("Use a list that this connector has given before").click()
    page.get_by_role("button", name="The list of").first.click()
    page.get_by_text("1 of 5 streams selected").wait_for()
    page.get_by_text("No longer offered, and left out: gone").wait_for()
    page.get_by_label("Read __proto__").check()
    page.get_by_role("button", name="Continue to the schedule").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("edited")
    expect(page.get_by_label("Time", exact=True)).to_have_value("04:15")
    save(page, "Save the changes")
    now = document(edition, "edited")
    assert now | {"streams": None} == spec | {"streams": None}
    assert [one["name"] for one in now["streams"]] == ["visits", "__proto__"]


def test_a_manifest_brings_its_form(watched: Watched) -> None:
    """A low-code connector's specification is in its manifest: nothing needs to be asked for."""
    page = watched.open("#/new")
    page.get_by_label("A low-code manifest").check()
    text = page.get_by_label("Manifest (YAML or JSON)")
    text.fill("version: [")
    page.get_by_role("button", name="Continue to its configuration").click()
    page.get_by_text("cannot be read as YAML or JSON").wait_for()
    text.fill(MANIFEST)
    page.get_by_role("button", name="Continue to its configuration").click()
    page.get_by_label("Address of the API", exact=True).fill("https://api.example.com")
    page.get_by_label("Token of the API", exact=True).fill(canaries.CONFIG)
    page.reload()
    expect(page.get_by_label("Address of the API", exact=True)).to_have_value("https://api.example.com")
    expect(page.get_by_label("Token of the API", exact=True)).to_have_value("")
    canaries.refuse("the tab", everything(page))


MANIFEST = """\
version: "6.5.2"
type: DeclarativeSource
check: {type: CheckStream, stream_names: [posts]}
streams: [{type: DeclarativeStream, name: posts}]
spec:
  type: Spec
  connection_specification:
    type: object
    required: [url, token]
    properties:
      url: {type: string, title: Address of the API}
      token: {type: string, title: Token of the API, airbyte_secret: true}
"""


def test_a_phone_shows_every_step_without_scrolling_sideways(watched: Watched) -> None:
    """At 320 px the page is as wide as the screen."""
    page = begin(watched)
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    to_streams(page)
    page.get_by_role("button", name="Details of visits").click()
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == PHONE["width"]
    page.get_by_role("button", name="Continue to the schedule").click()
    page.get_by_label("Every day").check()
    assert page.evaluate(width) == PHONE["width"]


def test_a_real_connector_from_an_empty_page_to_a_success(watched: Watched, edition: EditionProcess) -> None:
    """airbyte/source-faker: installed, asked, checked, saved with a schedule, run."""
    watched.context.set_default_timeout(180_000)
    page = begin(watched, "airbyte/source-faker:7.2.1")
    page.get_by_label("Count", exact=True).fill("20")
    page.get_by_role("button", name="Check the connection").click()
    page.get_by_text("The check passed").wait_for()
    page.get_by_role("button", name="Find its streams").click()
    page.get_by_text("3 of 3 streams selected").wait_for()
    page.get_by_role("button", name="Continue to the schedule").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("faker")
    page.get_by_label("Every hour").check()
    page.get_by_label("Prefix of its tables").fill("faker_")
    save(page)
    page.get_by_text("Its next run").wait_for()
    spec = document(edition, "faker")
    assert (spec["image"], spec["schedule"], spec["config"]["count"]) == ("airbyte/source-faker:7.2.1", "@hourly", 20)
    assert "streams" not in spec
    page.get_by_role("button", name="Run faker now").click()
    task = edition.finish(task_of(page), 180)
    assert task["state"] == "SUCCESS"
    assert edition.rows("SELECT count(*) FROM faker_users") == [(20,)]
