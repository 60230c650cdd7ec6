"""`python -m bench.sidecar.ceilings decode PIPE` or `post URL FILE`: the limits that the sidecar is held against."""

import fcntl
import http.client
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

_READ_BYTES = 256 * 1024
"""The fastest that was measured: a chunk and what is made of it stay in the cache."""


class _Record(Struct, frozen=True, gc=False):
    stream: str
    data: Raw


class _Message(Struct, frozen=True, gc=False):
    type: str
    record: _Record | None = None


def decode(pipe: str) -> None:
    """(b) Reads the pipe, decodes type, stream and raw data, groups by stream and joins; nothing else."""
    decoder = msgspec.json.Decoder(_Message)
    descriptor = os.open(pipe, os.O_RDONLY)
    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, 1 << 20)
    rest = b""
    while data := os.read(descriptor, _READ_BYTES):
        cut = data.rfind(b"\n") + 1
        rows: dict[str, list[Raw]] = {}
        for message in decoder.decode_lines(rest + data[:cut]) if cut else ():
            record = message.record
            if record is not None:
                if record.stream in rows:
                    rows[record.stream].append(record.data)
                else:
                    rows[record.stream] = [record.data]
        for group in rows.values():
            b"\n".join(group)
        rest = data[cut:] if cut else rest + data


def post(url: str, file: str) -> None:
    """(c) Posts ready-made NDJSON in large chunks."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.putrequest("POST", "/bulk/bench?tableName=t")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    with Path(file).open("rb", buffering=0) as source:
        while data := source.read(1 << 20):
            connection.send(b"%x\r\n" % len(data))
            connection.send(data)
            connection.send(b"\r\n")
    connection.send(b"0\r\n\r\n")
    connection.getresponse().read()


if __name__ == "__main__":
    if sys.argv[1] == "decode":
        decode(sys.argv[2])
    else:
        post(sys.argv[2], sys.argv[3])
