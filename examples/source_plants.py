"""A source connector in one file, which needs Python alone; docs/tutorial/first-sync.md runs it.

It has one stream, `plants`, with as many rows as its configuration asks for. An incremental read resumes after the
row that its state names.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SPEC = {"connectionSpecification": {"type": "object", "properties": {"rows": {"type": "integer", "default": 3}}}}
PLANTS = {
    "name": "plants",
    "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}},
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["id"],
    "source_defined_primary_key": [["id"]],
}
STREAM = {"stream_descriptor": {"name": "plants"}}


def main(arguments: Sequence[str]) -> None:
    """Run one command of the protocol."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["spec", "check", "discover", "read"])
    for option in ("--config", "--catalog", "--state"):
        parser.add_argument(option, type=Path)
    options = parser.parse_args(arguments)
    match options.command:
        case "spec":
            emit("SPEC", spec=SPEC)
        case "check":
            emit("CONNECTION_STATUS", connectionStatus=check(load(options.config)))
        case "discover":
            emit("CATALOG", catalog={"streams": [PLANTS]})
        case "read":
            state = load(options.state) if options.state else []
            read(load(options.config), load(options.catalog), state)


def emit(kind: str, **payload: Any) -> None:
    """Print one message: a line of JSON on standard output."""
    print(json.dumps({"type": kind, **payload}), flush=True)


def load(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_bytes())


def check(config: dict[str, Any]) -> dict[str, str]:
    """Return whether a read can work with this configuration, and if not, why."""
    if isinstance(config.get("rows", 3), int):
        return {"status": "SUCCEEDED"}
    return {"status": "FAILED", "message": "`rows` must be an integer."}


def read(config: dict[str, Any], catalog: dict[str, Any], state: Any) -> None:
    """Emit the selected streams' records, and after them the state from which the next read resumes."""
    for configured in catalog["streams"]:
        incremental = configured["sync_mode"] == "incremental"
        last = saved_id(state) if incremental else 0
        status("STARTED")
        for number in range(last + 1, config.get("rows", 3) + 1):
            row = {"id": number, "name": f"plant {number}"}
            emit("RECORD", record={"stream": "plants", "data": row, "emitted_at": 0})
            last = number
        if incremental and last:
            emit("STATE", state={"type": "STREAM", "stream": {**STREAM, "stream_state": {"id": last}}})
        status("COMPLETE")


def saved_id(state: Any) -> int:
    """Return the last row's id of an earlier read; 0 if there was none."""
    states = [message["stream"]["stream_state"] for message in state] if isinstance(state, list) else []
    return max((stream_state["id"] for stream_state in states), default=0)


def status(word: str) -> None:
    """Report a stream's progress: STARTED, COMPLETE or INCOMPLETE."""
    emit("TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 0, "stream_status": {**STREAM, "status": word}})


if __name__ == "__main__":
    main(sys.argv[1:])
