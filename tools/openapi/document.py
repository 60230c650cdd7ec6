"""The document: operations with parameters, bodies, answers and errors."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import UNSET

import common
from common.errors import BadRequest, SyncError, Unauthorized
from tools.openapi import operations, probe, schemas
from tools.openapi.operations import Incomplete, Operation
from tools.openapi.probe import Parameter, Schema
from tools.openapi.schemas import REF

BY = "Written by `python -m tools.openapi` from the functions' routes, parsers and types; `make check` compares."
_TEXT = (
    "Run Airbyte-protocol source connectors, one task each, by HTTP. A request that starts a task answers at once; "
    "what comes of it is under GET /tasks/{taskId}. Repeat a request with the same taskId after 429, 503, 504 or a "
    "broken connection. Texts hold no control characters. Every path accepts `connectorType=airbyte`, too."
)
_TAGS = {
    "spec": "Which configuration a connector takes",
    "check": "Whether a connector can work with a configuration",
    "discover": "Which streams a connector offers",
    "read": "Rows to the warehouse",
    "tasks": "Tasks, their states and their logs",
    "metrics": "Numbers for dashboards and alerts",
    "cancel": "End a task",
    "syncs": "Declared syncs, their runs and their states",
    "sweeper": "Conclude and remove what has finished; for the CronJob and CloudEvents alone",
}
_DOCUMENTS = ["application/json", "application/yaml"]
_MEDIA = {"putSyncs": _DOCUMENTS, "putSync": _DOCUMENTS, "sweep": ["application/cloudevents+json"]}
"""Of bodies that are not JSON alone."""


def make() -> dict[str, Any]:
    """Return the document. Raise Incomplete if the code has something that has to be put into words first."""
    with operations.asking():
        every = operations.every()
        answers, components = schemas.components(one.answer for one in every)
        paths: dict[str, dict[str, Any]] = defaultdict(dict)
        for one, answer in zip(every, answers, strict=True):
            paths[one.path][one.method.lower()] = _operation(one, answer, components)
    paths |= _own(components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sync-functions",
            "version": common.VERSION,
            "description": _TEXT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "responses": {error.__name__: _error(error) for error in _errors(every)},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Operation, answer: Schema, components: Mapping[str, Schema]) -> dict[str, Any]:
    found = probe.parameters(one.parse)
    shown: dict[str, Any] = {"operationId": one.name, "tags": [one.tag], "summary": one.summary}
    if parameters := [*_in_path(one), *(_parameter(one, parameter) for parameter in found)]:
        shown["parameters"] = parameters
    if body := _body(one):
        shown["requestBody"] = body
    refused = probe.refusal(one.parse, {}) or probe.refusal(one.parse, {"synId": "orders"})
    return shown | {"responses": _responses(one, answer, components, refused)}


def _in_path(one: Operation) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in one.path.split("/") if part[:1] == "{"]
    return [_located(one, name, "path", {"type": "string", "minLength": 1}, required=True) for name in names]


def _parameter(one: Operation, parameter: Parameter) -> dict[str, Any]:
    return _located(one, parameter.name, "query", parameter.schema, required=parameter.required)


def _located(one: Operation, name: str, where: str, schema: Schema, *, required: bool) -> dict[str, Any]:
    text, example = schemas.word(name, f"{name} of {one.name}")
    shown: dict[str, Any] = {"name": name, "in": where, "description": text, "schema": schema}
    shown |= {"required": True} if required else {}
    return shown if example is UNSET or example is None else shown | {"example": example}


def _body(one: Operation) -> dict[str, Any] | None:
    if one.parse_body is None:
        return None
    if one.name in schemas.BODIES:
        media = _MEDIA.get(one.name, ["application/json"])
        content = {kind: {"schema": schemas.BODIES[one.name]} for kind in media}
        return {"required": one.name != "sweep", "content": content}
    names, required = probe.members(one.parse_body)
    if not names:
        raise Incomplete(f"Add the body of {one.key} to BODIES in tools/openapi/schemas.py, by its name, {one.name}.")
    schema = {"type": "object", "required": required, "properties": {name: schemas.member(name) for name in names}}
    return {"required": True, "content": {"application/json": {"schema": schema | {"additionalProperties": False}}}}


def _responses(
    one: Operation, answer: Schema, components: Mapping[str, Schema], refused: str
) -> dict[str, dict[str, Any]]:
    example = schemas.example_of(answer, components)
    content: dict[str, Any] = {kind: {"schema": {"type": "string"}} for kind in one.texts}
    shown: dict[str, Any] = {
        "200": {"description": "Done.", "content": (_json(answer, example) if answer else {}) | content}
    }
    shown |= {"304": {"description": "Nothing has changed since If-None-Match's ETag."}} if one.tagged else {}
    for error in sorted(one.errors, key=lambda error: error.status):
        name = "WriteError" if one.name in {"putSyncs", "putSync"} else "Error"
        code = str(int(error.status))
        if name == "Error" and error is not BadRequest:
            shown[code] = {"$ref": f"#/components/responses/{error.__name__}"}
        else:
            shown[code] = _error(error, name, refused if error is BadRequest else "")
    return shown


def _error(error: type[SyncError], name: str = "Error", refused: str = "") -> dict[str, Any]:
    text = " ".join((error.__doc__ or "").partition("\n\n")[0].split()) if error is not SyncError else _FAILED
    example = {"ok": False, "error": refused} if refused else None
    shown = {"description": text, "content": _json({"$ref": REF.format(name=name)}, example)}
    headers = {"Retry-After": "integer"} if error.retry_after_seconds else {}
    headers |= {"WWW-Authenticate": "string"} if error is Unauthorized else {}
    if headers:
        shown["headers"] = {name: {"schema": {"type": kind}} for name, kind in headers.items()}
    return shown


def _errors(every: Iterable[Operation]) -> list[type[SyncError]]:
    return sorted({error for one in every for error in one.errors} - {BadRequest}, key=lambda error: error.status)


_FAILED = "A setting is missing, Postgres refuses for good, or the function failed; the function's log has the details."


def _json(schema: Schema, example: Any = None) -> dict[str, Any]:
    return {"application/json": {"schema": schema} | ({} if example is None else {"example": example})}


def _own(components: Mapping[str, Schema]) -> dict[str, Any]:
    """Return the paths that every function answers, without a token."""
    health = {"$ref": REF.format(name="Health")}
    return {
        "/health": _open("health", "Whether the function answers", health, schemas.example_of(health, components)),
        "/openapi.json": _open("openapi", "This document", {"type": "object"}, None),
    }


def _open(name: str, summary: str, schema: Schema, example: Any) -> dict[str, Any]:
    answer = {"200": {"description": "Done.", "content": _json(schema, example)}}
    return {"get": {"operationId": name, "summary": summary, "security": [], "responses": answer}}
