"""Write one HTTP request's body without blocking, and read its answer whenever it comes.

http.client parses, but the body is written here: that gets the text of an early refusal, where the usual clients
report a broken pipe, at twice the speed of the next one.
"""

import contextlib
import http.client
import io
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, cast
from urllib.parse import urlsplit

from msgspec import Struct

_CONNECT_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_EARLY_ANSWER_SECONDS = 10.0
_ANSWER_BYTES = 64 * 1024
_MOST_PARTS = 512
"""The kernel takes 1,024 pieces at once."""
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

CapDeadline = Callable[[float], float]
"""Return a deadline (by time.monotonic), earlier if the task is to stop."""


class Answer(Struct, frozen=True):
    """Status and (the first 64 KiB of) the body; the location of a redirect."""

    status: int
    body: bytes
    location: str = ""


class Upload:
    """A POST to `path` with a body of unknown length. All methods raise OSError or http.client.HTTPException."""

    def __init__(self, url: str, path: str, headers: Mapping[str, str], cap_deadline: CapDeadline) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        # Without a port, http.client takes the end of an IPv6 address for one.
        port = parts.port or (http.client.HTTPS_PORT if secure else http.client.HTTP_PORT)
        self.where = f"{parts.hostname}:{port}"
        self._cap_deadline, self._secure = cap_deadline, secure
        self._received = bytearray()
        self._connection = kind(parts.hostname or "", port, timeout=_CONNECT_SECONDS)
        try:
            self._connection.putrequest("POST", parts.path.rstrip("/") + path, skip_accept_encoding=True)
            for name, value in headers.items():
                self._connection.putheader(name, value)
            self._connection.endheaders()
        except BaseException:
            self._connection.close()
            raise
        # http.client opens the socket with the headers; it is typed Any.
        self._socket = cast(socket.socket, self._connection.sock)
        self._socket.settimeout(0)
        self._poll = select.poll()

    def write(self, parts: Iterable[bytes], seconds: float) -> Answer | None:
        """Send all parts and return None; stop at an early answer and return that.

        `seconds` is how long no byte may move.
        """
        # TLS copies anyway, and takes one piece at a time.
        left = deque(memoryview(part) for part in ((b"".join(parts),) if self._secure else parts))
        deadline = time.monotonic() + seconds
        while left:
            if self._has_answer():
                return self.answer(_EARLY_ANSWER_SECONDS)
            try:
                sent = self._socket.send(left[0]) if self._secure else self._socket.sendmsg(islice(left, _MOST_PARTS))
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, deadline)
            except _NOT_NOW:
                self._wait(select.POLLIN | select.POLLOUT, deadline)
            except ConnectionError:
                # It hung up; an answer before that is still there.
                return self.answer(_EARLY_ANSWER_SECONDS)
            else:
                _drop(left, sent)
                deadline = time.monotonic() + seconds
        return None

    @property
    def is_answered(self) -> bool:
        """Whether an answer has begun to come, or none will: `answer` need not wait long for it."""
        try:
            return self._has_answer()
        except OSError:
            return True  # it hung up

    def answer(self, seconds: float) -> Answer:
        """Wait for the answer and read it to its end."""
        incoming = cast(socket.socket, _Incoming(self._receive, time.monotonic() + seconds))
        while True:
            # Closed here: the finalizer may find its reader closed, and warns of that from Python 3.13 on.
            with contextlib.closing(http.client.HTTPResponse(incoming, method="POST")) as response:
                response.begin()
                if response.status >= http.HTTPStatus.OK:
                    return _read(response)
                # An interim answer (103 Early Hints): the reader must outlive it.
                response.fp = None  # type: ignore[assignment] # so it closes nothing

    def abort(self, data: bytes) -> None:
        """Send a last piece without waiting for its effect, and close; never raises."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._socket.send(data)
        self.close()

    def close(self) -> None:
        """Close the connection in any state."""
        self._connection.close()

    def _has_answer(self) -> bool:
        """Return whether more came than an interim answer (100 Continue)."""
        try:
            while not self._is_final() and (data := self._socket.recv(_ANSWER_BYTES)):
                self._received += data
        except _NOT_NOW:
            return False
        if not self._is_final():
            raise ConnectionResetError("it hung up")
        return True

    def _is_final(self) -> bool:
        """Return whether an answer has begun in what was received, without the interim ones before it."""
        while self._received[9:10] == b"1" and (end := self._received.find(b"\r\n\r\n")) >= 0:
            del self._received[: end + 4]
        return len(self._received) > 9 and self._received[9:10] != b"1"

    def _receive(self, size: int, deadline: float) -> bytes:
        """Return bytes of the answer, waiting up to the deadline; b"" at the end. What is there is always taken."""
        while not self._received:
            try:
                data = self._socket.recv(_ANSWER_BYTES)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLIN | select.POLLOUT, deadline)
            except _NOT_NOW:
                if time.monotonic() >= self._cap_deadline(deadline):
                    raise TimeoutError from None
                self._wait(select.POLLIN, deadline)
            else:
                if not data:
                    return b""
                self._received += data
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def _wait(self, events: int, deadline: float) -> None:
        """Wait in short naps, to notice a shutdown."""
        self._poll.register(self._socket, events)
        while not self._poll.poll(_LOOK_SECONDS * 1000):
            if time.monotonic() >= self._cap_deadline(deadline):
                raise TimeoutError


def _read(response: http.client.HTTPResponse) -> Answer:
    """Read an answer to its end. Raise IncompleteRead where it stops before that."""
    body = response.read(_ANSWER_BYTES)
    if response.length and len(body) < _ANSWER_BYTES:
        raise http.client.IncompleteRead(body, response.length)
    return Answer(response.status, body, response.getheader("Location") or "")


def _drop(parts: deque[memoryview], size: int) -> None:
    """Remove so many bytes from the front."""
    while parts and size >= len(parts[0]):
        size -= len(parts.popleft())
    if size:
        parts[0] = parts[0][size:]


class _Incoming(io.RawIOBase):
    """Stand in for the socket from which http.client parses an answer."""

    def __init__(self, receive: Callable[[int, float], bytes], deadline: float) -> None:
        self._receive, self._deadline = receive, deadline
        self._reader = io.BufferedReader(self)

    def makefile(self, *_: Any) -> Any:
        return self._reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._receive(len(buffer), self._deadline)
        buffer[: len(data)] = data
        return len(data)
