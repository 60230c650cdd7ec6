"""`python -m bench.sidecar.ceilings decode PIPE` or `post URL FILE`: the limits that the sidecar is held against."""

import http.client
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from common.airbyte import Message


def decode(pipe: str) -> None:
    """(b) Reads the pipe and decodes type, stream and raw data; nothing else."""
    decoder = msgspec.json.Decoder(Message)
    descriptor = os.open(pipe, os.O_RDONLY)
    rest = b""
    while data := os.read(descriptor, 1 << 20):
        cut = data.rfind(b"\n") + 1
        if cut:
            decoder.decode_lines(rest + data[:cut])
            rest = data[cut:]
        else:
            rest += data


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
