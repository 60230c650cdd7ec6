"""Which pod an event names, in every form that events come in."""

import json

import pytest

from common.errors import BadRequest
from common.sweep.events import parse

NAMESPACE = "sync-tasks"
SUBJECT = f"/apis/v1/namespaces/{NAMESPACE}/pods/source-garden-read-1f"
EVENT = {
    "specversion": "1.0",
    "id": "1",
    "type": "dev.knative.apiserver.ref.update",
    "source": "https://10.96.0.1:443",
}
STRUCTURED = {"content-type": "application/cloudevents+json"}


def binary(**attributes: str) -> str | None:
    """An event whose attributes are headers; a changed one of "" is left out."""
    merged = EVENT | attributes
    headers = {f"ce-{name}": value for name, value in merged.items() if value}
    return parse(headers | {"content-type": "application/json"}, b'{"kind": "Pod"}', NAMESPACE)


def structured(body: bytes, content_type: str = STRUCTURED["content-type"]) -> str | None:
    return parse({"content-type": content_type}, body, NAMESPACE)


def test_a_reference_as_the_api_server_source_sends_it():
    """Name and namespace are extensions."""
    given = {"name": "p-1", "namespace": NAMESPACE, "kind": "Pod", "apiversion": "v1"}
    assert binary(**given) == "p-1"
    assert structured(json.dumps(EVENT | given).encode()) == "p-1"


def test_the_subject_names_the_pod():
    """Also percent-encoded, as headers may be, and after a byte order mark."""
    assert binary(subject=SUBJECT) == "source-garden-read-1f"
    assert binary(subject=SUBJECT.replace("/", "%2F")) == "source-garden-read-1f"
    body = b"\xef\xbb\xbf" + json.dumps(EVENT | {"subject": SUBJECT, "data": None}).encode()
    assert structured(body, "application/cloudevents+json; charset=UTF-8") == "source-garden-read-1f"
    assert structured(body, "Application/CloudEvents+JSON") == "source-garden-read-1f"


@pytest.mark.parametrize(
    "subject",
    [
        "/apis/v1/namespaces/other/pods/p-1",
        f"/apis/v1/namespaces/{NAMESPACE}/secrets/p-1",
        f"/apis/v1/namespaces/{NAMESPACE}/pods/..%2F..%2Fsecrets",
        f"/apis/v1/namespaces/{NAMESPACE}/pods/P 1",
        f"/apis/v1/namespaces/{NAMESPACE}/pods/{'p' * 254}",
        "nonsense",
        "",
    ],
)
def test_other_subjects_name_no_pod(subject: str):
    """It is an event all the same, so it is answered with success."""
    assert binary(subject=subject) == ""


def test_another_kind_names_no_pod():
    """A Secret of a pod's name."""
    assert binary(kind="Secret", name="p-1", namespace=NAMESPACE) == ""


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
def test_an_incomplete_event_is_refused_by_attribute(missing: str):
    """By the attribute's name, in both forms."""
    with pytest.raises(BadRequest, match=f"the attributes {missing} are missing"):
        binary(**{missing: ""})
    with pytest.raises(BadRequest, match=missing):
        structured(json.dumps({k: v for k, v in EVENT.items() if k != missing}).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"123", b"{", b"\xff", b"[" * 100_000])
def test_a_structured_event_without_an_object_is_refused(body: bytes):
    """Whatever the body is."""
    with pytest.raises(BadRequest):
        structured(body)


def test_other_versions_are_refused():
    """0.3 had other names."""
    with pytest.raises(BadRequest, match=r"expected 1\.0"):
        binary(specversion="0.3")


def test_only_the_attributes_that_name_the_pod_are_decoded():
    """What the library would stumble over never gets to it."""
    odd = {"data_base64": "%", "extensions": 5, "time": [], "subject": SUBJECT}
    assert structured(json.dumps(EVENT | odd).encode()) == "source-garden-read-1f"


def test_a_batch_is_refused():
    """With what to do instead."""
    with pytest.raises(BadRequest, match="by itself"):
        structured(b"[]", "application/cloudevents-batch+json")


def test_a_plain_call_is_not_an_event():
    """As a CronJob sends it: no body, or an empty object, whatever its content type."""
    assert parse({}, b"", NAMESPACE) is None
    assert parse({"content-type": "application/x-www-form-urlencoded"}, b"", NAMESPACE) is None
    assert parse({"content-type": "application/json"}, b" {}\n", NAMESPACE) is None


def test_an_event_in_an_ordinary_body_is_refused():
    """Never taken for a call to sweep everything."""
    with pytest.raises(BadRequest, match="application/cloudevents\\+json"):
        parse({"content-type": "application/json"}, json.dumps(EVENT).encode(), NAMESPACE)
