#!/usr/bin/env python3
"""A full-refresh connector that skips a stream whose saved state says it is done."""

import json, sys

args = dict(zip(sys.argv[2::2], sys.argv[3::2]))
try:
    saved = json.load(open(args["--state"]))
except (KeyError, ValueError, OSError):
    saved = []
done = any(
    (m.get("stream") or {}).get("stream_state", {}).get("__ab_full_refresh_sync_complete")
    for m in (saved if isinstance(saved, list) else [saved])
)


def out(**m):
    print(json.dumps(m), flush=True)


def status(s):
    out(
        type="TRACE",
        trace={
            "type": "STREAM_STATUS",
            "emitted_at": 1.5,
            "stream_status": {"stream_descriptor": {"name": "channels"}, "status": s},
        },
    )


status("STARTED")
n = 0 if done else 3
for i in range(n):
    out(
        type="RECORD",
        record={"stream": "channels", "data": {"id": i + 1, "name": "c%d" % (i + 1)}, "emitted_at": 1790000000000},
    )
out(
    type="STATE",
    state={
        "type": "STREAM",
        "stream": {
            "stream_descriptor": {"name": "channels"},
            "stream_state": {"__ab_full_refresh_sync_complete": True},
        },
        "sourceStats": {"recordCount": float(n)},
    },
)
status("COMPLETE")
