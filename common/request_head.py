"""Receives a request's head (request line and headers) without waiting: it takes a server's thread once it is whole."""

import re
import socket
import time
from contextlib import suppress
from http import HTTPStatus

import msgspec

SECONDS = 10.0
"""For a whole head, as at the gateway (knative/gateway/nginx)."""
MAX_BYTES = 128 * 1024
"""Twice the longest query that a function accepts. The servers have limits for each header, too."""
MAX_WAITING = 256
"""Unfinished heads at once; one more ends the oldest. The two limits multiplied are what they take of memory."""

_CHUNK_BYTES = 64 * 1024
# A line feed alone never ends a line: the parser refuses it, and need not be kept waiting.
_END = re.compile(rb"\r\n\r\n|(?<!\r)\n")
_LONGEST_END = 4


class Head:
    """The part of a head that has come."""

    def __init__(self, received: bytes = b"") -> None:
        self.received = bytearray(received)
        self.deadline = time.monotonic() + SECONDS
        self._whole = _END.search(self.received) is not None

    def receive(self, connection: socket.socket) -> bool:
        """Take what has come to a socket that does not block. Return whether a parser would wait for nothing."""
        if self._whole:
            return True
        try:
            chunk = connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return False
        except OSError:  # a parser gets the end of it
            return True
        start = max(0, len(self.received) - _LONGEST_END + 1)
        self.received += chunk
        self._whole = not chunk or _END.search(self.received, start) is not None
        return self._whole

    @property
    def too_long(self) -> bool:
        """Whether no more of it is received."""
        return not self._whole and len(self.received) > MAX_BYTES

    @property
    def late(self) -> bool:
        """Whether its time is over."""
        return self.deadline <= time.monotonic()


def refusal(phrase: str) -> dict[str, object]:
    """Return the answer to a request that no function has seen: only a status' phrase, nothing of the request."""
    return {"ok": False, "error": f"The request cannot be used: {phrase}."}


def refuse(connection: socket.socket, status: HTTPStatus) -> None:
    """Send a whole answer, as far as that is possible without waiting."""
    body = msgspec.json.encode(refusal(status.phrase))
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    connection.settimeout(0)
    with suppress(OSError):  # the sender is gone, or reads nothing
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
