"""JSON Schemas of the code's types, as components of the document."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, get_args

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, inspect, structs

from common.declared import answers as declared_answers
from common.protocol import catalogs
from common.protocol.catalogs import SyncMode
from common.tasks import answers as task_answers
from tools import syncs
from tools.openapi.operations import Incomplete
from tools.openapi.probe import Schema
from tools.openapi.words import WORDS

REF = "#/components/schemas/{name}"


def _sent(name: str, model: type[Struct], **others: Any) -> Any:
    """Return a type of messages as callers send it: what has a default may be left out, and a Raw is any JSON."""
    fields = []
    for field in structs.fields(model):
        kind = others.get(field.name, Any if field.type is Raw else field.type)
        fields.append((field.name, kind) if field.required else (field.name, kind | UnsetType, UNSET))
    return msgspec.defstruct(name, fields, namespace={"__doc__": model.__doc__}, module=__name__)


_Stream = _sent("Stream", catalogs.Stream)
_ConfiguredStream = _sent("ConfiguredStream", catalogs.ConfiguredStream, stream=_Stream)
Catalog = _sent("Catalog", catalogs.Catalog, streams=list[_ConfiguredStream])  # type: ignore[valid-type] # made above
_OTHERS = (task_answers.Error, task_answers.Health, declared_answers.WriteError, Catalog)
_SYNC: Schema = {"$ref": REF.format(name="Sync")}
_STATES: Schema = {"type": "object", "additionalProperties": {"type": "object"}, "description": WORDS["states"][0]}
MEMBERS: Mapping[str, Schema] = {
    "config": {"type": "object"},
    "catalog": {"$ref": REF.format(name="Catalog")},
    "state": {"type": ["object", "array", "null"], "items": {"type": "object"}},
    "functionsEnv": {"type": ["object", "null"], "maxProperties": 0},
    "destinationConfig": {},
}
"""Of bodies of requests that start tasks."""
BODIES: Mapping[str, Schema] = {
    "putSyncs": {"oneOf": [_SYNC, {"type": "array", "items": _SYNC}]},
    "putSync": _SYNC,
    "putState": {
        "oneOf": [
            {"type": "object", "required": ["states"], "properties": {"states": _STATES}},
            {"type": "array", "items": {"type": "object"}, "description": "STATE messages, as connectors are given."},
        ]
    },
    "putStreamState": {"type": "object", "description": "The state as the connector writes it."},
    "sweep": {
        "type": "object",
        "description": "A CloudEvent about a pod; without one, everything is swept.",
        "required": ["specversion", "id", "source", "type"],
        "properties": {name: {"type": "string", "minLength": 1} for name in ("specversion", "id", "source", "type")},
    },
}
"""By operation, for those whose bodies have no list of members to be asked for."""


def components(types: Iterable[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return the schema of each type, and all components that these and the requests refer to."""
    choices = [() if one is None else get_args(one) or (one,) for one in types]  # msgspec knows no choice of TypedDicts
    alone = [*chain.from_iterable(choices), *_OTHERS]
    made, found = msgspec.json.schema_components(alone, ref_template=REF)
    configured = found["ConfiguredStream"]
    configured["properties"]["sync_mode"] = {"type": "string", "enum": [str(mode) for mode in SyncMode]}
    configured["required"].append("sync_mode")
    del configured["properties"]["deduplicate"]  # written by a start, not by callers
    found["Stream"]["properties"]["name"]["minLength"] = 1
    found["Stream"]["properties"]["json_schema"] = {"type": ["object", "null"]}
    found["Sync"] = {name: one for name, one in syncs.editor_schema().items() if name[0] != "$"}
    for one in _structs(alone):
        _tighten(one, found[one.__name__])
    for name in found.keys() - {"Sync"}:
        _explain(name, found[name])
    rest = iter(made)
    schemas = [[next(rest) for _ in choice] for choice in choices]
    return [few[0] if len(few) == 1 else {"oneOf": few} if few else {} for few in schemas], dict(sorted(found.items()))


def _structs(types: Sequence[Any]) -> set[type[Struct]]:
    """Return the Structs that answers are made of."""
    left, found = list(inspect.multi_type_info(types)), set[type[Struct]]()
    while left:
        one = left.pop()
        if isinstance(one, inspect.StructType):
            found.add(one.cls)
        left += [field.type for field in getattr(one, "fields", ())]
        left += getattr(one, "types", ())
        left += [getattr(one, name) for name in ("item_type", "value_type") if hasattr(one, name)]
    return found


def _tighten(model: type[Struct], schema: Schema) -> None:
    """Say that an answer has all members, and which of them are moments: msgspec does not."""
    if model.__module__ == __name__:
        return  # what callers send
    for field in structs.fields(model):
        if datetime in {field.type, *get_args(field.type)}:
            member = schema["properties"][field.encode_name]
            member.get("anyOf", [member])[0]["format"] = "date-time"
    if not model.__struct_config__.omit_defaults:
        schema["required"] = list(schema["properties"])


def member(name: str) -> Schema:
    """Return the schema of a member of a body that starts a task. Raise Incomplete."""
    if name not in MEMBERS:
        raise Incomplete(f"Add the member {name} of a body to MEMBERS in tools/openapi/schemas.py.")
    return explained(MEMBERS[name], *word(name, f"{name} of a body"))


def word(name: str, *places: str) -> tuple[str, Any]:
    """Return what a name means, and an example or UNSET: at the first of these places, or everywhere.

    Raise Incomplete.
    """
    for place in (*places, name):
        if place in WORDS:
            text, *examples = WORDS[place]
            return text, (examples or [UNSET])[0]
    raise Incomplete(f"Say in tools/openapi/words.py what {places[0] if places else name} means, with an example.")


def _explain(component: str, schema: Schema) -> None:
    for name, member in schema.get("properties", {}).items():
        text, example = word(name, f"{component}.{name}")
        schema["properties"][name] = explained(member, text, example)


def explained(schema: Schema, text: str, example: Any) -> Schema:
    """Return a schema with a description, and with the example if it is one."""
    shown = {name: value for name, value in schema.items() if name not in {"title", "default"}}
    if len(shown.get("enum", ())) == 1:  # client generators know no choices of booleans
        shown = {"const": shown["enum"][0]}
    elif example is not UNSET:
        shown["examples"] = [example]
    return {**shown, "description": text}


def example_of(schema: Schema, parts: Mapping[str, Schema]) -> Any:
    """Return an example of a schema, made of its members' examples."""
    for name in ("examples", "enum"):
        if name in schema:
            return schema[name][0]
    if "$ref" in schema:
        return example_of(parts[schema["$ref"].rpartition("/")[2]], parts)
    if "const" in schema:
        return schema["const"]
    if choices := schema.get("anyOf", schema.get("oneOf")):
        return example_of(choices[0], parts)
    kind = schema.get("type")
    if kind == "object":
        made = {name: example_of(one, parts) for name, one in schema.get("properties", {}).items()}
        more = schema.get("additionalProperties")
        return made | ({"orders": example_of(more, parts)} if more else {})
    if kind == "array":
        return [example_of(schema["items"], parts)] if schema.get("items") else []
    return {"string": "", "integer": 0, "number": 0, "boolean": False}.get(str(kind))
