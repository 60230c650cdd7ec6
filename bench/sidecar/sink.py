"""`python -m bench.sidecar.sink [slow | stalled]`: a /bulk that only counts rows, cheaply. Prints its port."""

import io
import socket
import sys
import threading
import time

_BUFFER_BYTES = 1 << 18
_SLOW_BYTES_A_SECOND = 15_000_000
_STALLS_AFTER_BYTES, _STALLS_SECONDS = 8_000_000, 2.0


def _serve(connection: socket.socket, mode: str) -> None:
    rows, taken, has_stalled = 0, 0, False
    with connection, connection.makefile("rb", _BUFFER_BYTES) as file:
        while file.readline() not in {b"\r\n", b""}:
            pass
        while size := int(file.readline() or b"0", 16):
            # Looks for line ends many bytes at a time, where `count` looks at each: the feeder needs this core too.
            rows += len(io.BytesIO(file.read(size)).readlines())
            file.readline()
            taken += size
            if mode == "slow":
                time.sleep(size / _SLOW_BYTES_A_SECOND)
            if mode == "stalled" and taken > _STALLS_AFTER_BYTES and not has_stalled:
                has_stalled = True
                time.sleep(_STALLS_SECONDS)
        if file.readline():
            connection.sendall(_answer(rows))


def _answer(rows: int) -> bytes:
    body = b'{"message":"ok","state":{"processedRows":%d,"successfulRows":%d}}' % (rows, rows)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)


def main() -> None:
    """Until it is killed."""
    mode = sys.argv[1] if len(sys.argv) > 1 else "fast"
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(server.getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_serve, args=(connection, mode), daemon=True).start()


if __name__ == "__main__":
    main()
