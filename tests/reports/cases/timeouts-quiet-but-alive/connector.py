#!/usr/bin/env python3
"""connector.py SECONDS chatty|silent: works for a while before the first record."""

import json, sys, time

seconds, mode = int(sys.argv[1]), sys.argv[2]


def out(**m):
    print(json.dumps(m), flush=True)


def status(s):
    out(
        type="TRACE",
        trace={
            "type": "STREAM_STATUS",
            "emitted_at": 1.5,
            "stream_status": {"stream_descriptor": {"name": "reports"}, "status": s},
        },
    )


status("STARTED")
out(type="LOG", log={"level": "INFO", "message": "preparing report"})
for left in range(seconds, 0, -5):
    time.sleep(5)
    if mode == "chatty":
        out(type="LOG", log={"level": "INFO", "message": "report not ready, %d s" % left})
for n in (1, 2):
    out(type="RECORD", record={"stream": "reports", "data": {"id": n}, "emitted_at": 1790000000000})
out(
    type="STATE",
    state={
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "reports"}, "stream_state": {"n": 2}},
        "sourceStats": {"recordCount": 2.0},
    },
)
status("COMPLETE")
