"""`python -m tools.events` writes the JSON Schema of events' data; with --check it reports if that is stale."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from common.outbox.data import SkippedData, TaskData
from common.outbox.event import EventType

FILE = Path(__file__).parents[1] / "docs/reference/events.schema.json"


def schema() -> dict[str, Any]:
    """Return the schema: each type of event is a definition that names its data."""
    _, parts = msgspec.json.schema_components([TaskData, SkippedData], ref_template="#/$defs/{name}")
    data = {kind: SkippedData if kind is EventType.SKIPPED else TaskData for kind in EventType}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The data of events of sync-functions, by their type",
        "anyOf": [{"$ref": f"#/$defs/{kind}"} for kind in data],
        "$defs": {str(kind): {"$ref": f"#/$defs/{one.__name__}"} for kind, one in data.items()} | parts,
    }


def text() -> str:
    """Return the file's text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> None:
    """Write the file, or raise SystemExit if it has to be written."""
    if arguments != ["--check"]:
        FILE.write_text(text(), encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != text():
        raise SystemExit(f"{FILE.name} is stale: run `python -m tools.events`, and commit it.")


if __name__ == "__main__":
    main(sys.argv[1:])
