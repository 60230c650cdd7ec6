"""A connector that does what its configuration says, step by step.

`{"steps": [[...], ...]}`, or of a read that is started again `{"attempts": [[...steps], ...], "memory": FILE}`; then
each run takes the next steps. A check, discover or spec does them, too. A step is one of

- `["started" | "running" | "complete" | "incomplete", STREAM]`, `["rows", STREAM, COUNT]`, `["state", STREAM, N]`
- `["estimate", STREAM, ROWS]`, `["limited", STREAM, SECONDS]`
- `["connection", STATUS]`, `["catalog", STREAMS]`, of a number of streams
- `["log", LEVEL, TEXT]`, `["error", KIND, TEXT]`, `["exit", CODE]`
- `["gate", FILE]`: wait until the file is there.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def out(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def trace(kind: str, **body: Any) -> None:
    out(type="TRACE", trace={"type": kind, "emitted_at": 1.5, **body})


def status(stream: str, value: str, **more: Any) -> None:
    trace("STREAM_STATUS", stream_status={"stream_descriptor": {"name": stream}, "status": value, **more})


def rows(stream: str, count: int) -> None:
    for number in range(count):
        out(type="RECORD", record={"stream": stream, "data": {"id": number}, "emitted_at": 1})


def state(stream: str, number: int) -> None:
    body = {"stream_descriptor": {"name": stream}, "stream_state": {"n": number}}
    out(type="STATE", state={"type": "STREAM", "stream": body})


def limited(stream: str, seconds: int) -> None:
    until = int((time.time() + seconds) * 1000)
    reason = {"type": "RATE_LIMITED", "rate_limited": {"quota_reset": until}}
    status(stream, "RUNNING", reasons=[reason])


def estimate(stream: str, count: int) -> None:
    trace("ESTIMATE", estimate={"name": stream, "type": "STREAM", "row_estimate": count})


def error(kind: str, text: str) -> None:
    trace("ERROR", error={"message": text, "failure_type": kind})


def connection(value: str) -> None:
    message = "The site <b>refuses</b> this user" if value == "FAILED" else None
    out(type="CONNECTION_STATUS", connectionStatus={"status": value, "message": message})


def catalog(count: int) -> None:
    columns = {"id": {"type": "integer"}, "changed_at": {"type": ["null", "string"], "format": "date-time"}}
    modes = {"supported_sync_modes": ["full_refresh", "incremental"], "default_cursor_field": ["changed_at"]}
    common = {"json_schema": {"type": "object", "properties": columns}, "source_defined_primary_key": [["id"]], **modes}
    out(type="CATALOG", catalog={"streams": [{"name": f"stream_{number}", **common} for number in range(count)]})


def log(level: str, text: str) -> None:
    out(type="LOG", log={"level": level, "message": text})


def gate(file: str) -> None:
    while not Path(file).exists():
        time.sleep(0.05)


KNOWN: dict[str, Callable[..., None]] = {
    "rows": rows, "state": state, "estimate": estimate, "limited": limited, "error": error, "gate": gate, "log": log,
    "connection": connection, "catalog": catalog, "exit": sys.exit,
}  # fmt: skip


def step(name: str, *values: Any) -> None:
    if name in KNOWN:
        KNOWN[name](*values)
    else:
        status(values[0], name.upper())


def steps(config: dict[str, Any]) -> list[list[Any]]:
    """Those of this run."""
    if "attempts" not in config:
        return list(config["steps"])
    memory = Path(config["memory"])
    before = len(memory.read_text()) if memory.exists() else 0
    memory.write_text("x" * (before + 1))
    return list(config["attempts"][before])


if sys.argv[1] == "spec":
    properties = {
        "site": {"type": "string", "title": "Site", "description": "As <a href='https://example.org/'>here</a>."},
        "password": {"type": "string", "airbyte_secret": True},
        "way": {"oneOf": [{"title": "By key", "properties": {"key": {"type": "string", "default": "k"}}}]},
    }
    schema = {"type": "object", "required": ["site"], "properties": properties}
    out(type="SPEC", spec={"connectionSpecification": schema, "documentationUrl": "https://docs.example.org/script"})
else:
    for one in steps(json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text())):
        step(*one)
