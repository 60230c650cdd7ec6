#!/usr/bin/env python3
"""Two streams of three rows; an incremental one goes on from its own part of the state, STREAM or GLOBAL."""

import json, sys

given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
saved = json.load(open(given["--state"]))
messages = saved if isinstance(saved, list) else []
parts = [m["stream"] for m in messages if "stream" in m]
parts += [part for m in messages for part in m.get("global", {}).get("stream_states") or []]
last = {part["stream_descriptor"]["name"]: (part["stream_state"] or {}).get("last", 0) for part in parts}


def out(**message):
    print(json.dumps(message), flush=True)


def status(name, word):
    about = {"stream_descriptor": {"name": name}, "status": word}
    out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": about})


for entry in json.load(open(given["--catalog"]))["streams"]:
    name, incremental = entry["stream"]["name"], entry["sync_mode"] == "incremental"
    status(name, "STARTED")
    for number in range(last.get(name, 0) + 1 if incremental else 1, 4):
        out(type="RECORD", record={"stream": name, "data": {"id": number}, "emitted_at": 1})
    if incremental:
        part = {"stream_descriptor": {"name": name}, "stream_state": {"last": 3}}
        out(type="STATE", state={"type": "STREAM", "stream": part})
    status(name, "COMPLETE")
