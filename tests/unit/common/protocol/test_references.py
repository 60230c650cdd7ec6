"""References to Secrets in a configuration, and their values in their places."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Refused
from common.protocol import references
from common.protocol.references import KeyRef

KEY, PEM = KeyRef("credentials-shop", "api-key"), KeyRef("credentials-shop", "key.pem")
VALUES = {KEY: 'planted "quoted" ü', PEM: "-----BEGIN\nplanted-pem"}


def ref(key: KeyRef) -> dict[str, object]:
    return {"valueFrom": {"secretKeyRef": {"name": key.name, "key": key.key}}}


def encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


CONFIG = encoded({"url": "https://shop", "auth": {"keys": [ref(KEY), ref(PEM)]}, "again": ref(KEY)})


def test_references_are_found_wherever_they_stand() -> None:
    """Each once, in their order."""
    assert references.of(CONFIG) == [KEY, PEM]
    assert references.of(b'{"a": 1}') == []


def test_values_come_in_their_places_and_nothing_else_changes() -> None:
    """Always as texts; numbers keep their digits."""
    document = b'{"limit":1.000000000000000000001,"e":1E5,"key":' + encoded(ref(KEY)) + b',"s":"\\u00e4","x":null}'
    found = references.resolved(document, VALUES)
    assert found.startswith(b'{"limit":1.000000000000000000001,"e":1E5,"key":"planted ')
    assert json.loads(found)["key"] == VALUES[KEY]
    assert json.loads(references.resolved(CONFIG, VALUES)) == {
        "url": "https://shop", "auth": {"keys": [VALUES[KEY], VALUES[PEM]]}, "again": VALUES[KEY],
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        {"valueFrom": "x"},
        {"valueFrom": {"secretKeyRef": {"name": "a"}}},
        {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b", "optional": True}}},
        {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}, "more": 1},
        "valueFrom",
    ],
)
def test_what_only_resembles_a_reference_stays(value: object) -> None:
    """A document with such a thing is refused before, by field; here it is a value like any other."""
    document = encoded({"a": value})
    assert references.of(document) == []
    assert references.resolved(document, {}) == document


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), json_values))
def test_a_document_without_references_stays_what_it_was(document: dict[str, object]) -> None:
    """Byte by byte, if it is compact."""
    raw = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return
    assert json.loads(references.resolved(raw, {})) == document
    assert json.loads(references.restored(raw, raw, {})) == document


def test_a_connectors_change_gets_its_references_back() -> None:
    """What it left as it was, and copies of that, are stored as references."""
    changed = json.loads(references.resolved(CONFIG, VALUES)) | {"token": "renewed", "copy": VALUES[PEM]}
    found = references.restored(encoded(changed), CONFIG, VALUES)
    assert json.loads(found) == json.loads(CONFIG) | {"token": "renewed", "copy": ref(PEM)}


def test_what_a_connector_replaced_counts_until_the_secret_has_another_value() -> None:
    """A refresh token that can be used once; the Secret's old value is stored nowhere, not even as a bare hash."""
    written = encoded({"token": ref(KEY), "list": [ref(KEY)]})
    found = references.restored(encoded({"token": "renewed", "list": [VALUES[KEY]]}), written, VALUES)
    assert b"planted" not in found
    assert references.of(found) == [KEY]
    assert references.changes(found) == ["renewed"]
    assert json.loads(references.resolved(found, VALUES)) == {"token": "renewed", "list": [VALUES[KEY]]}
    rotated = {KEY: "rotated"}
    assert json.loads(references.resolved(found, rotated)) == {"token": "rotated", "list": ["rotated"]}
    # Once more: from what is stored, before and after the rotation.
    assert references.restored(references.resolved(found, VALUES), found, VALUES) == found
    again = references.restored(encoded({"token": "renewed-2", "list": []}), found, rotated)
    assert json.loads(references.resolved(again, rotated)) == {"token": "renewed-2", "list": []}
    assert json.loads(references.resolved(again, VALUES))["token"] == VALUES[KEY]


def test_a_short_value_is_put_back_in_its_own_place_alone() -> None:
    """Elsewhere the same few letters are a coincidence."""
    written = encoded({"pin": ref(KEY), "unit": "m"})
    changed = encoded({"pin": "m", "unit": "m", "more": "m"})
    assert json.loads(references.restored(changed, written, {KEY: "m"})) == {"pin": ref(KEY), "unit": "m", "more": "m"}


def test_a_value_within_another_text_is_not_stored() -> None:
    """Such as a password that the connector has put into a URL."""
    written = encoded({"password": ref(KEY), "url": "https://planted/"})
    for changed in ({"url": "https://u:planted@shop"}, {"planted-name": 1}, {"list": [{"a": "xplantedx"}]}):
        with pytest.raises(Refused, match="within another text"):
            references.restored(encoded(changed), written, {KEY: "planted"})
    assert references.restored(encoded({"url": "https://planted/"}), written, {KEY: "planted"})
    with pytest.raises(Refused, match="within another text"):  # a variable's, which the configuration does not refer to
        references.restored(encoded({"a": "planted-pem"}), written, {KEY: "unrelated", PEM: "planted-pem"})


def test_a_connector_cannot_refer_to_other_secrets() -> None:
    """They would be given to its next task."""
    other = KeyRef("credentials-bank", "password")
    spelt = encoded({"a": ref(other)}).replace(b"secretKeyRef", b"secretKeyR\\u0065f")
    for changed in (encoded({"a": ref(other)}), spelt):
        with pytest.raises(Refused, match="refers to a Secret that its sync does not"):
            references.restored(changed, CONFIG, VALUES)
    assert references.restored(CONFIG, CONFIG, VALUES) == CONFIG
