"""A connector that misbehaves as its configuration says: `{"mode": "..."}`."""

import json
import os
import signal
import sys
import time

arguments = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
with open(arguments["--config"], encoding="utf-8") as file:  # noqa: PTH123 - a connector of somebody else
    mode = json.load(file)["mode"]


def out(**message: object) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - its output is the protocol


def record(stream: str, data: object) -> None:
    out(type="RECORD", record={"stream": stream, "data": data, "emitted_at": 1})


def status(stream: str, value: str) -> None:
    body = {"stream_descriptor": {"name": stream}, "status": value}
    out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": body})


def state(count: float) -> None:
    body = {"stream_descriptor": {"name": "plants"}, "stream_state": {"c": count}}
    out(type="STATE", state={"type": "STREAM", "stream": body, "sourceStats": {"recordCount": count}})


if mode == "nothing":
    sys.exit(0)
if mode == "noise":
    for number in range(200):
        print(f"loading plugin {number} ...", flush=True)  # noqa: T201 - its output is the protocol
    sys.exit(0)
if mode == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
if mode == "hangs":
    status("plants", "STARTED")
    print("waiting for a lock", file=sys.stderr, flush=True)  # noqa: T201 - its output is the protocol
    time.sleep(600)
if mode == "usage":
    print("usage: source-bad [-h] {spec,check}", file=sys.stderr)  # noqa: T201 - its output is the protocol
    sys.exit(2)
status("plants", "STARTED")
record("plants", {"id": 1})
if mode == "long":
    record("plants", {"id": 2, "name": "x" * 11_000_000})
if mode == "utf8":
    os.write(1, b'{"type":"RECORD","record":{"stream":"plants","data":{"id":2,"name":"\xff\xfe"},"emitted_at":1}}\n')
if mode == "unknown":
    record("weeds", {"id": 1})
if mode == "early":
    state(3.0)
    record("plants", {"id": 2})
    record("plants", {"id": 3})
if mode == "ok":
    state(1.0)
status("plants", "COMPLETE")
if mode == "late":
    record("plants", {"id": 2})
