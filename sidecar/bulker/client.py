"""Bulker's `/bulk`: a request that is written as its rows are produced, and its answer."""

import http.client
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from itertools import chain, repeat
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from common.errors import BulkerAway, BulkerError
from common.protocol.messages import DECODE_ERRORS
from sidecar.bulker.upload import Answer, CapDeadline, Upload

LINE_BYTES = 1_048_575
"""Bulker's limit for one row."""
_WRITE_SECONDS = 120.0
_ANSWER_SECONDS = 1800.0
"""Bulker cuts a request at 30 minutes; a commit into a slow warehouse may take long."""
_CONNECT_TRIES = 4
_SERVER_ERROR = 500
_PASSING = frozenset({408, 429})
"""Answers, beside all from 500 on, that are not about the rows."""
_REDIRECTS = range(300, 400)


class WriteMode(StrEnum):
    """`replace_table` swaps the table whole at the end of the request, `batch` adds rows."""

    REPLACE_TABLE = "replace_table"
    BATCH = "batch"


class Target(Struct, frozen=True):
    """The table of one stream's rows. `schema` is the X-Jitsu-Schema header, "" for none.

    `paths`: the keys' fields, for a warehouse that tells a nested one from a field of its joined name.
    """

    table: str
    mode: WriteMode
    keys: tuple[str, ...] = ()
    schema: str = ""
    paths: tuple[tuple[str, ...], ...] = ()


class Ack(Struct, frozen=True):
    """Bulker's 200: rows read, rows stored, rows refused by name, and why the first of these was."""

    processed: int
    stored: int
    refused: int = 0
    why: str = ""


class _BulkState(Struct, frozen=True):
    status: str = "COMPLETED"
    processedRows: int | None = None  # noqa: N815 - the wire's spelling
    successfulRows: int | None = None  # noqa: N815 - the wire's spelling
    refusedRows: int = 0  # noqa: N815 - the wire's spelling
    refusal: str = ""


class _Body(Struct, frozen=True):
    state: _BulkState | None = None
    error: str | None = None


def _uncapped(deadline: float) -> float:
    return deadline


class Bulker(Struct, frozen=True):
    """A Bulker instance and the destination (the sync) there; `cap_deadline` is shutdown.send_deadline.

    `any_number`: it loads numbers of any size.
    """

    url: str
    token: str
    sync_id: str
    task_id: str = ""
    any_number: bool = False
    cap_deadline: CapDeadline = _uncapped
    pause_seconds: float = 0.5

    def open(self, target: Target) -> "BulkRequest":
        """Begin a request, retrying the connection; raise BulkerError."""
        for attempt in range(1, _CONNECT_TRIES):
            try:
                return BulkRequest(self, target)
            except BulkerAway:
                pause = self.pause_seconds * 2**attempt
                wakes = time.monotonic() + pause
                if self.cap_deadline(wakes) < wakes:
                    raise
            time.sleep(pause)
        return BulkRequest(self, target)


class BulkRequest:
    """An open request: `send` rows, then `finish` for the acknowledgement, or `abort` to leave the table as it was.

    `end` first, and Bulker stores the rows while other streams are read.
    """

    def __init__(self, bulker: Bulker, target: Target) -> None:
        self.rows = 0
        self.bytes = 0
        self.ended = False
        """Whether the body has ended: the rows are Bulker's, and nothing can take them back."""
        self.opened_at = time.monotonic()
        self._answer_by = 0.0
        query = [("tableName", target.table), ("mode", str(target.mode))]
        query += [("taskId", bulker.task_id)] if bulker.task_id else []
        query += [("pk", key) for key in target.keys]
        if any("_" in key for key in target.keys):  # else no nested field has such a name
            query += [("pkPath", msgspec.json.encode(path).decode()) for path in target.paths]
        headers = {"Authorization": f"Bearer {bulker.token}"} if bulker.token else {}
        headers |= {"X-Jitsu-Schema": target.schema} if target.schema else {}
        headers |= {"Transfer-Encoding": "chunked"}
        path = f"/bulk/{quote(bulker.sync_id, safe='')}?{urlencode(query)}"
        with _named_errors(urlsplit(bulker.url).netloc.rpartition("@")[2], "begun"):
            self._upload = Upload(bulker.url, path, headers, bulker.cap_deadline)

    def send(self, blocks: list[bytes], rows: int) -> None:
        """Send blocks of whole lines (without their last line feed); raise BulkerError with Bulker's answer."""
        size = sum(map(len, blocks)) + len(blocks)
        self._write((b"%x\r\n" % size, *chain.from_iterable(zip(blocks, repeat(b"\n"), strict=False)), b"\r\n"), "sent")
        self.rows += rows
        self.bytes += size

    def end(self) -> None:
        """End the body, and wait for nothing; raise BulkerError."""
        self._write((b"0\r\n\r\n",), "finished")
        self.ended, self._answer_by = True, time.monotonic() + _ANSWER_SECONDS

    @property
    def is_answered(self) -> bool:
        """Whether `finish` need not wait: there is an answer, or none is waited for any longer."""
        return self._upload.is_answered or time.monotonic() >= self._answer_by

    def finish(self) -> Ack:
        """End the body, unless it has, and wait for Bulker's 200; raise BulkerError for anything else."""
        if not self.ended:
            self.end()
        with closing(self._upload), _named_errors(self._upload.where, "finished"):
            answer = self._upload.answer(self._answer_by - time.monotonic())
        body = _parse(answer.body)
        state = (body and body.state) or _BulkState()
        if answer.status != http.HTTPStatus.OK or body is None or body.error or state.status != "COMPLETED":
            raise self._refusal(answer)
        if state.processedRows is None or state.successfulRows is None:
            # The answer to an empty body: the rows may have been lost on the way, such as at a proxy.
            raise BulkerError(
                f"Bulker at {self._upload.where} answered 200 without counting the {self.rows} rows that were sent, as "
                "it does where none arrives; check what stands between."
            )
        return Ack(state.processedRows, state.successfulRows, state.refusedRows, state.refusal)

    def abort(self) -> None:
        """Make Bulker roll back: by its ABORT word, and by breaking the body off. Never raises."""
        self._upload.abort(b"6\r\nABORT\n\r\n")

    def _write(self, parts: Iterable[bytes], what: str) -> None:
        try:
            with _named_errors(self._upload.where, what):
                early = self._upload.write(parts, _WRITE_SECONDS)
            if early is not None:
                raise self._refusal(early)
        except BulkerError:
            self._upload.close()
            raise

    def _refusal(self, answer: Answer) -> BulkerError:
        parsed = _parse(answer.body)
        text = (parsed.error if parsed else None) or answer.body.decode("utf-8", "replace").strip() or "no text"
        kind = BulkerAway if answer.status in _PASSING or answer.status >= _SERVER_ERROR else BulkerError
        if answer.location and answer.status in _REDIRECTS:
            text += (
                f" (it redirects to {answer.location}, which is not followed: set SYNCCTL_BULKER_URL to that server)"
            )
        # Not cut: the caller redacts it first, since half a secret would not be found.
        return kind(f"Bulker at {self._upload.where} answered {answer.status}: {text}")


@contextmanager
def _named_errors(where: str, what: str) -> Iterator[None]:
    """Raise BulkerAway for a connection that broke; BulkerError for a request that can never be sent."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Such as a token that no header holds, or a certificate that is not trusted.
        kind = BulkerError if isinstance(error, ValueError) else BulkerAway
        raise kind(f"The request to Bulker at {where} could not be {what}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, http.client.HTTPException) and not isinstance(error, ConnectionError):
        return "its answer was cut off, or is not HTTP"
    default = "it hung up" if isinstance(error, ConnectionError) else type(error).__name__
    return getattr(error, "strerror", None) or default


def _parse(body: bytes) -> _Body | None:
    try:
        return msgspec.json.decode(body, type=_Body)
    except DECODE_ERRORS:
        return None
