"""A connector that says all it knows, in every way it can: its configuration's secrets, and rows that are broken.

The configuration: `{"mode": "ok" | "fails" | "hangs", "password", "url"}`.
"""

import base64
import json
import os
import sys
import time
from urllib.parse import quote

command = sys.argv[1]
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
with open(arguments["--config"], encoding="utf-8") as file:  # noqa: PTH123 - a connector of somebody else
    text = file.read()
config = json.loads(text)
secret = config["password"]


def out(**message: object) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - its output is the protocol


def log(message: str, level: str = "INFO") -> None:
    out(type="LOG", log={"level": level, "message": message})


said = [
    text,
    secret,
    json.dumps(secret),
    repr(secret),
    quote(secret, safe=""),
    base64.b64encode(secret.encode()).decode(),
]
for line in said:
    log(f"connecting with {line}")
    print(f"no JSON {line}", flush=True)  # noqa: T201 - its output is the protocol
    print(f"stderr {line}", file=sys.stderr, flush=True)  # noqa: T201 - its output is the protocol
    out(type="ODD", odd=line)
log("all of it: " + json.dumps(dict(os.environ)))  # noqa: TID251 - a connector of somebody else
if command == "check":
    out(type="CONNECTION_STATUS", connectionStatus={"status": "FAILED", "message": f"401 for {config['url']}"})
    sys.exit(0)
if command == "discover":
    out(
        type="TRACE",
        trace={"type": "ERROR", "emitted_at": 1, "error": {"message": f"no {secret}", "stack_trace": text}},
    )
    sys.exit(1)

row, cursor = "pl4nted-r0w-91fd", {"cursor": "pl4nted-st4te-5a3c"}  # tests/e2e/test_canaries.py looks for these


def record(data: object) -> None:
    out(type="RECORD", record={"stream": "plants", "data": data, "emitted_at": 1})


def state(data: object) -> None:
    out(
        type="STATE",
        state={"type": "STREAM", "stream": {"stream_descriptor": {"name": "plants"}, "stream_state": data}},
    )


out(
    type="CONTROL",
    control={"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": config | {"n": 1}}},
)
record({"id": 1, "name": row})
record({"id": 2, "name": row + "x" * 3_000_000})  # over the limit of a line
record([row])
whole = json.dumps({"type": "RECORD", "record": {"stream": "plants", "data": {"id": 3, "name": row}, "emitted_at": 1}})
for broken in (whole.replace('"id": 3', '"id": NaN'), whole + whole, whole[:-20], whole.replace("plants", "weeds")):
    print(broken, flush=True)  # noqa: T201 - its output is the protocol
os.write(1, whole.encode().replace(b'"id"', b'"\xff\xfe"') + b"\n")
state(cursor)
out(type="STATE", state={"type": "ODD", "odd": cursor})
if config["mode"] == "hangs":
    time.sleep(600)
if config["mode"] == "fails":
    out(
        type="TRACE",
        trace={"type": "ERROR", "emitted_at": 1, "error": {"message": f"it broke: {text}", "stack_trace": text}},
    )
    print(whole[:-30], end="", flush=True)  # noqa: T201 - cut off, as when it is killed
    sys.exit(1)
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {
    "stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})  # fmt: skip
