"""Servers that do what no HTTP library would: a handler gets the bare socket of each connection."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Handler = Callable[[socket.socket], None]


@contextmanager
def odd_server(handler: Handler, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Its http:// (or https://) address; every connection has a thread, and is closed after its handler."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    open_sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
                open_sockets.append(connection)
            handler(connection)
        with contextlib.suppress(OSError):
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_sockets.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in open_sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in threads:
            thread.join(10)


def read_head(connection: socket.socket) -> bytes:
    """The request line and headers (and whatever of the body came with them)."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


def read_all(connection: socket.socket) -> bytes:
    """Up to the end of a chunked body, or to where it breaks off."""
    data = read_head(connection)
    while not data.endswith(b"\r\n0\r\n\r\n"):
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


def reset(connection: socket.socket) -> None:
    """Closes with a reset, not in order."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def answer(status: int, body: bytes, *headers: str, version: str = "1.1") -> bytes:
    """A whole answer with its length."""
    lines = [f"HTTP/{version} {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
