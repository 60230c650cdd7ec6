"""Find what a connector's specification marks as secret in a configuration, in each of JSON schema's ways."""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

_COMPOSED = ("allOf", "anyOf", "oneOf")
_CONDITIONAL = ("if", "then", "else")
_DEPENDENT = ("dependentSchemas", "dependencies")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_NAMES = ("$id", "$anchor", "$dynamicAnchor", "id")
_YES = frozenset({"true", "yes", "1"})
_MOST_STEPS = 200_000
"""Schemas that are looked at for one configuration: each member may have thousands."""
_SLOW_PATTERN = re.compile(r"\)[*+?{]|(?:[*+{].*){4}", re.DOTALL)
"""Patterns that may take for ages to fail."""

_Schema = dict[str, Any]


class SecretMarks:
    """What a specification (`{"connectionSpecification": ...}`, decoded) marks: by place, and the names of properties.

    References that lead in a circle, or nowhere, and members of an unexpected type are passed over.
    """

    def __init__(self, specification: Any = None) -> None:
        self._roots = [_mapping(specification).get("connectionSpecification"), specification]
        self._named: dict[str, _Schema] = {}
        properties: dict[str, list[Any]] = {}
        for found in _mappings(specification):
            self._named |= {str(found[name]).lstrip("#"): found for name in _NAMES if isinstance(found.get(name), str)}
            for name, schema in _mapping(found.get("properties")).items():
                properties.setdefault(name, []).append(schema)
        self.names = frozenset(name for name, schemas in properties.items() if self._is_secret(schemas))
        """Properties that are marked somewhere: an older configuration has them at another place."""

    def values(self, config: Any) -> Iterator[Any]:
        """Yield each marked value, whatever its type: all that is in it is secret.

        Of a configuration that takes too many steps, what is left counts as marked: rather too much is masked.
        """
        left: list[tuple[Any, Sequence[Any]]] = [(config, self._roots[:1])]
        steps = 0
        while left:
            value, schemas = left.pop()
            here = self._applying(schemas)
            steps += len(here) * (1 + (len(value) if isinstance(value, dict | list) else 0))
            if steps > _MOST_STEPS or any(map(_is_marked, here)):
                yield value
            elif not here:
                continue
            elif isinstance(value, dict):
                if self._is_secret([schema.get("propertyNames") for schema in here]):
                    yield list(value)
                left += ((inner, _of_member(here, str(key))) for key, inner in value.items())
            elif isinstance(value, list):
                left += ((inner, list(_of_item(here, number))) for number, inner in enumerate(value))

    def _is_secret(self, schemas: Sequence[Any]) -> bool:
        return any(map(_is_marked, self._applying(schemas)))

    def _applying(self, schemas: Sequence[Any]) -> list[_Schema]:
        """Return schemas of one place with those that they are composed of, or refer to."""
        seen: dict[int, _Schema] = {}
        left = list(schemas)
        while left:
            schema = left.pop()
            if isinstance(schema, dict) and id(schema) not in seen:
                seen[id(schema)] = schema
                left += _parts(schema)
                left += [self._referred(schema[name]) for name in _REFERENCES if isinstance(schema.get(name), str)]
        return list(seen.values())

    def _referred(self, reference: str) -> Any:
        """Return the schema of a reference; None if it leads nowhere. Other documents are taken for this one."""
        document, _, fragment = reference.partition("#")
        if fragment and not fragment.startswith("/"):
            return self._named.get(fragment)
        if not fragment and document:
            return self._named.get(document)
        # Last, from a schema with a name of its own: a pointer may begin there.
        return next(filter(None, (_at(root, fragment) for root in (*self._roots, *self._named.values()))), None)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(document: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a document."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left += value.values()
        elif isinstance(value, list):
            left += value


def _is_marked(schema: _Schema) -> bool:
    """`airbyte_secret`, which some write as a string; OpenAPI, and libraries that write schemas, have other marks."""
    flags = (schema.get("airbyte_secret"), schema.get("writeOnly"))
    return schema.get("format") == "password" or any(str(flag).strip().lower() in _YES for flag in flags)


def _parts(schema: _Schema) -> list[Any]:
    """Return the schemas that apply to the same value."""
    parts = [schema.get(name) for name in _CONDITIONAL]
    for name in _COMPOSED:
        parts += schema[name] if isinstance(schema.get(name), list) else [schema.get(name)]
    for name in _DEPENDENT:
        parts += _mapping(schema.get(name)).values()
    return parts


def _of_member(schemas: Sequence[_Schema], key: str) -> list[Any]:
    """Return the schemas of an object's member."""
    found: list[Any] = []
    for schema in schemas:
        patterns = _mapping(schema.get("patternProperties")).items()
        named = [inner for pattern, inner in patterns if _matches(pattern, key)]
        if key in _mapping(schema.get("properties")):
            named.append(schema["properties"][key])
        found += named or [schema.get("additionalProperties")]
    if any(isinstance(schema, dict) for schema in found):
        return found
    return [schema.get("unevaluatedProperties") for schema in schemas]


def _of_item(schemas: Sequence[_Schema], number: int) -> Iterator[Any]:
    """Yield the schemas of an array's item, as older and newer drafts write them."""
    for schema in schemas:
        first, rest = schema.get("items"), schema.get("additionalItems")
        if "prefixItems" in schema:
            first, rest = schema["prefixItems"], first
        if isinstance(first, list):
            yield first[number] if number < len(first) else rest
        else:
            yield first
        yield from (schema.get("contains"), schema.get("unevaluatedItems"))


def _matches(pattern: str, key: str) -> bool:
    """Whether a pattern fits a key; one that is none of Python's, or may be slow, does: rather too much is masked."""
    if _SLOW_PATTERN.search(pattern):
        return True
    try:
        return re.search(pattern, key) is not None
    except (re.error, OverflowError, RecursionError):
        return True


def _at(root: Any, pointer: str) -> Any:
    """Return the value at a JSON pointer; None if there is none."""
    for part in pointer.split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(root, list):
            root = dict(enumerate(root)).get(int(name)) if re.fullmatch("[0-9]{1,9}", name) else None
        else:
            root = _mapping(root).get(name)
    return root
