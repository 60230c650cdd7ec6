"""Specs with `advanced_auth`: the form says that the sign-in is not done here, and where its token goes."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browser import Watched
from tests.support.console_form import FormPage

NOTE = "Signing in at the provider (OAuth) is not possible here"


def _secret(title: str) -> dict[str, Any]:
    return {"type": "string", "title": title, "airbyte_secret": True}


def _in_config(*path: str) -> dict[str, Any]:
    return {"type": "string", "path_in_connector_config": list(path)}


GITHUB: dict[str, Any] = {
    "documentationUrl": "https://docs.example.com/sources/github",
    "connectionSpecification": {
        "type": "object",
        "required": ["credentials", "repositories"],
        "properties": {
            "credentials": {
                "type": "object",
                "title": "Authentication",
                "order": 0,
                "oneOf": [
                    {
                        "title": "Personal Access Token",
                        "required": ["personal_access_token"],
                        "properties": {
                            "option_title": {"type": "string", "const": "PAT Credentials"},
                            "personal_access_token": _secret("Personal Access Tokens"),
                        },
                    },
                    {
                        "title": "OAuth",
                        "required": ["access_token"],
                        "properties": {
                            "option_title": {"type": "string", "const": "OAuth Credentials"},
                            "access_token": _secret("Access Token"),
                            "client_id": _secret("Client Id"),
                            "client_secret": _secret("Client secret"),
                        },
                    },
                ],
            },
            "repositories": {"type": "string", "title": "Repositories", "order": 1},
        },
    },
    "advanced_auth": {
        "auth_flow_type": "oauth2.0",
        "predicate_key": ["credentials", "option_title"],
        "predicate_value": "OAuth Credentials",
        "oauth_config_specification": {
            "complete_oauth_output_specification": {
                "properties": {"access_token": _in_config("credentials", "access_token")}
            },
            "complete_oauth_server_output_specification": {
                "properties": {
                    "client_id": _in_config("credentials", "client_id"),
                    "client_secret": _in_config("credentials", "client_secret"),
                }
            },
        },
    },
}
"""As source-github describes itself."""


def test_a_form_says_what_to_do_instead_of_signing_in(watched: Watched) -> None:
    """Which choice and fields, and where to get a token; the fields are filled as any."""
    form = FormPage(watched, GITHUB)
    note = form.page.get_by_role("note").filter(has_text=NOTE)
    expect(note).to_contain_text("choose Authentication: OAuth, and fill in Client Id, Client secret, Access Token.")
    link = note.get_by_role("link", name="The connector's documentation")
    expect(link).to_have_attribute("href", "https://docs.example.com/sources/github")
    form.field("Authentication").select_option(label="OAuth")
    form.field("Access Token").fill("gho_1")
    form.field("Repositories").fill("a/b")
    assert form.config == {
        "credentials": {"option_title": "OAuth Credentials", "access_token": "gho_1"},
        "repositories": "a/b",
    }


def test_a_form_without_choices_names_its_fields(watched: Watched) -> None:
    """The older way: tokens beside the other members, and no documentation."""
    schema = {"type": "object", "properties": {"refresh_token": _secret("Refresh token")}}
    output = {"properties": {"refresh_token": _in_config("refresh_token"), "gone": _in_config("not_a_field")}}
    auth = {
        "auth_flow_type": "oauth2.0",
        "oauth_config_specification": {"complete_oauth_output_specification": output},
    }
    form = FormPage(watched, {"connectionSpecification": schema, "advanced_auth": auth})
    note = form.page.get_by_role("note").filter(has_text=NOTE)
    expect(note).to_contain_text("type it in: Refresh token, not_a_field.")
    expect(note.get_by_role("link")).to_have_count(0)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"predicate_key": "x", "oauth_config_specification": 7},
        {"predicate_key": [["x"], None], "oauth_config_specification": {"complete_oauth_output_specification": []}},
        {
            "predicate_key": ["__proto__", "constructor"],
            "oauth_config_specification": {
                "complete_oauth_output_specification": {"properties": {"a": _in_config("__proto__", "b"), "c": None}}
            },
        },
    ],
)
def test_odd_descriptions_break_no_form(watched: Watched, odd: Any) -> None:
    """A connector may write anything there; its documentation may be no address."""
    schema = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "title": "Name"}}}
    spec = {"documentationUrl": "javascript:alert(1)", "connectionSpecification": schema, "advanced_auth": odd}
    form = FormPage(watched, spec)
    note = form.page.get_by_role("note").filter(has_text=NOTE)
    expect(note).to_be_visible()
    expect(note.get_by_role("link")).to_have_count(0)
    form.field("Name").fill("here")
    assert form.config == {"name": "here"}


def test_other_specs_have_no_such_note(watched: Watched) -> None:
    """Most connectors have no sign-in."""
    form = FormPage(watched, {name: value for name, value in GITHUB.items() if name != "advanced_auth"})
    expect(form.field("Repositories")).to_be_visible()
    expect(form.page.get_by_text(NOTE)).to_have_count(0)
