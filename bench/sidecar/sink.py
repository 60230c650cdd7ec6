"""`python -m bench.sidecar.sink`: a /bulk that only counts bytes, as cheaply as Python can. Prints its port."""

import socket
import threading

_END = b"0\r\n\r\n"
_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{"message":"ok"}'


def _serve(connection: socket.socket) -> None:
    buffer = memoryview(bytearray(1 << 20))
    tail = b""
    with connection:
        while size := connection.recv_into(buffer):
            tail = (tail + bytes(buffer[max(size - 5, 0) : size]))[-5:]
            if tail == _END:
                connection.sendall(_ANSWER)
                return


def main() -> None:
    """Until it is killed."""
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(server.getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
