"""The model's JSON Schema without references, titles and nulls: what a person, an editor and a CRD can use."""

from typing import Any

from pydantic import BaseModel

_LEFT_OUT = frozenset({"title", "default", "$defs"})
Schema = dict[str, Any]


def plain(model: type[BaseModel]) -> Schema:
    """Return a model's schema."""
    whole = model.model_json_schema()
    return _plain(whole, whole.get("$defs", {}))


def at(schema: Schema, path: tuple[str | int, ...]) -> Schema:
    """Return the schema of the value at a path; {} where it says nothing."""
    for part in path:
        schema = schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
    return schema


def _plain(schema: Schema, parts: Schema) -> Schema:
    if "$ref" in schema:
        found = parts[schema["$ref"].rpartition("/")[2]]
        # A field's own description says more than its type's.
        return _plain({**found, **{name: value for name, value in schema.items() if name != "$ref"}}, parts)
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        rest = {name: value for name, value in schema.items() if name != "anyOf"}
        return _plain({**kinds[0], **rest}, parts)
    if "const" in schema:  # which CRDs do not know
        schema = {"enum": [schema["const"]], **{name: value for name, value in schema.items() if name != "const"}}
    return {name: _member(name, value, parts) for name, value in schema.items() if name not in _LEFT_OUT}


def _member(name: str, value: Any, parts: Schema) -> Any:
    if name == "properties":
        return {key: _plain(one, parts) for key, one in value.items()}
    if name in {"items", "additionalProperties"} and isinstance(value, dict):
        return _plain(value, parts)
    return value
