"""The form of real connectors' specs: each is asked for its own, drawn, walked through, filled and compared."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.support.browser import Watched
from tests.support.console_form import FormPage
from tests.support.edition_process import EditionProcess

FAKER, FILE = "airbyte/source-faker:7.2.1", "airbyte/source-file:0.5.39"
GITHUB, S3 = "airbyte/source-github:2.7.1", "airbyte/source-s3:4.14.2"
DECLARATIVE = "airbyte/source-declarative-manifest:6.5.2"

pytestmark = pytest.mark.timeout(1200)  # connectors are installed, the largest has 750 MB

_specs: dict[str, Any] = {}


def _spec(edition: EditionProcess, image: str) -> Any:
    """What the connector says of itself; it is installed when it is first asked."""
    if image not in _specs:
        task = edition.run("spec", image, None, 900)
        assert task["state"] == "SUCCESS", task
        _specs[image] = task["result"]
    return _specs[image]


def _unfold(scope: Locator) -> None:
    """Open all folds, and those in them."""
    folds = scope.locator("details.fold:not([open]) > summary")
    while folds.count():
        folds.first.click()


def _is_there(scope: Locator, title: str) -> None:
    text = re.compile(rf"^\s*{re.escape(title)}\s*$")
    expect(scope.locator("label, legend").filter(has_text=text).first).to_be_visible()


def _walk(form: FormPage, scope: Locator, schema: Any) -> int:
    """Finds every field by its label, in every variant and in an item of each list; returns how many there were."""
    _unfold(scope)
    count = 0
    for name, member in schema.get("properties", {}).items():
        if member.get("airbyte_hidden") or ("const" in member and not member.get("always_show")):
            continue
        title = member.get("title") or name.replace("_", " ").capitalize()
        _is_there(scope, title)
        count += 1 + _walk_inside(form, scope, title, member)
    return count


def _walk_inside(form: FormPage, scope: Locator, title: str, member: Any) -> int:
    count = 0
    variants = member.get("oneOf", [])
    for variant in variants if len(variants) > 1 else []:
        scope.get_by_label(title, exact=True).select_option(variant["title"])
        inner = scope.get_by_role("group", name=f"{title}: {variant['title']}", exact=True)
        count += _walk(form, inner, variant)
    if member.get("items", {}).get("properties"):
        scope.get_by_role("button", name=f"Add to {title}", exact=True).click()
        count += _walk(form, scope.get_by_role("group", name=f"{title} 1", exact=True), member["items"])
    return count


@pytest.mark.parametrize(("image", "least"), [(FAKER, 5), (GITHUB, 11), (S3, 37), (FILE, 24), (DECLARATIVE, 1)])
def test_every_field_of_a_real_spec_is_reached_by_its_label(
    watched: Watched, edition: EditionProcess, image: str, least: int
) -> None:
    """In every variant of it."""
    spec = _spec(edition, image)
    form = FormPage(watched, spec)
    assert _walk(form, form.page.locator(".spec-form .fields"), spec["connectionSpecification"]) >= least


def _faker(form: FormPage) -> None:
    form.field("Count").fill("10")
    form.field("Always Updated").uncheck()
    form.field("Seed").fill("")


def _github(form: FormPage) -> None:
    form.field("Authentication").select_option("Personal Access Token")
    form.field("Personal Access Tokens").fill("planted-pat")
    form.field("GitHub Repositories 1").fill("airbytehq/airbyte")
    form.field("GitHub Repositories 2").fill("airbytehq/a*")
    form.unfold()
    form.field("Start date").fill("2026-01-01T00:00:00Z")
    form.field("Branches 1").fill("airbytehq/airbyte/master")


def _s3(form: FormPage) -> None:
    form.field("Bucket").fill("b")
    form.button("Add to The list of streams to sync").click()
    stream = form.group("The list of streams to sync 1")
    stream.get_by_label("Name", exact=True).fill("users")
    stream.get_by_label("Format", exact=True).select_option("CSV Format")
    _unfold(form.page.locator(".fields"))
    stream.get_by_label("CSV Header Definition", exact=True).select_option("User Provided")
    form.field("Column Names 1").fill("id")
    form.field("Column Names 2").fill("name")
    stream.get_by_label("Globs 1", exact=True).fill("*.csv")
    form.field("AWS Access Key ID").fill("id")
    form.field("AWS Secret Access Key").fill("planted-key")


def _file(form: FormPage) -> None:
    form.field("Dataset Name").fill("d")
    form.field("File Format").select_option("json")
    form.field("URL").fill("s3://b/x.json")
    form.field("Storage Provider").select_option("SFTP: Secure File Transfer Protocol")
    form.field("User").fill("u")
    form.field("Host").fill("h")
    form.unfold("Optional fields of SFTP: Secure File Transfer Protocol")
    form.field("Password").fill("planted-password")
    form.unfold()
    form.field("Reader Options").fill("{}")


def _declarative(form: FormPage) -> None:
    form.field("Low-code manifest").fill('{"version": "6.5.2", "big": 12345678901234567890}')


CSV = {
    "filetype": "csv", "delimiter": ",", "quote_char": '"', "encoding": "utf8", "double_quote": True, "null_values": [],
    "strings_can_be_null": True, "skip_rows_before_header": 0, "skip_rows_after_header": 0,
    "header_definition": {"header_definition_type": "User Provided", "column_names": ["id", "name"]},
    "true_values": ["y", "yes", "t", "true", "on", "1"], "false_values": ["n", "no", "f", "false", "off", "0"],
    "ignore_errors_on_fields_mismatch": False,
}  # fmt: skip
FILLED: list[tuple[str, Callable[[FormPage], None], dict[str, Any], list[str]]] = [
    (FAKER, _faker, {"count": 10, "records_per_slice": 1000, "always_updated": False, "parallelism": 4}, []),
    (
        GITHUB,
        _github,
        {
            "credentials": {"option_title": "PAT Credentials", "personal_access_token": "planted-pat"},
            "repositories": ["airbytehq/airbyte", "airbytehq/a*"],
            "start_date": "2026-01-01T00:00:00Z",
            "branches": ["airbytehq/airbyte/master"],
            "api_url": "https://api.github.com/",
            "max_waiting_time": 120,
            "num_workers": 4,
        },
        ["/credentials/personal_access_token"],
    ),
    (
        S3,
        _s3,
        {
            "bucket": "b",
            "aws_access_key_id": "id",
            "aws_secret_access_key": "planted-key",
            "streams": [
                {
                    "name": "users",
                    "globs": ["*.csv"],
                    "format": CSV,
                    "validation_policy": "Emit Record",
                    "days_to_sync_if_history_is_full": 3,
                    "schemaless": False,
                }
            ],
        },
        ["/aws_access_key_id", "/aws_secret_access_key"],
    ),
    (
        FILE,
        _file,
        {
            "dataset_name": "d",
            "format": "json",
            "url": "s3://b/x.json",
            "reader_options": "{}",
            "provider": {"storage": "SFTP", "user": "u", "host": "h", "password": "planted-password", "port": "22"},
        },
        ["/provider/password"],
    ),
    (
        DECLARATIVE,
        _declarative,
        {"__injected_declarative_manifest": {"version": "6.5.2", "big": 12345678901234567890}},
        [],
    ),
]


@pytest.mark.parametrize(("image", "fill", "expected", "secrets"), FILLED, ids=[one[0] for one in FILLED])
def test_a_real_spec_is_filled(
    watched: Watched,
    edition: EditionProcess,
    image: str,
    fill: Callable[[FormPage], None],
    expected: dict[str, Any],
    secrets: list[str],
) -> None:
    """What was typed and the defaults are the configuration; it passes the check, and no secret is in the page."""
    form = FormPage(watched, _spec(edition, image))
    fill(form)
    form.field("Configuration as JSON").focus()
    assert form.config == expected
    assert form.page.evaluate("held.form.check(held.spec, held.value)") == {}
    assert sorted(form.page.evaluate("held.secretsNow()")) == secrets
    assert "planted" not in form.page.locator("body").inner_html()
    assert "planted" not in form.json.input_value()
