"""Answers held to docs/reference/openapi.json, and requests made from it by schemathesis."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it ships no types

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8"))


def _closed(value: Any) -> Any:
    """The same schema, refusing members that it does not list: whatever an answer has is to be described."""
    if isinstance(value, list):
        return [_closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    closed = {name: _closed(one) for name, one in value.items()}
    if isinstance(closed.get("properties"), dict) and "additionalProperties" not in closed:
        closed["additionalProperties"] = False
    return closed


_COMPONENTS = {"schemas": _closed(DOCUMENT["components"]["schemas"])}


class Checked:
    """Checks answers, and keeps in mind of which operations it has seen a success."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def check(self, method: str, path: str, status: int, answer: Any) -> None:
        """`path` as the document has it. Fails for an answer that it does not describe to the last member."""
        operation = DOCUMENT["paths"][path][method.lower()]
        described = operation["responses"][str(status)]
        if "$ref" in described:
            described = DOCUMENT["components"]["responses"][described["$ref"].rpartition("/")[2]]
        schema = _closed(described["content"]["application/json"]["schema"])
        jsonschema.Draft202012Validator({**schema, "components": _COMPONENTS}).validate(answer)
        if status == 200:
            self.seen.add(operation["operationId"])


def all_operations() -> set[str]:
    """The names of all operations whose answers are JSON."""
    every = [one for ways in DOCUMENT["paths"].values() for one in ways.values()]
    return {one["operationId"] for one in every if "application/json" in one["responses"]["200"]["content"]}


CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,ignored_auth"
)
"""Not that all data which fits is accepted: whether an image exists, or a catalog's streams fit together, no schema says."""
IMAGES = "case/*"
"""What may run while requests are made up: else an image of any name would be looked for in the package index."""
SWEEP_SECONDS = "1"


def made_up(
    url: str, token: str, folder: Path, *options: str, whole: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Send what schemathesis makes of the document, and return what it prints; `folder` gets its files.

    Not `whole`: of a declared sync only a few fields, since each takes dozens of requests.
    """
    # The connectors of the examples are some that can run here.
    text = json.dumps(DOCUMENT).replace("airbyte/source-faker:7.2.1", "case/garden:1")
    document = json.loads(text.replace("airbyte/source-faker", "case/garden").replace("7.2.1", "1"))
    spec = document["components"]["schemas"]["Sync"]["properties"]["spec"]
    if not whole:
        spec["properties"] = {name: spec["properties"][name] for name in ("image", "suspend")}
    for ways in document["paths"].values():
        for way in ways.values():
            content = way.get("requestBody", {}).get("content", {})
            if not whole and "application/json" in content:
                content.pop("application/yaml", None)
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    program = str(Path(sys.executable).parent / "schemathesis")
    command = [program, "run", "openapi.json", "--url", url, "-H", f"Authorization: Bearer {token}", "--checks", CHECKS]
    command += ["--phases", "examples,coverage,fuzzing", "--workers", "1", "--no-color", "--warnings", "off", *options]
    return subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=3600
    )
