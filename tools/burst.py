"""A client that has many requests under way at once: one thread, one connection each."""

import http.client
import selectors
import socket
import time
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import msgspec
from msgspec import Struct

_PATIENCE_SECONDS = 120.0


class Answer(Struct, frozen=True):
    """What came back, and how long after its request was sent; status 0 is nothing."""

    status: int
    seconds: float
    body: dict[str, Any] = {}


class _Call:
    """One request on its way."""

    def __init__(self, port: int, request: bytes) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS)
        self.received = bytearray()
        self.answer = Answer(0, _PATIENCE_SECONDS)
        self.began = time.perf_counter()
        self.connection.sendall(request)

    def read(self) -> bool:
        """Takes what is there; whether that was the end."""
        try:
            data = self.connection.recv(65536)
        except ConnectionError:
            data = b""
        self.received += data
        if not data:
            self.answer = _answer(bytes(self.received), time.perf_counter() - self.began)
            self.connection.close()
        return not data


class _Bytes(BytesIO):
    """What http.client takes for a socket."""

    def makefile(self, _mode: str) -> BytesIO:
        return self


def request(path: str, body: bytes, token: str) -> bytes:
    """A POST whose answer ends with the connection."""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def send(port: int, requests: Sequence[bytes]) -> list[Answer]:
    """Sends all of them at once, and waits for the answers; what does not come in time has status 0."""
    with selectors.DefaultSelector() as selector:
        calls = [_Call(port, one) for one in requests]
        for call in calls:
            selector.register(call.connection, selectors.EVENT_READ, call)
        deadline = time.perf_counter() + _PATIENCE_SECONDS
        while selector.get_map() and time.perf_counter() < deadline:
            for key, _ in selector.select(1.0):
                if key.data.read():
                    selector.unregister(key.fileobj)
        for call in calls:
            call.connection.close()
    return [call.answer for call in calls]


def _answer(received: bytes, seconds: float) -> Answer:
    try:
        response = http.client.HTTPResponse(_Bytes(received))  # type: ignore[arg-type] # all that it asks of a socket
        response.begin()
        return Answer(response.status, seconds, msgspec.json.decode(response.read()))
    except (http.client.HTTPException, msgspec.MsgspecError):
        return Answer(0, seconds)
