"""A stream's schema for Bulker: never wrong, and never more than a header can hold."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from common.protocol.catalogs import ConfiguredStream, Stream
from sidecar.bulker import schema


def _stream(json_schema: Any, **more: Any) -> ConfiguredStream:
    raw = json_schema if isinstance(json_schema, bytes) else json.dumps(json_schema).encode()
    return ConfiguredStream(Stream("plants", json_schema=Raw(raw), **more))


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ({"type": "boolean"}, 1),
        ({"type": ["null", "integer"]}, 2),
        ({"type": "number", "airbyte_type": "integer"}, 2),
        ({"type": "number"}, 3),
        ({"type": "string"}, 4),
        ({"type": "string", "format": "date-time"}, 5),
        ({"type": "string", "format": "date"}, 4),
        ({"type": ["object", "null"]}, 6),
        ({"type": "array"}, 6),
        ({}, 4),
        ({"oneOf": [{"type": "integer"}]}, 4),
        ({"type": "null"}, 4),
        ({"type": []}, 4),
        ({"type": "odd"}, 4),
        ({"type": [{"type": "integer"}]}, 4),
        ({"type": {"a": 1}}, 4),
        ({"type": 5}, 4),
        (True, 4),
        (None, 4),
    ],
)
def test_types(spec: Any, kind: int) -> None:
    """docs/reference/contract.md D20; whatever else stands there is a string, and no exception."""
    header = json.loads(schema.header(_stream({"properties": {"a": spec}}), "t"))
    assert header == {"name": "t", "fields": [{"name": "a", "type": kind}]}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"properties":[]}',
        b'{"properties":{}}',
        b"{",
        b'"\xff"',
        b'{"properties":{"\xff":{}}}',
        b"[" * 100_000,
    ],
)
def test_without_properties_there_is_no_header(raw: bytes) -> None:
    """Nor with a schema that cannot be read: Bulker can tell types from values."""
    assert schema.header(_stream(raw), "t") == ""


@pytest.mark.parametrize(
    ("name", "columns"), [("c", 20_000), ("c" * 200, 20_000), ("\u540d" * 50, 5000), ("c" * 2**20, 1)]
)
def test_a_header_has_as_many_columns_as_bulkers_server_takes(name: str, columns: int) -> None:
    """Go's servers take 1 MiB for all headers; the first columns that fit are announced."""
    names = [f"{name}_{number}" for number in range(columns)]
    header = schema.header(_stream({"properties": {key: {} for key in names}}), "t")
    announced = [field["name"] for field in json.loads(header or '{"fields":[]}')["fields"]]
    assert announced == names[: len(announced)]
    longer = len(json.dumps({"name": names[-1], "type": 4}))
    assert len(announced) == columns or len(header) + longer > 1024 * 1024 - 33 * 1024
    assert len(header) <= 1024 * 1024 - 32 * 1024


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(max_size=8), st.just({"type": "integer"}), min_size=1, max_size=4), st.text(max_size=8))
@example({"deleted\x7f": {"type": "integer"}}, "t")
def test_any_name_fits_into_a_header(properties: dict[str, Any], table: str) -> None:
    """ASCII without a line break, and the names come back as they were."""
    header = schema.header(_stream({"properties": properties}), table)
    assert header.isascii()
    assert header.isprintable()
    assert [field["name"] for field in json.loads(header)["fields"]] == list(properties)
    assert json.loads(header)["name"] == table


def test_keys_are_columns() -> None:
    """A nested field is one column, by its path; the source's own key comes before the chosen one."""
    assert schema.keys(_stream({}, source_defined_primary_key=[["region"], ["meta", "id"]])) == ("region", "meta_id")
    chosen = ConfiguredStream(Stream("plants"), primary_key=[["id"], []])
    assert schema.keys(chosen) == ("id",)
    assert schema.keys(_stream({}, source_defined_primary_key=[["id"], ["a"], ["id"]])) == ("id", "a")
    assert schema.keys(ConfiguredStream(Stream("plants", source_defined_primary_key=[]), primary_key=[["id"]])) == (
        "id",
    )
    assert schema.keys(ConfiguredStream(Stream("plants"))) == ()


@pytest.mark.parametrize("empty", [[], [[]], [[""]], [[], [""]]])
def test_a_key_of_no_field_is_none(empty: list[list[str]]) -> None:
    """Of the source's too: the chosen one is there for that. Bulker is asked for no column without a name."""
    stream = Stream("plants", source_defined_primary_key=empty)
    assert schema.keys(ConfiguredStream(stream, primary_key=[["id"], *empty])) == ("id",)
    assert schema.keys(ConfiguredStream(stream)) == ()
