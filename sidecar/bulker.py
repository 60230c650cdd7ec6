"""One `/bulk` request, written as it is produced, with Bulker's answer read whenever it comes.

http.client with a chunk writer of our own: it always gets the text of an early refusal, where the usual
clients report a broken pipe (and it is twice as fast as the next one).
"""

import contextlib
import http.client
import select
import socket
import ssl
import time
from collections.abc import Callable
from enum import StrEnum
from typing import cast
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from common.errors import BulkerError

LINE_BYTES = 1_048_575
"""Bulker's limit for one row."""
_CONNECT_SECONDS = 10.0
_WRITE_SECONDS = 120.0
_ANSWER_SECONDS = 1800.0
"""Bulker cuts a request at 30 minutes; a commit into a slow warehouse may take long."""
_ABORT_SECONDS = 10.0
_CONNECT_TRIES, _PAUSE_SECONDS = 4, 0.5
_EXCERPT = 500


class Mode(StrEnum):
    """How rows meet the table: `replace_table` swaps it whole at the end of the request, `batch` adds."""

    REPLACE_TABLE = "replace_table"
    BATCH = "batch"


class Target(Struct, frozen=True):
    """Where one stream's rows go. `schema` is the X-Jitsu-Schema header's value, "" for none."""

    table: str
    mode: Mode
    keys: tuple[str, ...] = ()
    schema: str = ""


class Ack(Struct, frozen=True):
    """Bulker's 200: how many rows it read and how many it kept."""

    processed: int
    stored: int


class _State(Struct, frozen=True):
    processedRows: int | None = None  # noqa: N815 - the wire's spelling
    successfulRows: int | None = None  # noqa: N815


class _Answer(Struct, frozen=True):
    state: _State | None = None
    error: str | None = None


class Bulker(Struct, frozen=True):
    """A Bulker instance and the destination (the sync) there."""

    url: str
    token: str
    sync_id: str
    task_id: str = ""

    def open(self, target: Target) -> "BulkRequest":
        """Begins a request; raises BulkerError. Connecting is tried again: nothing has been sent yet."""
        for attempt in range(1, _CONNECT_TRIES + 1):
            try:
                return BulkRequest(self, target)
            except BulkerError:
                if attempt == _CONNECT_TRIES:
                    raise
                time.sleep(_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable")


class BulkRequest:
    """An open request. `send` rows, then `finish` for Bulker's word, or `abort` to leave the table as it was."""

    def __init__(self, bulker: Bulker, target: Target) -> None:
        self.rows = 0
        self.bytes = 0
        self.opened_at = time.monotonic()
        query = [("tableName", target.table), ("mode", str(target.mode))]
        query += [("taskId", bulker.task_id)] if bulker.task_id else []
        query += [("pk", key) for key in target.keys]
        parts = urlsplit(bulker.url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._where = f"{parts.hostname}:{parts.port or (443 if secure else 80)}"
        self._connection = kind(parts.hostname or "", parts.port, timeout=_CONNECT_SECONDS)
        path = f"{parts.path.rstrip('/')}/bulk/{quote(bulker.sync_id, safe='')}?{urlencode(query)}"
        with self._failures("begun"):
            self._connection.putrequest("POST", path, skip_accept_encoding=True)
            if bulker.token:
                self._connection.putheader("Authorization", f"Bearer {bulker.token}")
            if target.schema:
                self._connection.putheader("X-Jitsu-Schema", target.schema)
            self._connection.putheader("Transfer-Encoding", "chunked")
            self._connection.endheaders()
        # http.client opens the socket with the headers; it is typed Any.
        self._socket = cast(socket.socket, self._connection.sock)
        self._socket.settimeout(_WRITE_SECONDS)

    def send(self, blocks: list[bytes], rows: int) -> None:
        """Sends blocks of whole lines (without their last line feed); raises BulkerError with Bulker's words."""
        size = sum(map(len, blocks)) + len(blocks)
        with self._failures("sent"):
            if self._answer_waits():
                raise self._refusal(self._answer())
            self._socket.sendall(b"".join((b"%x\r\n" % size, b"\n".join(blocks), b"\n\r\n")))
        self.rows += rows
        self.bytes += size

    def finish(self) -> Ack:
        """Ends the body and waits for Bulker's 200; raises BulkerError for anything else."""
        with self._failures("finished"):
            self._socket.sendall(b"0\r\n\r\n")
            self._socket.settimeout(_ANSWER_SECONDS)
            status, body = self._answer()
        self._close()
        answer = _parse(body)
        if status != http.HTTPStatus.OK or answer is None or answer.error:
            raise self._refusal((status, body))
        state = answer.state or _State()
        processed = self.rows if state.processedRows is None else state.processedRows
        return Ack(processed, processed if state.successfulRows is None else state.successfulRows)

    def abort(self) -> None:
        """Tells Bulker to forget what was sent: by word, and by breaking the body off. Never raises."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._socket.settimeout(_ABORT_SECONDS)
            self._socket.sendall(b"6\r\nABORT\n\r\n")
        self._close()

    def _answer_waits(self) -> bool:
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        return bool(select.select([self._socket], [], [], 0)[0])

    def _answer(self) -> tuple[int, bytes]:
        response = self._connection.getresponse()
        return response.status, response.read(64 * 1024)

    def _refusal(self, answer: tuple[int, bytes]) -> BulkerError:
        status, body = answer
        parsed = _parse(body)
        text = (parsed.error if parsed else None) or body.decode("utf-8", "replace").strip() or "no text"
        return BulkerError(f"Bulker at {self._where} answered {status}: {text[:_EXCERPT]}")

    def _failures(self, what: str) -> "_Failures":
        return _Failures(self, what)

    def explain(self, error: OSError | http.client.HTTPException, what: str) -> BulkerError:
        """What a broken connection means: Bulker's own words, where it sent some before it hung up."""
        if isinstance(error, ConnectionError) and self._connection.sock is not None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self._refusal(self._answer())
        reason = (
            "it did not answer in time"
            if isinstance(error, TimeoutError)
            else (getattr(error, "strerror", None) or type(error).__name__)
        )
        return BulkerError(f"The request to Bulker at {self._where} could not be {what}: {reason}.")

    def _close(self) -> None:
        self._connection.close()


class _Failures(contextlib.AbstractContextManager["_Failures"]):
    """Translates a broken connection into BulkerError and closes it."""

    def __init__(self, request: BulkRequest, what: str) -> None:
        self._explain: Callable[[OSError | http.client.HTTPException, str], BulkerError] = request.explain
        self._close = request._close  # noqa: SLF001 - same module
        self._what = what

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, BulkerError):
            self._close()
        elif isinstance(error, OSError | http.client.HTTPException):
            explained = self._explain(error, self._what)
            self._close()
            raise explained from error


def _parse(body: bytes) -> _Answer | None:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
