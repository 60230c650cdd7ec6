"""What a run reads of what its source offers."""

from typing import Any

import msgspec
import pytest

from common.errors import Refused
from common.runs.catalog import NotOffered, check_only, configure
from common.syncs.model import Stream

USERS: dict[str, Any] = {
    "name": "users",
    "namespace": "shop",
    "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["updated_at"],
    "source_defined_primary_key": [["id"]],
    "is_resumable": True,
}
COLOURS: dict[str, Any] = {"name": "colours", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
EVENTS: dict[str, Any] = {"name": "events", "json_schema": {}, "supported_sync_modes": ["incremental", "full_refresh"]}


def _catalog(*streams: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"streams": streams})


def _configured(*streams: dict[str, Any], wishes: Any = None, only: Any = ()) -> list[dict[str, Any]]:
    chosen = None if wishes is None else [Stream.model_validate(wish, by_name=True) for wish in wishes]
    found: list[dict[str, Any]] = msgspec.json.decode(configure(_catalog(*streams), chosen, only))["streams"]
    return found


def _refusal(*streams: dict[str, Any], wishes: Any = None, only: Any = ()) -> str:
    with pytest.raises(Refused) as caught:
        _configured(*streams, wishes=wishes, only=only)
    return caught.value.message


def test_without_streams_everything_is_read_incremental_where_that_needs_no_choice() -> None:
    """A source-defined cursor is enough for incremental, a source-defined key for dedup; each stream stays as it came."""
    users, colours, events = _configured(USERS, COLOURS, EVENTS)
    assert users == {
        "stream": USERS, "sync_mode": "incremental", "cursor_field": ["updated_at"],
        "destination_sync_mode": "append_dedup", "primary_key": [["id"]],
    }  # fmt: skip
    expected = {"cursor_field": [], "destination_sync_mode": "overwrite", "primary_key": []}
    assert colours == {"stream": COLOURS, "sync_mode": "full_refresh", **expected}
    assert events["sync_mode"] == "full_refresh"  # a cursor would have to be chosen


@pytest.mark.parametrize(
    ("wish", "mode", "write", "cursor", "key"),
    [
        ({}, "full_refresh", "overwrite", [], []),
        ({"cursor": ["at"]}, "incremental", "append", ["at"], []),
        ({"cursor": ["at"], "key": [["id"]]}, "incremental", "append_dedup", ["at"], [["id"]]),
        ({"cursor": ["at"], "key": [["id"]], "write": "append"}, "incremental", "append", ["at"], [["id"]]),
        ({"cursor": ["at"], "write": "overwrite"}, "full_refresh", "overwrite", ["at"], []),
        ({"mode": "full_refresh", "cursor": ["at"]}, "full_refresh", "overwrite", ["at"], []),
        ({"mode": "full_refresh", "write": "append"}, "full_refresh", "append", [], []),
    ],
)
def test_what_is_wished_for_and_what_follows(
    wish: dict[str, Any], mode: str, write: str, cursor: Any, key: Any
) -> None:
    """What a sync leaves out follows from what it says, and from the source."""
    [found] = _configured(EVENTS, wishes=[{"name": "events", **wish}])
    assert (found["sync_mode"], found["destination_sync_mode"]) == (mode, write)
    assert (found["cursor_field"], found["primary_key"]) == (cursor, key)


def test_a_table_of_its_own_and_a_namespace_left_out() -> None:
    """A namespace can be left out where there is but one stream of that name."""
    [found] = _configured(COLOURS, USERS, wishes=[{"name": "users", "table": "people"}])
    assert found["stream"] == USERS | {"table_name": "people"}
    assert _refusal(USERS, USERS | {"namespace": "b"}, wishes=[{"name": "users"}]).startswith(
        "spec.streams: users: expected its namespace, one of shop, b."
    )
    [found] = _configured(USERS, {**USERS, "namespace": None}, wishes=[{"name": "users"}])
    assert found["stream"]["namespace"] is None


@pytest.mark.fault(351)
def test_streams_that_are_not_offered_are_named_all_of_them() -> None:
    """With what the source does offer: the names may only be misspelt."""
    wishes = [{"name": "usres"}, {"name": "colours"}, {"name": "users", "namespace": "old"}]
    with pytest.raises(NotOffered) as caught:
        _configured(USERS, COLOURS, wishes=wishes)
    assert caught.value.message == (
        "spec.streams: usres is not offered by the source; old.users is not offered by the source. The source offers "
        "shop.users, colours."
    )
    many = [{"name": f"s{number}"} for number in range(20)]
    assert "s9 is not offered by the source and 10 more. The source offers" in _refusal(COLOURS, wishes=many)


@pytest.mark.parametrize(
    ("offered", "wish", "why"),
    [
        (COLOURS, {"mode": "incremental", "cursor": ["at"]}, "colours: expected mode full_refresh"),
        (EVENTS, {"mode": "incremental"}, "events: expected a cursor; the source defines none"),
        (EVENTS, {"cursor": ["at"], "write": "append_dedup"}, "events: expected a key beside write append_dedup"),
        (EVENTS | {"supported_sync_modes": ["incremental"]}, {}, "events: expected mode incremental"),
        (EVENTS | {"supported_sync_modes": None}, {"mode": "incremental"}, "events: expected mode full_refresh"),
    ],
)
def test_what_a_source_cannot_do_is_named(offered: dict[str, Any], wish: dict[str, Any], why: str) -> None:
    """Before anything is read, and not by the connector's own words in the middle of it."""
    assert f"spec.streams: {why}" in _refusal(offered, wishes=[{"name": offered["name"], **wish}])


def test_a_run_may_be_of_some_of_the_streams() -> None:
    """By name or key; others than those of the sync are refused."""
    assert [one["stream"]["name"] for one in _configured(USERS, COLOURS, only={"shop.users"})] == ["users"]
    assert [one["stream"]["name"] for one in _configured(USERS, COLOURS, only={"users", "colours"})] == [
        "users",
        "colours",
    ]
    assert _refusal(USERS, COLOURS, wishes=[{"name": "colours"}], only={"users"}) == (
        "streams: the sync does not select users; it selects colours."
    )


@pytest.mark.fault(461)
def test_a_misspelt_stream_is_found_without_the_catalog() -> None:
    """A stream whose namespace the sync leaves out may be called by any; without a selection, only the source knows."""
    wishes = [Stream(name="users"), Stream(name="colours", namespace="shop")]
    check_only(wishes, ("users", "shop.users", "colours", "shop.colours"))
    check_only(wishes, ())
    check_only(None, ("nothing",))
    with pytest.raises(NotOffered) as caught:
        check_only(wishes, ("user", "colours", "other.colours", "shopusers"))
    assert caught.value.message == (
        "streams: the sync does not select other.colours, shopusers, user; it selects users, shop.colours."
    )


def test_a_catalog_without_streams_or_of_another_shape_is_refused() -> None:
    """Nothing would be read, and that would pass for a success."""
    assert _refusal() == "The source offers no streams: nothing would be read."
    assert "cannot be read" in _refusal({"name": 5})
