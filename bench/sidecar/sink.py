"""`python -m bench.sidecar.sink [slow | stalled]`: a /bulk that only counts rows, cheaply. Prints its port."""

import socket
import sys
import threading
import time

_END = b"0\r\n\r\n"
_SLOW_BYTES_A_SECOND = 15_000_000
_STALLS_AFTER_BYTES, _STALLS_SECONDS = 8_000_000, 2.0


def _serve(connection: socket.socket, mode: str) -> None:
    buffer = bytearray(1 << 20)
    tail, rows, taken, has_stalled = b"", 0, 0, False
    with connection:
        while size := connection.recv_into(buffer):
            # Chunks and headers end in CR LF, rows in LF alone.
            split = tail[-1:] == b"\r" and buffer[:1] == b"\n"
            rows += buffer.count(b"\n", 0, size) - buffer.count(b"\r\n", 0, size) - split
            tail = (tail + buffer[max(size - 5, 0) : size])[-5:]
            taken += size
            if tail == _END:
                connection.sendall(_answer(rows))
                return
            if mode == "slow":
                time.sleep(size / _SLOW_BYTES_A_SECOND)
            if mode == "stalled" and taken > _STALLS_AFTER_BYTES and not has_stalled:
                has_stalled = True
                time.sleep(_STALLS_SECONDS)


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
