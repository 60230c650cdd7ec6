"""`python -m tools.syncs` writes what follows from the model of a declared sync; with --check it reports what is stale.

The CRD for clusters, the JSON Schema for editors, the reference page for people.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common.syncs import schemas
from common.syncs.model import API_VERSION, KIND, Sync
from common.syncs.schemas import Schema

ROOT = Path(__file__).parents[1]
_BY = "Written by `python -m tools.syncs` from common/syncs/model.py; `make check` compares."
_COLUMNS = (
    ("State", "string", ".status.state"),
    ("Last success", "date", ".status.lastSuccess"),
    # As text: kubectl shows a date as an age, and one to come as <invalid>.
    ("Next run", "string", ".status.nextRun"),
    ("Schedule", "string", ".spec.schedule"),
)


def crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition."""
    group, version = API_VERSION.split("/")
    schema = _structural(schemas.plain(Sync))
    schema["properties"]["apiVersion"] = schema["properties"]["kind"] = {"type": "string"}
    name = schema["properties"]["metadata"]["properties"]["name"]
    schema["properties"]["metadata"] = {"type": "object", "properties": {"name": name}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"syncs.{group}", "labels": {"app.kubernetes.io/component": "syncs"}},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": "syncs",
                "singular": "sync",
                "shortNames": ["sy"],
                "categories": ["all", "sync-functions"],
            },
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path} for name, kind, path in _COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _structural(schema: Schema) -> Schema:
    """Return a schema as a CRD may have it: what it does not list is unknown by itself, so nothing says so."""
    left = {name: value for name, value in schema.items() if not isinstance(value, bool) or name[:2] == "x-"}
    if "properties" in left:
        left["properties"] = {name: _structural(one) for name, one in left["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(left.get(name), dict):
            left[name] = _structural(left[name])
    return left


def editor_schema() -> Schema:
    """Return the JSON Schema for editors."""
    schema: Schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": KIND, "$comment": _BY}
    schema |= _without_extensions(schemas.plain(Sync))
    # The CRD has a rule for it, with a sentence.
    schema["properties"]["spec"]["anyOf"] = [{"required": [name]} for name in ("image", "manifest")]
    return schema


def _without_extensions(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_extensions(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _without_extensions(one) for name, one in value.items() if not name.startswith("x-kubernetes-")}


def page() -> str:
    """Return the reference page."""
    rows = [
        f"| `{name}`{' (required)' if needed else ''} | {kind} | {text} |"
        for name, kind, needed, text in _rows(schemas.plain(Sync), "")
    ]
    return "\n".join(
        [
            "# Declared syncs",
            "",
            "The document of a sync, field by field: `apiVersion: " + API_VERSION + "`, `kind: " + KIND + "`.",
            "[How to write one](../how-to/declare-a-sync.md). `[]` stands for each entry of a list. Editors complete",
            "and check it with [sync.schema.json](sync.schema.json); on a cluster it is an object of the CRD in",
            "`knative/syncs/crd.yaml`. " + _BY,
            "",
            "| field | type | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _rows(schema: Schema, path: str) -> Iterator[tuple[str, str, bool, str]]:
    for name, field in schema.get("properties", {}).items():
        needed = name in schema.get("required", ())
        yield f"{path}{name}", _kind(field), needed, str(field.get("description", "")).replace("\n", " ")
        inner, more = field, ""
        while inner.get("type") == "array":
            inner, more = inner["items"], f"{more}[]"
        yield from _rows(inner, f"{path}{name}{more}.")


def _kind(field: Schema) -> str:
    if values := field.get("enum"):
        return " or ".join(f"`{value}`" for value in values)
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}"
    number = {key: field[key] for key in ("minimum", "maximum") if key in field}
    if number:
        return f"integer, {number.get('minimum', '')} to {number.get('maximum', '')}"
    if field.get("format") == "date-time":
        return "time"
    return {"object": "mapping", None: "integer or string"}.get(field.get("type"), str(field.get("type")))


def outputs() -> Mapping[Path, str]:
    """Return the text of each file that is written."""
    alone = json.loads(json.dumps(crd()))  # no two parts are one object, which YAML would write as anchor and alias
    manifest = yaml.safe_dump(alone, sort_keys=False, width=120)
    return {
        ROOT / "knative/syncs/crd.yaml": f"# {_BY}\n{manifest}",
        ROOT / "docs/reference/sync.schema.json": json.dumps(editor_schema(), indent=2) + "\n",
        ROOT / "docs/reference/syncs.md": page(),
    }


def main(arguments: list[str]) -> int:
    """Write the files; with --check return 1 if one of them is stale."""
    stale = []
    for path, text in outputs().items():
        if arguments != ["--check"]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
    for path in stale:
        sys.stderr.write(f"{path.relative_to(ROOT)} is stale; run .venv/bin/python -m tools.syncs.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
