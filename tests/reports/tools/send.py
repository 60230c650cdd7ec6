#!/usr/bin/env python3
"""send.py HOST PORT FILE [--token T]: sends a raw HTTP request as it is and prints the raw answer."""

import socket, sys

host, port, name = sys.argv[1:4]
data = open(name, "rb").read()
if "--token" in sys.argv:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [l for l in head.split(b"\r\n") if not l.lower().startswith(b"authorization:")]
    data = (
        b"\r\n".join(lines + [b"Authorization: Bearer " + sys.argv[sys.argv.index("--token") + 1].encode()])
        + b"\r\n\r\n"
        + body
    )
with socket.create_connection((host, int(port)), timeout=30) as s:
    s.sendall(data)
    while chunk := s.recv(65536):
        sys.stdout.buffer.write(chunk)
print()
