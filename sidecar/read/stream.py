"""One writer per stream: counts what the source emitted, sends it, and keeps what Bulker acknowledged."""

import sys
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from msgspec import Raw, Struct

from common.errors import BulkerAway, BulkerError
from common.failures import FailureKind
from common.protocol.catalogs import ConfiguredStream, StreamId
from common.protocol.messages import StreamStatus
from sidecar.bulker import schema
from sidecar.bulker.client import Ack, Bulker, BulkRequest, Target, WriteMode
from sidecar.bulker.rows import fault, is_clean

SEND_BYTES = 256 * 1024
"""Rows are gathered up to this size before they go onto the wire."""
ROTATE_SECONDS = 20 * 60.0
"""Bulker cuts a request at 30 minutes."""
ROTATE_BYTES = 4 * 1024**3
"""A request that adds rows ends here even where the source sends no state."""
_ERROR_CHARACTERS = 2000


class Status(StrEnum):
    """A stream's status in the caller's row."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


class PendingState(Struct, frozen=True):
    """A state that waits until Bulker has acknowledged the rows before it: the first `covers` of its stream."""

    state: bytes
    covers: int


class StreamWriter:
    """One stream on its way: rows in, acknowledgements out. Only `checkpoints` saves its states.

    `redact` hides secrets in what others say about the stream.
    """

    def __init__(
        self,
        stream: ConfiguredStream,
        table: str,
        *,
        resumes: bool,
        bulker: Bulker | None,
        redact: Callable[[str], str] = str,
        send_bytes: int = SEND_BYTES,
    ) -> None:
        self.id: StreamId = stream.id
        self.incremental = stream.incremental
        self.resumes = resumes
        """Whether the stream goes on from a state: what it sends is not the whole table."""
        self.emitted = self.sent = self.stored = self.bytes = 0
        self.refused = 0
        self.acked_through = 0
        """The first so many of the rows that it has `reached` are acknowledged, or refused by name."""
        self.since_state = 0
        self.reported: StreamStatus | None = None
        self.last_status = ""
        """The source's own last word for the stream's status, whatever it is."""
        self.seen = False
        self.last_was_state = False
        self.status = Status.PENDING
        self.error = ""
        self.kind: FailureKind | None = None
        """What the error is; None without one."""
        self.failed_by_source = False
        """Whether the source itself has said that the stream fails."""
        self.refusal = ""
        """Why the last refused record was."""
        self.note = ""
        """What is worth knowing about a success."""
        self.pending: PendingState | None = None
        self.closed = bulker is None
        self.replaced = False
        """Whether this run has put new rows in the place of the table's old ones."""
        self.after_complete = 0
        self.requests = 0
        self._stream, self._table, self._bulker, self._redact = stream, table, bulker, redact
        self._mode = WriteMode.BATCH if resumes else WriteMode.REPLACE_TABLE
        self._request: BulkRequest | None = None
        self._missed = 0
        self._until = sys.maxsize
        """Behind so many rows some are lost: no state may leap over them, in this run, so `acked_through` ends here."""
        self._since = 0.0
        self._blocks: list[bytes] = []
        self._block_rows = self._block_bytes = 0
        self._send_bytes = send_bytes

    @property
    def selected(self) -> bool:
        """Whether the catalog has the stream."""
        return self._bulker is not None

    @property
    def reached(self) -> int:
        """How far the stream has come: the records that came, and one for each time that some did not."""
        return self.emitted + self._missed

    @property
    def past_gap(self) -> bool:
        """Whether a state that comes now would leap over lost rows: it can never be saved."""
        return self.reached > self._until

    @property
    def replaces(self) -> bool:
        """Whether the next request to end replaces the table."""
        return self._mode is WriteMode.REPLACE_TABLE

    @property
    def replacing(self) -> bool:
        """Whether the rows sent so far would replace the table when the request ends."""
        return self.replaces and self.uncommitted

    @property
    def uncommitted(self) -> bool:
        """Whether there are rows that Bulker has not acknowledged."""
        return self._request is not None or bool(self._blocks)

    @property
    def open_bytes(self) -> int:
        """How much waits for an acknowledgement."""
        return self._block_bytes + (self._request.bytes if self._request else 0)

    @property
    def open_seconds(self) -> float:
        """How long the first of these rows has been waiting."""
        return time.monotonic() - self._since if self.uncommitted else 0.0

    @property
    def must_rotate(self) -> bool:
        """Whether the request nears a limit. One that replaces a table goes on as long as Bulker lets it."""
        if self._request is None:
            return False
        old = time.monotonic() - self._request.opened_at > ROTATE_SECONDS
        return old or (self._request.bytes > ROTATE_BYTES and not self.replaces)

    def add(self, rows: list[Raw]) -> None:
        """Takes rows as raw JSON; refuses one by one what Bulker would refuse the whole request for."""
        first = self.emitted + 1
        self.emitted += len(rows)
        self.since_state += len(rows)
        self.seen, self.last_was_state = True, False
        if self.reported is StreamStatus.COMPLETE:
            self.after_complete += len(rows)
        if self.closed:
            return
        block = b"\n".join(rows)
        if not is_clean(rows, block):
            rows = [row for number, row in enumerate(rows, first) if self._fits(row, number)]
            block = b"\n".join(rows)
        if not rows:
            return
        if not self._block_rows and self._request is None:
            self._since = time.monotonic()
        self._blocks.append(block)
        self._block_rows += len(rows)
        self._block_bytes += len(block) + 1
        if self._block_bytes >= self._send_bytes:
            self.send()

    def refuse(self, why: str, number: int | None = None) -> None:
        """Counts a record that cannot be sent; the first reason is kept, with its record's number."""
        if number is None:
            self.emitted += 1
            self.since_state += 1
            self.seen, self.last_was_state = True, False
            number = self.emitted
        self.refused += 1
        self.refusal = f"record {number} of stream {self.id.key} was refused: {why}"
        self.fail(self.refusal, FailureKind.ROWS_REFUSED)

    def mark_gap(self) -> None:
        """The source has sent more rows since its last state than came."""
        self._until = min(self._until, self.reached - self.since_state)
        self._missed += 1

    def fail(self, why: str, kind: FailureKind = FailureKind.INCOMPLETE) -> None:
        """Keeps the first reason why the stream is not a plain success."""
        self.kind = self.kind or kind
        self.error = self.error or (why if len(why) <= _ERROR_CHARACTERS else f"{why[:_ERROR_CHARACTERS]} ...")

    def fail_by_source(self, why: str, kind: FailureKind) -> None:
        """The source's own words about its failure go before ours; its first ones count."""
        if not self.failed_by_source:
            ours, self.error, self.kind, self.failed_by_source = self.error, "", None, True
            self.fail(why, kind)
            self.error += f"; {ours}" if ours else ""

    def send(self) -> None:
        """Puts the gathered rows onto the wire, opening a request where there is none."""
        if self.closed or self._bulker is None or not self._blocks:
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
        if self.closed or (self._request is not None and not self._finish(self._request)):
            return False
        self.acked_through = min(self.reached, self._until)
        return True

    def abort(self) -> None:
        """Leaves the table as it was before the open request."""
        if self.uncommitted:
            self._until = min(self._until, self.acked_through)
        self._blocks, self._block_rows, self._block_bytes = [], 0, 0
        request, self._request = self._request, None
        if request is not None:
            request.abort()

    def report(self) -> dict[str, Any]:
        """The stream's accounting, as GET /tasks/<id> shows it."""
        counts = {"emitted": self.emitted, "sent": self.sent, "stored": self.stored, "refused": self.refused}
        note = {"note": self.note} if self.note else {}
        # Not every connector says that a stream has begun.
        status = Status.RUNNING if self.status is Status.PENDING and self.reached else self.status
        return {"status": str(status), **counts, "bytes": self.bytes, "error": self.error, **note}

    def _finish(self, request: BulkRequest) -> bool:
        self._request = None
        try:
            ack = request.finish()
        except BulkerError as error:
            self._die(error)
            return False
        self.replaced = self.replaced or self.replaces
        self._mode = WriteMode.BATCH
        self.stored += ack.stored
        if ack != Ack(request.rows, request.rows):
            self._differ(request.rows, ack)
        return True

    def _differ(self, sent: int, ack: Ack) -> None:
        """Rows that the destination refuses, it would refuse again; others may have got lost on their way."""
        lost = max(sent - ack.stored, 0)
        self.refused += lost
        why = f"{sent} rows were sent and {ack.stored} stored"
        if lost and lost == ack.refused:
            why += f": the destination refused the others ({self._redact(ack.why) or 'it does not say why'})"
        elif lost:
            self._until = min(self._until, self.acked_through)
            why += f": {ack.processed} arrived there, and it does not say what became of the others"
        else:
            why += f", of {ack.processed} that arrived there"
        self.fail(why, FailureKind.ROWS_REFUSED)

    def _die(self, error: BulkerError) -> None:
        """Nothing more can be sent for this stream: Bulker has rolled the open request back."""
        self.fail(
            self._redact(error.message),
            FailureKind.BULKER_AWAY if isinstance(error, BulkerAway) else FailureKind.BULKER_REFUSED,
        )
        self.closed = True
        self.pending = None
        self._until = min(self._until, self.acked_through)
        self.abort()

    def _target(self) -> Target:
        return Target(self._table, self._mode, schema.keys(self._stream), schema.header(self._stream, self._table))

    def _fits(self, row: Raw, number: int) -> bool:
        why = fault(bytes(row))
        if why:
            self.refuse(why, number)
        return not why
