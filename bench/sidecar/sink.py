"""`python -m bench.sidecar.sink`: a /bulk that only counts bytes and rows, cheaply. Prints its port."""

import socket
import threading

_END = b"0\r\n\r\n"


def _serve(connection: socket.socket) -> None:
    buffer = bytearray(1 << 20)
    tail, rows = b"", 0
    with connection:
        while size := connection.recv_into(buffer):
            # Chunks and headers end in CR LF, rows in LF alone.
            split = tail[-1:] == b"\r" and buffer[:1] == b"\n"
            rows += buffer.count(b"\n", 0, size) - buffer.count(b"\r\n", 0, size) - split
            tail = (tail + buffer[max(size - 5, 0) : size])[-5:]
            if tail == _END:
                connection.sendall(_answer(rows))
                return


def _answer(rows: int) -> bytes:
    body = b'{"message":"ok","state":{"processedRows":%d,"successfulRows":%d}}' % (rows, rows)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)


def main() -> None:
    """Until it is killed."""
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(server.getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
