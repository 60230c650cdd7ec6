"""A connector of one stream: `{"rows": how many, "bytes": of each, "seconds": how long it takes}`."""

import json
import sys
import time
from pathlib import Path

STREAM = "plants"


def main() -> None:
    """Answers the protocol's four commands."""
    command, arguments = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    if command == "spec":
        _out(type="SPEC", spec={"connectionSpecification": {"type": "object"}})
        return
    config = json.loads(Path(arguments["--config"]).read_text(encoding="utf-8"))
    if command == "check":
        time.sleep(config["seconds"])
        _out(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
    elif command == "discover":
        modes = {"supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": True}
        _out(type="CATALOG", catalog={"streams": [{"name": STREAM, "json_schema": {"type": "object"}, **modes}]})
    else:
        _read(**config)


def _read(rows: int, bytes: int, seconds: float) -> None:  # noqa: A002 - the configuration's own name
    _status("STARTED")
    for number in range(rows):
        data = {"id": number, "text": "words " * (bytes // 6)}
        _out(type="RECORD", record={"stream": STREAM, "data": data, "emitted_at": 1})
        if number % 100 == 99:
            _state(number)
            time.sleep(seconds * 100 / rows)
    _state(rows)
    _status("COMPLETE")


def _state(number: int) -> None:
    stream = {"stream_descriptor": {"name": STREAM}, "stream_state": {"n": number}}
    _out(type="STATE", state={"type": "STREAM", "stream": stream})


def _status(status: str) -> None:
    body = {"stream_descriptor": {"name": STREAM}, "status": status}
    _out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": body})


def _out(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
