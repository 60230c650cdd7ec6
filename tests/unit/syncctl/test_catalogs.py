"""syncctl.catalogs: from a discovered catalog to what a read asks for."""

import json
from typing import Any

import msgspec
import pytest
import typer
from msgspec import Raw

from syncctl.catalogs import configure

USERS = {
    "name": "users",
    "json_schema": {"maximum": 1.10},
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["updated_at"],
    "source_defined_primary_key": [["id"]],
}
PLAIN = {"name": "plain", "namespace": "public", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
# It can be read incrementally, but the user has to choose the cursor.
CHOICE = {"name": "choice", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}


def raw(*streams: Any) -> Raw:
    return Raw(json.dumps({"streams": streams}).encode())


def configured(catalog: Raw, *names: str) -> list[dict[str, Any]]:
    streams: list[dict[str, Any]] = json.loads(bytes(configure(catalog, names)))["streams"]
    return streams


def test_discovered_streams_become_incremental_where_no_choice_is_needed() -> None:
    """Incremental needs a cursor of the source's own; the others are read in full."""
    entries = configured(raw(USERS, PLAIN, CHOICE))
    assert [(entry["stream"]["name"], entry["sync_mode"], entry["destination_sync_mode"]) for entry in entries] == [
        ("users", "incremental", "append_dedup"),
        ("plain", "full_refresh", "overwrite"),
        ("choice", "full_refresh", "overwrite"),
    ]
    assert (entries[0]["cursor_field"], entries[0]["primary_key"]) == (["updated_at"], [["id"]])


def test_streams_travel_letter_for_letter() -> None:
    """A stream's description is passed on as the bytes it came as."""
    assert b'{"maximum": 1.1}' in bytes(msgspec.json.encode(configure(raw(USERS), [])))


def test_a_configured_catalog_stays_as_it_is() -> None:
    """Who configured the streams decided on their modes."""
    entry = {"stream": USERS, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    assert configured(raw(entry)) == [entry]


@pytest.mark.parametrize("name", ["plain", "public.plain"])
def test_selects_streams_by_name_or_with_namespace(name: str) -> None:
    """--stream takes both spellings."""
    assert [entry["stream"]["name"] for entry in configured(raw(USERS, PLAIN), name)] == ["plain"]


def test_an_unknown_stream_is_refused_with_the_known_ones() -> None:
    """A typing error must not read nothing."""
    with pytest.raises(typer.BadParameter, match=r"No stream is called user\. .*users, public\.plain"):
        configure(raw(USERS, PLAIN), ["user"])


@pytest.mark.parametrize(
    "text", ["{}", '{"streams": {}}', '{"streams": [{"name": 1}]}', '{"streams": [{"stream": 1}]}']
)
def test_what_is_no_catalog_is_refused(text: str) -> None:
    """The message says what a catalog may be."""
    with pytest.raises(typer.BadParameter, match="discover"):
        configure(Raw(text.encode()), [])


def test_a_catalog_without_streams_is_refused() -> None:
    """A read of it would end in success, and bring nothing."""
    with pytest.raises(typer.BadParameter, match="The catalog has no streams"):
        configure(raw(), [])
