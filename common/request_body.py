"""Reads a request's body within bounds of size and time, whatever its sender does."""

import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any

from common.errors import BadRequest, TooLarge, Unavailable

SECONDS = 30.0
"""For a whole body; a proxy in front of the function may allow less."""
SOCKET = "gunicorn.socket"
"""Where a WSGI environment has the connection."""
REST_SECONDS = 2.0
"""For what is left of a body that nobody wants; its bytes are bounded too."""
_REST_BYTES = 16 * 1024 * 1024
SILENCE_SECONDS = 0.25
"""Between two parts of it."""
_CHUNK_BYTES = 64 * 1024

_STRANGERS = threading.BoundedSemaphore(4)
"""Threads that may wait for senders without a token, or for what nobody wants: a deadline for each bounds none of
their number.
"""

_log = logging.getLogger(__name__)


class Body:
    """A body that has not been read. Its time is limited where the server gives its SOCKET."""

    def __init__(self, stream: IO[bytes], length: int | None, environ: Mapping[str, Any]) -> None:
        self._stream, self._length = stream, length
        self._socket: socket.socket | None = environ.get(SOCKET)
        self._late = False
        self._rest = bool(length) or "HTTP_TRANSFER_ENCODING" in environ

    def read_strangers(self, limit: int, advice: str) -> bytes:
        """Return the whole body of a sender that has shown no token; raise Unavailable if too many of them are slow."""
        if (self._length or 0) > limit:
            return self.read(limit, advice)  # which refuses it unread
        if not _STRANGERS.acquire(blocking=False):
            raise Unavailable("Too many bodies without a token are on their way; send it again, or with a token.")
        try:
            return self.read(limit, advice)
        finally:
            _STRANGERS.release()

    def read(self, limit: int, advice: str) -> bytes:
        """Return the whole body, chunked or not; `advice` follows TooLarge's sentence.

        Raise BadRequest if it breaks off or takes too long. Not by Flask's MAX_CONTENT_LENGTH: under
        functions-framework it truncates chunked bodies silently.
        """
        announced, body = self._length or 0, bytearray()
        try:
            with self._within(SECONDS):
                while max(len(body), announced) <= limit and (chunk := self._stream.read(_CHUNK_BYTES)):
                    body += chunk
        except Exception as error:  # of a type of the server's own; the sender is the cause
            self._check_time(error)
            raise BadRequest("The body cannot be read: it broke off, or its chunks are malformed.") from error
        if max(len(body), announced) > limit:
            size = f"{announced:,} bytes" if announced else "more bytes than fit"
            raise TooLarge(f"The body has {size}; {limit:,} are allowed. {advice}")
        self._check_time()
        if len(body) < announced:
            raise BadRequest(f"The body broke off after {len(body)} of {announced} bytes.")
        self._rest = False
        return bytes(body)

    def discard(self) -> None:
        """Receive what is on its way, for a moment: a sender that is still writing does not read the answer."""
        if not self._rest:
            return
        patient, left = _STRANGERS.acquire(blocking=False), _REST_BYTES
        try:
            with self._within(REST_SECONDS):
                if self._socket is not None:
                    self._socket.settimeout(SILENCE_SECONDS if patient else 0)
                while left > 0 and (chunk := self._stream.read(_CHUNK_BYTES)):
                    left -= len(chunk)
        except Exception:  # noqa: BLE001 - as above; the answer is sent
            _log.debug("A body could not be read to its end.", exc_info=True)
            self._cut()  # the server would wait for the rest
        finally:
            if patient:
                _STRANGERS.release()

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Cut the connection's other direction after a time: a limit for each receipt would be moved by every byte."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        if self._socket is not None:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self._late = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)

    def _check_time(self, cause: Exception | None = None) -> None:
        if self._late:
            raise BadRequest(f"The body did not come within {SECONDS:g} seconds.") from cause
