"""One lane per stream: counts what the source emitted, sends it, and keeps what Bulker acknowledged."""

import time
from enum import StrEnum
from typing import Any

from msgspec import Raw, Struct

from common.airbyte import ConfiguredStream, StreamId, StreamStatus
from common.errors import BulkerError
from sidecar import schema
from sidecar.bulker import LINE_BYTES, Bulker, BulkRequest, Mode, Target

SEND_BYTES = 256 * 1024
"""Rows are gathered up to this size before they go onto the wire."""
ROTATE_SECONDS = 20 * 60.0
"""Bulker cuts a request at 30 minutes."""


class Status(StrEnum):
    """A stream's status in the caller's row."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


class PendingState(Struct, frozen=True):
    """A state that waits until Bulker has acknowledged the rows it covers."""

    key: str
    state: bytes


class Lane:
    """One stream on its way: rows in, acknowledgements out. Only `checkpoints` saves its states."""

    def __init__(self, stream: ConfiguredStream, table: str, *, resumes: bool, bulker: Bulker | None) -> None:
        self.id: StreamId = stream.id
        self.incremental = stream.incremental
        self.emitted = self.sent = self.stored = self.bytes = 0
        self.refused = 0
        self.since_state = 0
        self.reported: StreamStatus | None = None
        self.touched = False
        self.last_was_state = False
        self.status = Status.PENDING
        self.error = ""
        self.pending: PendingState | None = None
        self.dead = bulker is None
        self.late = 0
        self.requests = 0
        self._stream, self._table, self._bulker = stream, table, bulker
        self._mode = Mode.BATCH if self.incremental and resumes else Mode.REPLACE_TABLE
        self._request: BulkRequest | None = None
        self._blocks: list[bytes] = []
        self._block_rows = self._block_bytes = 0

    @property
    def replacing(self) -> bool:
        """Whether the rows sent so far would replace the table when the request ends."""
        return self._mode is Mode.REPLACE_TABLE and self.uncommitted

    @property
    def uncommitted(self) -> bool:
        """Whether there are rows that Bulker has not acknowledged."""
        return self._request is not None or bool(self._blocks)

    @property
    def open_bytes(self) -> int:
        """How much the open request carries."""
        return self._block_bytes + (self._request.bytes if self._request else 0)

    @property
    def open_seconds(self) -> float:
        """How long the request has been open."""
        return time.monotonic() - self._request.opened_at if self._request else 0.0

    def add(self, rows: list[Raw]) -> None:
        """Takes rows as raw JSON; refuses one by one what Bulker would refuse the whole request for."""
        first = self.emitted + 1
        self.emitted += len(rows)
        self.since_state += len(rows)
        self.touched, self.last_was_state = True, False
        if self.reported is StreamStatus.COMPLETE:
            self.late += len(rows)
        if self.dead:
            return
        block = b"\n".join(rows)
        if not _clean(block, len(rows)):
            rows = [row for number, row in enumerate(rows, first) if self._fits(row, number)]
            block = b"\n".join(rows)
        if not rows:
            return
        self._blocks.append(block)
        self._block_rows += len(rows)
        self._block_bytes += len(block) + 1
        if self._block_bytes >= SEND_BYTES:
            self.send()

    def refuse(self, why: str, number: int | None = None) -> None:
        """Counts a record that cannot be sent; the first reason is kept, with its record's number."""
        if number is None:
            self.emitted += 1
            self.since_state += 1
            self.touched, number = True, self.emitted
        self.refused += 1
        self.fail(f"record {number} of stream {self.id.key} was refused: {why}")

    def fail(self, why: str) -> None:
        """Keeps the first reason why the stream is not a plain success."""
        self.error = self.error or why

    def send(self) -> None:
        """Puts the gathered rows onto the wire, opening a request where there is none."""
        if self.dead or self._bulker is None or not self._blocks:
            return
        blocks, rows = self._blocks, self._block_rows
        self._blocks, self._block_rows, self._block_bytes = [], 0, 0
        try:
            if self._request is None:
                self._request = self._bulker.open(self._target())
                self.requests += 1
            self._request.send(blocks, rows)
        except BulkerError as error:
            self._die(error)
            return
        self.sent += rows
        self.bytes += sum(map(len, blocks)) + len(blocks)

    def commit(self) -> bool:
        """Ends the open request; True once Bulker has acknowledged every row, so that a state may be saved."""
        self.send()
        if self.dead:
            return False
        if self._request is None:
            return True
        request, self._request = self._request, None
        try:
            ack = request.finish()
        except BulkerError as error:
            self._die(error)
            return False
        self._mode = Mode.BATCH
        self.stored += ack.stored
        if ack.stored != request.rows:
            self.refused += max(request.rows - ack.stored, 0)
            self.fail(f"{request.rows} rows were sent and {ack.stored} stored: the destination refused the others")
        return True

    def abort(self) -> None:
        """Leaves the table as it was before the open request."""
        self._blocks, self._block_rows, self._block_bytes = [], 0, 0
        request, self._request = self._request, None
        if request is not None:
            request.abort()

    def report(self) -> dict[str, Any]:
        """The stream's accounting, as GET /tasks/<id> shows it."""
        counts = {"emitted": self.emitted, "sent": self.sent, "stored": self.stored, "refused": self.refused}
        return {"status": str(self.status), **counts, "bytes": self.bytes, "error": self.error}

    def _die(self, error: BulkerError) -> None:
        """Nothing more can be sent for this stream: Bulker has rolled the open request back."""
        self.fail(error.message)
        self.dead = True
        self.pending = None
        self.abort()

    def _target(self) -> Target:
        return Target(self._table, self._mode, schema.keys(self._stream), schema.header(self._stream, self._table))

    def _fits(self, row: Raw, number: int) -> bool:
        data = bytes(row)
        if not data:
            self.refuse("it has no data", number)
        elif data[:1] != b"{":
            self.refuse("its data is not a JSON object", number)
        elif len(data) > LINE_BYTES:
            self.refuse(f"it has {len(data):,} bytes, and Bulker takes {LINE_BYTES:,}", number)
        elif not _is_utf8(data):
            self.refuse("it is not valid UTF-8", number)
        else:
            return True
        return False


def _clean(block: bytes, rows: int) -> bool:
    """Whether every row of a block can be sent, at the speed of memory: all objects, none long, all UTF-8."""
    starts = block[:1] == b"{" and block.count(b"\n{") == rows - 1
    return starts and len(block) <= LINE_BYTES and _is_utf8(block)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
