"""What a connector would print, in the shapes that matter: record size, streams, interleaving, states."""

import json
import os
from pathlib import Path

from msgspec import Struct


class Shape(Struct, frozen=True):
    """One recording. `run`: how many records of a stream come before the next stream's turn (0: all of them)."""

    record_bytes: int
    streams: int = 1
    run: int = 0
    state_every: int = 1000
    records: int = 400_000
    log_lines: int = 0

    @property
    def name(self) -> str:
        """How the tables call it."""
        order = f" by {self.run}" if self.run else ""
        logs = f", {self.log_lines:,} log lines" if self.log_lines else ""
        return f"{self.record_bytes:,} B, {self.streams} streams{order}, state each {self.state_every:,}{logs}"

    @property
    def stream_names(self) -> list[str]:
        """The catalog's streams."""
        return [f"stream_{number:02}" for number in range(self.streams)]


def catalog(shape: Shape) -> dict[str, object]:
    """Incremental, so that states and commits are part of what is measured."""
    schema = {"type": "object", "properties": {"id": {"type": "integer"}, "pad": {"type": "string"}}}
    return {
        "streams": [
            {"stream": {"name": name, "json_schema": schema}, "sync_mode": "incremental"} for name in shape.stream_names
        ]
    }


def write(shape: Shape, path: Path, *, ends: bool = True) -> int:
    """Writes the recording; returns its size in bytes. One that does not end may be offered several times over."""
    share = shape.records // shape.streams
    log_every = shape.records // shape.log_lines if shape.log_lines else 0
    with path.open("wb", buffering=1 << 20) as file:
        written = dict.fromkeys(shape.stream_names, 0)
        total = 0
        while total < share * shape.streams:
            for name in shape.stream_names:
                for _ in range(min(shape.run or share, share - written[name])):
                    written[name] += 1
                    total += 1
                    file.write(_record(name, written[name], shape.record_bytes))
                    if written[name] % shape.state_every == 0:
                        file.write(_state(name, written[name], shape.state_every))
                    if log_every and total % log_every == 0:
                        file.write(b'{"type":"LOG","log":{"level":"INFO","message":"page %d of the list"}}\n' % total)
        for name in shape.stream_names if ends else ():
            file.write(_status(name))
        # What is still on its way to the disk would slow whatever is measured next.
        file.flush()
        os.fsync(file.fileno())
    return path.stat().st_size


def _record(name: str, number: int, size: int) -> bytes:
    head = b'{"type":"RECORD","record":{"stream":"%s","data":{"id":%d,"pad":"' % (name.encode(), number)
    return head + b"x" * max(size - 22, 0) + b'"},"emitted_at":1790000000000}}\n'


def _state(name: str, number: int, count: int) -> bytes:
    state = {"stream_descriptor": {"name": name}, "stream_state": {"id": number}}
    return _line(
        {"type": "STATE", "state": {"type": "STREAM", "stream": state, "sourceStats": {"recordCount": float(count)}}}
    )


def _status(name: str) -> bytes:
    status = {"stream_descriptor": {"name": name}, "status": "COMPLETE"}
    return _line({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": status}})


def _line(message: dict[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
