"""Checks one document as data, whatever it was read from: a Sync, or a sentence for each field that is wrong."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from pydantic import BaseModel, ValidationError

from common import images
from common.errors import Refused
from common.protocol import catalogs
from common.protocol.manifests import INJECTED
from common.protocol.states import refuse_shared
from common.syncs import manifest, schemas, secrets, source
from common.syncs.model import API_VERSION, KIND, SecretValue, Spec, Sync
from common.syncs.secrets import Reference
from common.syncs.source import Path

MAX_BYTES = 250_000
"""Of a document as JSON: `kubectl apply` keeps it in an annotation, and those have 256 KiB."""
_FREE = ("config", "manifest")
Findings = dict[Path, str]
"""What was expected, by the field's path."""

_EXPECTED = {
    "missing": "expected a value; it is missing",
    "string_type": "expected a text; put it in quotes",
    "bool_type": "expected true or false",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "enum": "expected {expected}",
    "literal_error": "expected {expected}",
    "greater_than_equal": "expected {ge:,} or more",
    "less_than_equal": "expected {le:,} or less",
    "too_long": "expected at most {max_length:,} entries",
    "too_short": "expected at least one entry; or leave it out",
    "string_too_long": "expected at most {max_length:,} characters",
}


class Rules(Struct, frozen=True):
    """What an installation allows: SYNCCTL_SECRETS and SYNCCTL_ALLOWED_IMAGES."""

    secrets: str = secrets.DEFAULT
    allowed_images: str = ""


def validate(data: Any, rules: Rules) -> tuple[Sync | None, Findings]:
    """Return the sync, or None and all that is wrong with it; values are never repeated, they may be secrets."""
    if found := _another_kind(data):
        return None, found
    if (size := len(text := msgspec.json.encode(data))) > MAX_BYTES:
        return None, {(): f"expected at most {MAX_BYTES:,} bytes as JSON; found {size:,}"}
    sync, findings = _build(Sync, text, ())
    spec = data.get("spec")
    config = spec.get("config") if isinstance(spec, dict) else None
    for path, value in source.paths(config, ("spec", "config")):
        if isinstance(value, dict) and "valueFrom" in value:
            findings |= _build(SecretValue, msgspec.json.encode(value), path)[1]
    findings |= dict(_nulls(spec))
    if sync is None or findings:
        return None, findings
    findings = dict(_refused(sync, rules))
    return (None if findings else sync), findings


def references(sync: Sync) -> Iterator[Reference]:
    """Yield each reference to a Secret: in the configuration, the variables and the webhooks."""
    spec = sync.model_dump(by_alias=True, exclude_none=True, exclude={"spec": {"manifest"}})["spec"]
    for path, value in source.paths(spec, ("spec",)):
        if isinstance(value, dict) and "valueFrom" in value:
            ref = value["valueFrom"]["secretKeyRef"]
            yield Reference((*path, "valueFrom", "secretKeyRef", "name"), ref["name"], ref["key"])


def _another_kind(data: Any) -> Findings:
    if not isinstance(data, dict):
        return {(): "expected a mapping with apiVersion, kind, metadata and spec"}
    expected = {"apiVersion": API_VERSION, "kind": KIND}
    return {(name,): f"expected {value}" for name, value in expected.items() if data.get(name) != value}


def _build(model: type[BaseModel], text: bytes, path: Path) -> tuple[Any, Findings]:
    try:
        return model.model_validate_json(text, strict=True), {}
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        return None, {(*path, *problem["loc"]): _sentence(model, problem) for problem in problems}


def _sentence(model: type[BaseModel], problem: Mapping[str, Any]) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        *path, name = problem["loc"]
        known = schemas.at(_schema(model), tuple(path)).get("properties", {})
        alike = get_close_matches(str(name), known, 1)
        return f"unknown field; did you mean {alike[0]}?" if alike else f"unknown field; expected {', '.join(known)}"
    if kind == "value_error":
        return str(context["error"])
    if kind in _EXPECTED:
        return _EXPECTED[kind].format(**context).replace("'", "")
    return str(problem["msg"]).replace("Input should be", "expected")


@cache
def _schema(model: type[BaseModel]) -> schemas.Schema:
    return schemas.plain(model)


def _nulls(spec: Any) -> Iterator[tuple[Path, str]]:
    """Find fields without a value: a cluster drops them. In what is the connector's they are its matter."""
    typed = (
        {name: value for name, value in spec.items() if name not in _FREE or value is None}
        if isinstance(spec, dict)
        else {}
    )
    for path, value in source.paths(typed, ("spec",)):
        if value is None:
            yield path, "expected a value; leave the field out to have its default"


def _refused(sync: Sync, rules: Rules) -> Iterator[tuple[Path, str]]:
    try:
        images.check_allowed(images.split(sync.spec.image)[0], rules.allowed_images)
    except Refused as error:
        yield ("spec", "image"), f"expected another image: {error.message.removeprefix('package: ')}"
    yield from _of_manifest(sync.spec)
    for reference in references(sync):
        if why := secrets.refusal(reference.secret, rules.secrets):
            yield reference.path, why
    if sync.metadata.name in (sync.spec.after or ()):
        yield ("spec", "after"), "expected other syncs; it would start itself"
    streams = [
        catalogs.ConfiguredStream(catalogs.Stream(stream.name, stream.namespace, table_name=stream.table))
        for stream in sync.spec.streams or ()
    ]
    try:
        refuse_shared(catalogs.Catalog(streams), sync.spec.prefix or "")
    except Refused as error:
        why = error.message.removeprefix("catalog: ").replace("a table_name", "a table")
        yield ("spec", "streams"), f"expected streams that share nothing: {why}"


def _of_manifest(spec: Spec) -> Iterator[tuple[Path, str]]:
    if spec.manifest is None:
        return
    code = any(one.name == manifest.ALLOW_CODE and (one.value or "").lower() == "true" for one in spec.env or ())
    for path, message in manifest.findings(spec.manifest, spec.image, code=code):
        yield ("spec", "manifest", *path), message
    if INJECTED in spec.config:
        yield ("spec", "config", INJECTED), "expected no such key beside spec.manifest"
