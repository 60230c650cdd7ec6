"""A connector whose source offers what a file says; each read of a stream is one row, and counts on from its state.

`fails` of its configuration is a file: while it is there, reads fail with its text. While the file `waits` is there, a
read goes on after its first row.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def given(option: str, default: Any = None) -> Any:
    """What is in the file that an option names."""
    return json.loads(Path(sys.argv[sys.argv.index(option) + 1]).read_text()) if option in sys.argv else default


def out(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def discover(config: dict[str, Any]) -> None:
    if config.get("broken"):
        error = {"message": "No such account", "failure_type": "config_error"}
        out(type="TRACE", trace={"type": "ERROR", "emitted_at": 0, "error": error})
        sys.exit(1)
    if (shaky := config.get("shaky")) and not Path(shaky).exists():
        Path(shaky).touch()
        error = {"message": "Try again later", "failure_type": "transient_error"}
        out(type="TRACE", trace={"type": "ERROR", "emitted_at": 0, "error": error})
        sys.exit(1)
    modes = {"supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": True}
    offered = json.loads(Path(config["offered"]).read_text())
    streams = [{"name": name, "json_schema": {"properties": columns}} | modes for name, columns in offered.items()]
    out(type="CATALOG", catalog={"streams": streams})


def counts(states: list[Any]) -> dict[str, int]:
    """How far each stream is, by STREAM states or a GLOBAL one."""
    parts = [one["stream"] for one in states if one["type"] == "STREAM"]
    parts += [part for one in states if one["type"] == "GLOBAL" for part in one["global"]["stream_states"]]
    return {part["stream_descriptor"]["name"]: part["stream_state"]["n"] for part in parts}


def read(catalog: dict[str, Any], states: list[Any], config: dict[str, Any]) -> None:
    if (fails := config.get("fails")) and Path(fails).exists():
        error = {"message": Path(fails).read_text(), "failure_type": "config_error"}
        out(type="TRACE", trace={"type": "ERROR", "emitted_at": 0, "error": error})
        sys.exit(1)
    done = counts(states)
    for one in catalog["streams"]:
        name = one["stream"]["name"]
        stream, n = {"stream_descriptor": {"name": name}}, done.get(name, 0) + 1
        out(type="RECORD", record={"stream": name, "data": {"n": n}, "emitted_at": 0})
        while (waits := config.get("waits")) and Path(waits).exists():
            time.sleep(0.05)
        out(type="STATE", state={"type": "STREAM", "stream": stream | {"stream_state": {"n": n}}})
        status = stream | {"status": "COMPLETE"}
        out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 0, "stream_status": status})


if sys.argv[1] == "spec":
    out(type="SPEC", spec={"connectionSpecification": {"type": "object"}})
elif sys.argv[1] == "discover":
    discover(given("--config"))
else:
    read(given("--catalog"), given("--state", []), given("--config", {}))
