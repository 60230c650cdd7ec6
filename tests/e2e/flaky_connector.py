"""A connector whose first run goes wrong as its configuration says, and whose later ones go well.

`{"mode": "pauses" | <a failure_type>, "rows": ..., "memory": <a file that counts the runs>}`
"""

import json
import sys
import time
from pathlib import Path

arguments = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
config = json.loads(Path(arguments["--config"]).read_text())
memory = Path(config["memory"])
first = not memory.exists()
memory.touch()


def out(**message: object) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - its output is the protocol


def trace(**body: object) -> None:
    out(type="TRACE", trace={"emitted_at": 1.5, **body})


plants = {"stream_descriptor": {"name": "plants"}}
trace(type="STREAM_STATUS", stream_status=plants | {"status": "STARTED"})
for number in range(1, config["rows"] + 1):
    out(type="RECORD", record={"stream": "plants", "data": {"id": number}, "emitted_at": 1})
    if first and number == config["rows"] // 2:
        if config["mode"] != "pauses":
            trace(type="ERROR", error={"message": "not this time", "failure_type": config["mode"]})
            sys.exit(1)
        time.sleep(600)
out(type="STATE", state={"type": "STREAM", "stream": plants | {"stream_state": {"n": config["rows"]}}})
trace(type="STREAM_STATUS", stream_status=plants | {"status": "COMPLETE"})
