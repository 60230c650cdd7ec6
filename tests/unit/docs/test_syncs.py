"""What tools/syncs.py writes from the model: current, and of the form that Kubernetes, editors and people can use."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common.syncs import source
from common.syncs.model import Sync
from tests.support.docs import ROOT, read, rows
from tools import syncs

CRD = read("knative/syncs/crd.yaml")
_BY_LEVEL = {"x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string", "x-kubernetes-validations"}
_KEYWORDS = {
    "type", "description", "properties", "required", "items", "additionalProperties", "enum", "pattern", "format", "anyOf",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties", *_BY_LEVEL,
}  # fmt: skip


@pytest.mark.parametrize("path", list(syncs.outputs()), ids=lambda path: path.name)
def test_what_is_written_is_current(path: Any) -> None:
    """`python -m tools.syncs` writes it, `make check` compares."""
    assert path.read_text(encoding="utf-8") == syncs.outputs()[path]


def _schemas(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, one in schema.get("properties", {}).items():
        yield from _schemas(one, f"{path}.{name}".strip("."))
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from _schemas(schema[name], f"{path}[]")


def _schema() -> dict[str, Any]:
    [version] = yaml.safe_load(CRD)["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def test_the_schema_is_structural() -> None:
    """Each value has a type; no references, no nulls, no unknown fields but within configuration and manifest."""
    free = []
    for path, schema in _schemas(_schema()):
        assert schema.keys() <= _KEYWORDS, path
        assert ("type" in schema) != ("x-kubernetes-int-or-string" in schema), path
        assert not {"properties", "additionalProperties"} <= schema.keys(), path
        free += [path] if schema.get("x-kubernetes-preserve-unknown-fields") else []
    assert free == ["spec.manifest", "spec.config"]


def test_its_patterns_are_go_s_too() -> None:
    r"""The API server's expressions know neither \u nor (?=."""
    patterns = {schema["pattern"] for _, schema in _schemas(_schema()) if "pattern" in schema}
    assert patterns
    for pattern in patterns:
        assert re.fullmatch(r"\^.*\$", pattern)
        assert r"\u" not in pattern
        assert "(?" not in pattern


def test_rules_have_bounds() -> None:
    """The API server estimates their cost: every list that a rule is in has a longest length."""
    for path, schema in _schemas(_schema()):
        if schema.get("type") == "array" and any("x-kubernetes-validations" in one for _, one in _schemas(schema)):
            assert schema["maxItems"] <= 2_000, path


def test_kubectl_shows_what_is_asked_for() -> None:
    """Columns that exist in the status; a moment to come as text, since kubectl cannot show it as an age."""
    found = yaml.safe_load(CRD)
    [version] = found["spec"]["versions"]
    columns = {column["name"].upper(): column for column in version["additionalPrinterColumns"]}
    assert list(columns) == ["STATE", "LAST SUCCESS", "NEXT RUN", "SCHEDULE"]
    assert columns["NEXT RUN"]["type"] == "string"
    fields = {f".{path}" for path, _ in _schemas(_schema())}
    assert {column["jsonPath"] for column in columns.values()} <= fields
    assert version["subresources"] == {"status": {}}
    assert found["metadata"]["name"] == f"{found['spec']['names']['plural']}.{found['spec']['group']}"


def test_our_own_reader_reads_the_manifest() -> None:
    """It has no anchors, and no words that readers disagree on."""
    [document] = source.read(CRD.encode())
    assert document.data == yaml.safe_load(CRD)


def test_editors_get_every_field() -> None:
    """With required ones, and nothing beside them; without Kubernetes' extensions."""
    schema = json.loads(read("docs/reference/sync.schema.json"))
    assert schema["required"] == ["apiVersion", "kind", "metadata", "spec"]
    assert schema["properties"]["kind"] == {
        "description": "What the document declares.",
        "enum": ["Sync"],
        "type": "string",
    }
    spec = schema["properties"]["spec"]
    assert spec["additionalProperties"] is False
    assert spec["properties"]["config"]["additionalProperties"] is True
    assert "x-kubernetes" not in json.dumps(schema)


def test_the_page_describes_every_field() -> None:
    """None without a sentence."""
    table = rows(read("docs/reference/syncs.md"))
    assert {"`spec.streams[].key`", "`spec.notify[].webhook.url` (required)", "`status.nextRun`"} <= {
        row[0] for row in table
    }
    assert [row[0] for row in table if not row[2].endswith(".")] == []
    assert len(table) > len(Sync.model_fields)


def test_a_stale_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And which command writes it."""
    monkeypatch.setattr(syncs, "outputs", lambda: {ROOT / "knative/syncs/crd.yaml": "other"})
    assert syncs.main(["--check"]) == 1
    assert capsys.readouterr().err == "knative/syncs/crd.yaml is stale; run .venv/bin/python -m tools.syncs.\n"
