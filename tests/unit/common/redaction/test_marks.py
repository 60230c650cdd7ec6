"""What a specification marks as secret, in each of JSON schema's ways, is masked; its neighbours are not."""

import json
from typing import Any

import pytest

from common import redaction
from common.redaction import MASK

MARKED = {"airbyte_secret": True}
OPEN = {"type": "string"}


def _masked(schema: Any, config: Any, text: str, **beside: Any) -> str:
    redactor = redaction.of_config(b"")
    spec = {"connectionSpecification": schema, **beside}
    redactor.learn(json.dumps(config).encode(), json.dumps(spec).encode())
    return redactor.redact(text)


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


WAYS = {
    "written as a string": {"airbyte_secret": "true"},
    "writeOnly": {"writeOnly": True},
    "format": {"format": "password"},
    "a reference": {"$ref": "#/definitions/Hidden"},
    "a reference to a reference": {"$ref": "#/$defs/one~1two%20three"},
    "a reference within allOf": {"allOf": [{"$ref": "#/definitions/Hidden"}], "title": "Plant"},
    "an anchor": {"$ref": "#hidden"},
    "an id": {"$ref": "hidden.json"},
    "another document": {"$ref": "other.json#/definitions/Hidden"},
    "a reference from the whole message": {"$ref": "#/connectionSpecification/definitions/Hidden"},
    "anyOf": {"anyOf": [{"type": "null"}, MARKED]},
    "oneOf": {"oneOf": [OPEN, {"allOf": [MARKED]}]},
    "if": {"if": MARKED},
    "then": {"if": {"minLength": 3}, "then": MARKED},
    "else": {"if": {"minLength": 3}, "else": MARKED},
    "a circle": {"$ref": "#/definitions/Round"},
    "a reference within a schema with an id": {"$id": "own.json", "$ref": "#/$defs/Own", "$defs": {"Own": MARKED}},
}
DEFINITIONS = {
    "definitions": {
        "Hidden": {"type": "string", "airbyte_secret": True},
        "Round": {"allOf": [{"$ref": "#/definitions/Round"}, {"$ref": "#/definitions/Square"}]},
        "Square": {"anyOf": [{"$ref": "#/definitions/Round"}, MARKED]},
        "Named": {"$anchor": "hidden", **MARKED},
        "Called": {"$id": "hidden.json", **MARKED},
    },
    "$defs": {"one/two three": {"$ref": "#/definitions/Hidden"}},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.fault(70)
def test_each_way_to_mark_a_property(way: str) -> None:
    """Its name is harmless, its value too; what stands beside it stays readable."""
    schema = _object(plant=WAYS[way], host=OPEN, note={"$ref": "#/definitions/Nowhere"}) | DEFINITIONS
    config = {"plant": "planted", "host": "garden.example.test", "note": "weeded"}
    assert _masked(schema, config, "planted weeded garden.example.test") == f"{MASK} weeded garden.example.test"


@pytest.mark.parametrize(
    ("schema", "config"),
    [
        (_object(rows={"type": "array", "items": MARKED}), {"rows": ["planted"], "note": "weeded"}),
        (_object(rows={"items": [OPEN, MARKED]}), {"rows": ["weeded", "planted"]}),
        (_object(rows={"items": [OPEN], "additionalItems": MARKED}), {"rows": ["weeded", "planted"]}),
        (_object(rows={"prefixItems": [OPEN, MARKED], "items": OPEN}), {"rows": ["weeded", "planted", "weeded"]}),
        (_object(rows={"items": _object(plant=MARKED)}), {"rows": [{"plant": "planted", "note": "weeded"}]}),
        (_object(note=OPEN) | {"additionalProperties": MARKED}, {"note": "weeded", "any": "planted"}),
        (_object(note=OPEN) | {"unevaluatedProperties": MARKED}, {"note": "weeded", "any": "planted"}),
        ({"patternProperties": {"^x-": MARKED, "": OPEN}}, {"note": "weeded", "x-any": "planted"}),
        ({"patternProperties": {"(broken": MARKED}, **_object(note=OPEN)}, {"any": "planted"}),
        ({"dependentSchemas": {"note": _object(plant=MARKED)}}, {"note": "weeded", "plant": "planted"}),
        (_object(bed={"oneOf": [_object(plant=OPEN), _object(plant=MARKED)]}), {"bed": {"plant": "planted"}}),
        (_object(bed={"additionalProperties": _object(plant=MARKED)}), {"bed": {"a": {"plant": "planted"}}}),
        (_object(bed=_object(plant=MARKED)), {"plant": "planted", "note": "weeded"}),
        (_object(plant=MARKED), {"plant": {"deep": {"host": ["planted"]}}, "note": "weeded"}),
        (_object(plant=MARKED), {"plant": '{"type":"weed","host":"planted"}'}),
        (_object(plant=MARKED), {"plant": '"planted"'}),
        (_object(plant=MARKED), {"plant": json.dumps({"deep": json.dumps({"user": "planted"})})}),
    ],
)
def test_marks_without_a_name_and_values_within_values(schema: Any, config: Any) -> None:
    """Items and members that only a pattern names, an older place of a property, and all that is in a marked value."""
    assert _masked(schema, config, "planted weeded garden") == f"{MASK} weeded garden"


@pytest.mark.fault(254)
@pytest.mark.parametrize(
    ("schema", "config"),
    [
        (_object(bed={"propertyNames": MARKED}), {"bed": {"planted": "weeded"}}),
        ({"propertyNames": MARKED}, {"planted": {"note": "weeded"}}),
        (_object(bed={"propertyNames": {"$ref": "#/$defs/key"}}) | {"$defs": {"key": MARKED}}, {"bed": {"planted": 1}}),
        (_object(plant=MARKED), {"plant": {"planted-1": "x"}}),
        (_object(plant=MARKED), {"plant": [{"client_note": "planted", "planted-1": 5}]}),
    ],
)
def test_names_of_members_may_be_marked(schema: Any, config: Any) -> None:
    """By `propertyNames`, or within a marked value where they do not look like words."""
    assert "planted" not in _masked(schema, config, f"{'planted-1' if 'planted-1' in str(config) else 'planted'} x")
    assert _masked(schema, config, "weeded client_note") == "weeded client_note"


def test_marked_numbers_are_secrets() -> None:
    """Short ones too, where they stand alone."""
    config = {"pin": 4711, "factor": 1234.5, "port": 5432}
    text = _masked(_object(pin=MARKED, factor=MARKED, port={"type": "integer"}), config, "4711 1234.5 5432 147110")
    assert text == f"{MASK} {MASK} 5432 147110"


@pytest.mark.parametrize(
    "schema",
    [None, 5, [], "text", {"properties": [1]}, {"$ref": "#"}, {"$ref": "#/allOf/99999999999999999999", "allOf": [5]}]
    + [{"properties": {"plant": odd}} for odd in (True, 5, {"$ref": 5}, {"allOf": {"a": 1}}, {"items": 5})]
    + [{"patternProperties": {"^(\\w+)+!": {"type": "string"}}, "$ref": "#/properties/plant"}],
)
def test_an_odd_specification_holds_nothing_up(schema: Any) -> None:
    """Circles, dangling references, members of other types, patterns that would take for ages."""
    config = {"plant": ["weeded"], "p" * 60: "weeded", "password": "planted"}
    assert _masked(schema, config, "planted weeded") == f"{MASK} weeded"
