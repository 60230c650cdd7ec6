#!/usr/bin/env python3
"""Sends one record a second for ever; on SIGTERM a last STATE, a line on stderr, exit 143."""

import json, signal, sys, time


def out(**m):
    print(json.dumps(m), flush=True)


sent = 0


def stop(*_):
    out(
        type="STATE",
        state={
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "ticks"}, "stream_state": {"n": sent}},
            "sourceStats": {"recordCount": float(sent)},
        },
    )
    print("got TERM", file=sys.stderr, flush=True)
    sys.exit(143)


signal.signal(signal.SIGTERM, stop)
out(
    type="TRACE",
    trace={
        "type": "STREAM_STATUS",
        "emitted_at": 1.5,
        "stream_status": {"stream_descriptor": {"name": "ticks"}, "status": "STARTED"},
    },
)
while True:
    sent += 1
    out(type="RECORD", record={"stream": "ticks", "data": {"id": sent}, "emitted_at": int(time.time() * 1000)})
    time.sleep(1)
