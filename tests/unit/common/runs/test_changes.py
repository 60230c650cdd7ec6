"""What has changed in a source since its last catalog."""

from typing import Any

import msgspec

from common.runs.changes import MAX_CHANGES, ColumnChange, SchemaChanges, compare


def _catalog(**streams: Any) -> bytes:
    found = [{"name": name, "json_schema": {"properties": columns}} for name, columns in streams.items()]
    return msgspec.json.encode({"streams": found})


USERS = {"id": {"type": "integer"}, "name": {"type": ["null", "string"]}}


def test_streams_columns_and_types() -> None:
    """Added, removed, and of another type; a column of a stream that is not read does not matter."""
    before = _catalog(users=USERS, old={}, other={"a": {"type": "string"}})
    now = {"id": {"type": "string"}, "age": {"type": ["integer", "null"]}}
    after = _catalog(users=now, new={}, other={})
    assert compare(before, after, {"users"}) == SchemaChanges(
        ["new"],
        ["old"],
        [
            ColumnChange("users", "age", None, "integer"),
            ColumnChange("users", "id", "integer", "string"),
            ColumnChange("users", "name", "string", None),
        ],
    )
    assert list((compare(before, after, {"users"}) or SchemaChanges()).lines()) == [
        "Streams that the source offers since the last run: new.",
        "Streams that the source has ceased to offer since the last run: old.",
        (
            "Columns that have changed since the last run: users.age: new -> integer, users.id: integer -> string, "
            "users.name: string -> gone."
        ),
    ]


def test_what_makes_no_difference() -> None:
    """The order of members, null, and descriptions."""
    same = {"name": {"type": ["string", "null"], "description": "d"}, "id": {"type": ["integer"]}}
    assert compare(_catalog(users=USERS), _catalog(users=same), {"users"}) is None
    assert compare(_catalog(users=USERS), _catalog(users=USERS), {"users"}) is None


def test_columns_within_objects_and_what_says_more_than_the_type() -> None:
    """Bulker makes columns of them too; a date is a string with a format."""
    before = {"address": {"type": "object", "properties": {"zip": {"type": "integer"}}}, "at": {"type": "string"}}
    after = {
        "address": {"type": "object", "properties": {"zip": {"type": "string"}}},
        "at": {"type": "string", "format": "date", "airbyte_type": "timestamp_with_timezone"},
        "either": {"oneOf": [{"type": "integer"}, {"type": "null"}, {"type": "boolean"}]},
        "any": {},
    }
    found = compare(_catalog(users=before), _catalog(users=after), {"users"})
    assert found
    assert found.columns == [
        ColumnChange("users", "address.zip", "integer", "string"),
        ColumnChange("users", "any", None, "any"),
        ColumnChange("users", "at", "string", "string (timestamp_with_timezone)"),
        ColumnChange("users", "either", None, "boolean or integer"),
    ]


def test_many_changes_are_counted_and_odd_schemas_do_no_harm() -> None:
    """A source that has become another one does not fill the table of tasks."""
    many = {f"c{number}": {"type": "string"} for number in range(MAX_CHANGES + 7)}
    found = compare(_catalog(users={}), _catalog(users=many), {"users"})
    assert found
    assert (len(found.columns), found.more) == (MAX_CHANGES, 7)
    assert compare(b"[]", _catalog(users={}), {"users"}) is None
    odd: Any = {"a": 1, "b": {"type": {"x": 1}}, "c": {"properties": []}, "d": {"anyOf": 3}}
    assert compare(_catalog(users=odd), _catalog(users={}), {"users"}) is not None
    deep: Any = {}
    for _ in range(50):
        deep = {"x": {"type": "object", "properties": deep}}
    found = compare(_catalog(users=deep), _catalog(users={}), {"users"})
    assert found
    assert len(found.columns) == 5
