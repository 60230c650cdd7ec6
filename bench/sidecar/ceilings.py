"""`python -m bench.sidecar.ceilings WAY ...`: the limits that the sidecar is held against.

decode PIPE    chunks of 1 MiB, as one would write it
tuned PIPE     the same with what else makes it faster: small chunks that stay in the cache, memory that glibc keeps
post URL FILE  ready-made NDJSON
"""

import fcntl
import http.client
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

_READ_BYTES, _TUNED_READ_BYTES = 1024 * 1024, 256 * 1024


class _Record(Struct, frozen=True, gc=False):
    stream: str
    data: Raw


class _Message(Struct, frozen=True, gc=False):
    type: str
    record: _Record | None = None


def decode(pipe: str, read_bytes: int) -> None:
    """(b) Reads the pipe, decodes type, stream and raw data, groups by stream and joins; nothing else."""
    decoder = msgspec.json.Decoder(_Message)
    descriptor = os.open(pipe, os.O_RDONLY)
    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, 1 << 20)
    rest = b""
    while data := os.read(descriptor, read_bytes):
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
        decode(sys.argv[2], _READ_BYTES)
    elif sys.argv[1] == "tuned":
        decode(sys.argv[2], _TUNED_READ_BYTES)
    else:
        post(sys.argv[2], sys.argv[3])
