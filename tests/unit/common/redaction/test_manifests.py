"""A low-code connector's manifest within a configuration: templates and names are no secrets, its marks count."""

import json
from typing import Any

import pytest

from common.protocol.manifests import INJECTED
from common.redaction import Redactor

MANIFEST: dict[str, Any] = {
    "version": "6.5.2",
    "spec": {
        "type": "Spec",
        "connection_specification": {
            "properties": {"tenant": {"type": "string", "airbyte_secret": True}, "region": {"type": "string"}}
        },
    },
    "streams": [
        {
            "name": "posts",
            "primary_key": ["post_id"],
            "retriever": {
                "requester": {
                    "url_base": "https://api.example.com/v1",
                    "authenticator": {
                        "type": "ApiKeyAuthenticator",
                        "api_token": "{{ config['api_key'] }}",
                        "inject_into": {"field_name": "X-Api-Key", "inject_into": "header"},
                    },
                },
                "paginator": {"page_token_option": {"field_name": "page_token", "inject_into": "request_parameter"}},
            },
        }
    ],
}
LINES = """\
posts by post_id, header X-Api-Key, request_parameter page_token, {{ config['api_key'] }}
GET https://api.example.com/v1/posts ApiKeyAuthenticator"""


def redactor(config: dict[str, Any], manifest: dict[str, Any] | None = None) -> Redactor:
    found = Redactor(())
    found.learn(json.dumps({**config, INJECTED: manifest or MANIFEST}).encode(), b"")
    return found


def test_names_and_templates_stay_readable() -> None:
    """Errors of a manifest are about them: a key's column, a header, an expression."""
    assert redactor({"api_key": "s3cr3t-value"}).redact(LINES) == LINES
    assert redactor({"api_key": "s3cr3t-value"}).weak(json.dumps({INJECTED: MANIFEST}).encode()) == ""


def test_what_the_configuration_holds_is_hidden() -> None:
    """By its name there, and by the marks of the manifest's own specification."""
    text = redactor({"api_key": "s3cr3t-value", "tenant": "acme-4711", "region": "eu-west-1"}).redact(
        "s3cr3t-value acme-4711 eu-west-1"
    )
    assert text == "******** ******** eu-west-1"


@pytest.mark.parametrize("known", [b"", b'{"connectionSpecification":{"properties":{}}}'])
def test_the_marks_count_whatever_is_known_of_the_image(known: bytes) -> None:
    """The CDK's image has a specification, too, which marks nothing."""
    found = Redactor(())
    found.learn(json.dumps({"tenant": "acme-4711", INJECTED: MANIFEST}).encode(), known)
    assert found.redact("acme-4711") == "********"


def test_a_key_that_somebody_wrote_into_the_manifest_is_hidden() -> None:
    """It should be in the configuration; it is a secret all the same, also within a URL."""
    manifest = json.loads(json.dumps(MANIFEST))
    requester = manifest["streams"][0]["retriever"]["requester"]
    requester["authenticator"]["api_token"] = "sk_live_51H8xyz"
    requester["url_base"] = "https://user:hunter2222@api.example.com"
    assert redactor({}, manifest).redact("sk_live_51H8xyz hunter2222") == "******** ********"


@pytest.mark.parametrize("odd", [{"spec": []}, {"spec": {"connection_specification": "x"}}, {"streams": None}])
def test_an_odd_manifest_changes_nothing_else(odd: dict[str, Any]) -> None:
    """The configuration's own secrets are hidden."""
    assert redactor({"api_key": "s3cr3t-value"}, odd).redact("s3cr3t-value") == "********"
