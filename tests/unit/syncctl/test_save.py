"""syncctl.save: a document out of a read by hand."""

import json
from typing import Any

import pytest
from msgspec import Raw

from common.errors import SyncError
from common.images import Image
from common.syncs.check import check
from common.syncs.validate import Rules
from syncctl.save import Saved, save

IMAGE = Image("airbyte/source-faker", "7.2.1")
SPEC = {
    "connectionSpecification": {
        "properties": {"pin": {"type": "string", "airbyte_secret": True}, "count": {"type": "integer"}}
    }
}


def _raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def _save(config: Any, sync_id: str = "nightly", streams: Any = None, prefix: str = "") -> Saved:
    configured = None if streams is None else _raw({"streams": streams})
    return save(sync_id, IMAGE, _raw(config), _raw(SPEC), streams=configured, prefix=prefix)


def _spec(saved: Saved) -> Any:
    """The spec, read back as a deployment reads it."""
    found = check({"saved.yaml": saved.text.encode()}, Rules())
    assert not found.problems
    return found.syncs[0].document.data["spec"]


def _ref(key: str, name: str = "credentials-nightly") -> Any:
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


@pytest.mark.fault(416)
def test_credentials_become_references() -> None:
    """Those that the specification marks, however short, and those that look like it."""
    config = {"count": 5, "pin": "12", "auth": {"api_key": "planted-key-1", "kind": "token"}, "on": True}
    saved = _save(config)
    expected = {"count": 5, "pin": _ref("pin"), "auth": {"api_key": _ref("api-key"), "kind": "token"}, "on": True}
    assert _spec(saved)["config"] == expected
    assert saved.keys == {"pin": ("pin",), "api-key": ("auth", "api_key")}
    assert "planted" not in saved.text


def test_keys_of_one_name_are_told_apart() -> None:
    """By what is above them."""
    secret = {"password": "planted-password-1"}
    saved = _save({"a": secret, "b": [secret, {"password": "planted-password-2"}]})
    assert list(saved.keys) == ["password", "0-password", "1-password"]
    assert _spec(saved)["config"]["b"][0]["password"] == _ref("0-password")


@pytest.mark.fault(416)
def test_a_password_within_a_url_makes_all_of_it_a_reference() -> None:
    """A part of a value cannot be one."""
    assert _spec(_save({"url": "postgres://me:planted-pass-1@db/x"}))["config"] == {"url": _ref("url")}


def test_an_id_that_is_no_name_is_kept_beside_one() -> None:
    """The states go on under it."""
    saved = _save({"pin": "12"}, "My Destination/7")
    assert _spec(saved)["syncId"] == "My Destination/7"
    assert _spec(saved)["config"] == {"pin": _ref("pin", "credentials-my-destination-7")}


def test_streams_are_those_that_were_read() -> None:
    """With what a new run would choose otherwise; prefix and modes as they were."""
    users = {
        "name": "users",
        "namespace": "shop",
        "source_defined_primary_key": [["id"]],
        "source_defined_cursor": True,
    }
    read = {"stream": users, "sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    own = {"stream": {"name": "log"}, "sync_mode": "incremental", "destination_sync_mode": "append"}
    saved = _save(
        {},
        streams=[
            read | {"cursor_field": ["updated"], "primary_key": [["id"]]},
            own | {"cursor_field": ["at"], "primary_key": [["a"], ["b"]]},
        ],
        prefix="raw_",
    )
    assert _spec(saved)["prefix"] == "raw_"
    assert _spec(saved)["streams"] == [
        {"name": "users", "namespace": "shop", "mode": "incremental", "write": "append_dedup"},
        {"name": "log", "mode": "incremental", "write": "append", "cursor": ["at"], "key": [["a"], ["b"]]},
    ]


def test_a_manifest_is_part_of_the_document() -> None:
    """As the command line takes it from a file."""
    stream = {
        "type": "DeclarativeStream",
        "name": "posts",
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {"type": "HttpRequester", "url_base": "https://api.example.com", "path": "/posts"},
            "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}},
        },
    }
    check = {"type": "CheckStream", "stream_names": ["posts"]}
    manifest = {"version": "6.5.2", "type": "DeclarativeSource", "check": check, "streams": [stream]}
    saved = _save({"__injected_declarative_manifest": manifest})
    assert _spec(saved)["manifest"] == manifest
    assert _spec(saved)["config"] == {}


def test_what_cannot_be_declared_is_named() -> None:
    """By field; nothing is written."""
    stream = {"stream": {"name": "u"}, "sync_mode": "incremental", "destination_sync_mode": "overwrite"}
    with pytest.raises(SyncError, match=r"cannot be declared as a sync: spec\.streams\.0"):
        _save({}, streams=[stream])
