"""The OpenAPI document: current, valid, complete, and found by asking the code."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it ships no types
import pytest
from openapi_spec_validator import validate

from common.request import Query
from common.runs.changes import SchemaChanges
from common.tasks import answers
from common.tasks.parameters import flag, number, parameters
from tests.support.docs import ENDPOINTS, rows
from tools.openapi import __main__, operations, probe, schemas
from tools.openapi.__main__ import outputs
from tools.openapi.operations import ROOT, Incomplete

DOCUMENT = json.loads((ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8"))


def test_the_written_files_are_what_the_code_makes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A changed parser, type or version makes them stale, and --check names the command."""
    made = outputs()
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, "run .venv/bin/python -m tools.openapi"
    monkeypatch.setattr(__main__, "ROOT", tmp_path)
    monkeypatch.setattr(__main__, "outputs", lambda: {tmp_path / "openapi.json": "{}"})
    assert __main__.main(["--check"]) == 1
    assert __main__.main([]) == 0
    assert __main__.main(["--check"]) == 0


def test_the_document_is_openapi() -> None:
    """By the official schema of OpenAPI 3.1, references resolved."""
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")
    names = [one["operationId"] for ways in DOCUMENT["paths"].values() for one in ways.values()]
    assert len(set(names)) == len(names)


def test_the_operations_are_the_documented_endpoints() -> None:
    """Those of the reference, which another test compares with the functions; and POST /cancel (contract.md A42)."""
    shown = {f"{way.upper()} {path}" for path, ways in DOCUMENT["paths"].items() for way in ways}
    listed = {row[0].strip("`").replace("<taskId>", "{taskId}") for row in rows(ENDPOINTS) if "/" in row[0]}
    listed = {re.sub("(NAME|STREAM)", lambda name: f"{{{name[0].lower()}}}", one) for one in listed}
    assert shown | {"GET /console"} == listed | {"POST /cancel"}  # that is for people


def _examples(value: Any) -> list[tuple[Any, Any]]:
    """Each schema with an example of it: of a media type, a parameter, or in the schema itself."""
    if isinstance(value, list):
        return [pair for one in value for pair in _examples(one)]
    if not isinstance(value, dict):
        return []
    found = [(value["schema"], value["example"])] if {"schema", "example"} <= value.keys() else []
    if isinstance(value.get("examples"), list) and not {"schema", "properties"} & value.keys():
        found += [({name: one for name, one in value.items() if name != "examples"}, one) for one in value["examples"]]
    return found + [
        pair for name, one in value.items() if name not in {"example", "examples"} for pair in _examples(one)
    ]


def test_the_examples_are_examples() -> None:
    """Of parameters, members, answers and refusals."""
    found = _examples(DOCUMENT)
    assert len(found) > 100
    for schema, example in found:
        jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(example)


def _parse(query: Query) -> None:
    given = parameters(query, required=("taskId",), optional=("wait", "deep", "startedBy"))
    number("wait", given, 60, 0)
    flag("deep", given)


def test_what_a_parser_gains_is_found_by_asking_it() -> None:
    """Names, types and limits; what the name means has to be put into words, and the error says where."""
    found = {one.name: (one.required, one.schema) for one in probe.parameters(_parse)}
    assert found == {
        "taskId": (True, {"type": "string", "maxLength": 200}),
        "wait": (False, {"type": "integer", "minimum": 1, "maximum": 60}),
        "deep": (False, {"type": "boolean"}),
        "startedBy": (False, {"type": "string", "maxLength": 4000}),
    }
    with pytest.raises(Incomplete, match=r"tools/openapi/words\.py what unheard of getTask means"):
        schemas.word("unheard", "unheard of getTask")


def test_a_parser_and_an_answer_without_a_place_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a new endpoint cannot be left out."""
    (tmp_path / "functions/metrics").mkdir(parents=True)
    (tmp_path / "functions/metrics/main.py").write_text(
        'from common import web\nROUTE = web.route("metrics", "GET")\ndef parse_metrics(query): ...\n'
    )
    monkeypatch.setattr(operations, "ROOT", tmp_path)
    with pytest.raises(Incomplete, match=r"functions/metrics/main\.py uses parse_metrics: add it to PARSERS"):
        operations.every()

    known = operations.Known((), texts=("text/plain",), tagged=True)
    monkeypatch.setitem(operations.PARSERS, "parse_metrics", known)
    [operation] = operations.every()
    assert (operation.key, operation.answer, operation.texts) == ("GET /metrics", None, ("text/plain",))
    assert operations.answer_of("common.tasks.answers:TaskList", answers.TaskList) is answers.TaskList

    def silent() -> dict[str, Any]:
        return {}

    with pytest.raises(Incomplete, match=r"common\.x:silent: its return type"):
        operations.answer_of("common.x:silent", silent)


def test_changes_of_a_schema_are_shown_as_they_are_stored() -> None:
    """The type of the answer has the members of the one that writes them."""
    assert set(answers.SchemaChanges.__annotations__) == set(SchemaChanges.__struct_encode_fields__)
