"""Write one stream's rows to Bulker: gather rows, send them, and keep track of acknowledgements."""

import sys
import time
from collections.abc import Callable

from msgspec import Raw, Struct

from common.errors import BulkerAway, BulkerError
from common.failures import FailureKind
from common.protocol.catalogs import ConfiguredStream, StreamId
from sidecar.bulker import schema
from sidecar.bulker.client import Ack, Bulker, BulkRequest, Target, WriteMode
from sidecar.bulker.rows import fault, is_clean, with_time
from sidecar.read.account import StreamAccount
from sidecar.read.verdict import StreamVerdict
from sidecar.source import one_line

SEND_BYTES = 256 * 1024
"""Rows are gathered up to this size before they are sent."""
ROTATE_SECONDS = 20 * 60.0
"""Bulker cuts a request at 30 minutes."""
ROTATE_BYTES = 4 * 1024**3
"""A request that adds rows ends here even if the source sends no state."""
_WENT_ON = (
    "the source called it incomplete, and then sent more of it: none of that is stored, since what it had sent before "
    "is not"
)


class PendingState(Struct, frozen=True):
    """A state that waits for Bulker's acknowledgement of the stream's first `covers` rows; the run's `number`th."""

    state: bytes
    covers: int
    number: int


class StreamWriter:
    """One stream on its way: rows in, acknowledgements out. Only `checkpoints` saves its states.

    `resumes`: the stream continues from a state, so its rows are added to the table; `note` qualifies that. `redact`
    hides secrets in what Bulker answers. Without a `bulker` the stream is not selected: its rows are only counted.
    """

    def __init__(
        self,
        stream: ConfiguredStream,
        table: str,
        *,
        resumes: bool,
        bulker: Bulker | None,
        note: str = "",
        redact: Callable[[str], str] = str,
        send_bytes: int = SEND_BYTES,
    ) -> None:
        self.id: StreamId = stream.id
        self.incremental = stream.incremental
        self.resumes, self.note = resumes, note
        self.account = StreamAccount(resumed=resumes)
        self.verdict = StreamVerdict()
        self.acked_through = 0
        """Rows up to this position are acknowledged, or refused by name."""
        self.last_refusal = ""
        self.pending: PendingState | None = None
        self.closed = bulker is None
        self.replaced = False
        """Whether this run has replaced the table's old rows."""
        self.requests = 0
        self._stream, self._table, self._bulker, self._redact = stream, table, bulker, redact
        self._any_number = bulker is None or bulker.any_number
        self._appends = stream.appends and not (stream.incremental or resumes)
        self._mode = WriteMode.BATCH if resumes or self._appends else WriteMode.REPLACE_TABLE
        self._request: BulkRequest | None = None
        self._aborted = self._cut = False
        self._gap_at = sys.maxsize
        """Rows behind this position were lost: no state of this run may cover them, so `acked_through` ends here."""
        self._since = 0.0
        self._blocks: list[bytes] = []
        self._block_rows = self._block_bytes = 0
        self._send_bytes = send_bytes

    @property
    def selected(self) -> bool:
        """Whether the catalog has the stream."""
        return self._bulker is not None

    @property
    def past_gap(self) -> bool:
        """Whether a state that comes now would cover lost rows, so that it can never be saved."""
        return self.account.reached > self._gap_at

    @property
    def replaces(self) -> bool:
        """Whether the next request to end replaces the table."""
        return self._mode is WriteMode.REPLACE_TABLE

    @property
    def refreshing(self) -> bool:
        """Whether a full refresh is open that changes the table at its end, and whole."""
        return (self.replaces or self._appends) and self.uncommitted and not self.incremental

    @property
    def discarded(self) -> bool:
        """Whether all that was sent was broken off, so that nothing of it is stored, and nothing is lost."""
        return self._aborted and not self.closed and self.account.sent > 0 == self.account.stored

    @property
    def uncommitted(self) -> bool:
        """Whether there are rows that Bulker has not acknowledged."""
        return self._request is not None or bool(self._blocks)

    @property
    def awaits_ack(self) -> bool:
        """Whether the request has ended, and Bulker still stores its rows."""
        return self._request is not None and self._request.ended

    @property
    def is_acked(self) -> bool:
        """Whether `commit` need not wait for Bulker."""
        return self._request is not None and self._request.ended and self._request.is_answered

    @property
    def open_bytes(self) -> int:
        """The size of the rows that are not acknowledged."""
        return self._block_bytes + (self._request.bytes if self._request else 0)

    @property
    def open_seconds(self) -> float:
        """How long the first of these rows has been waiting."""
        return time.monotonic() - self._since if self.uncommitted else 0.0

    @property
    def must_rotate(self) -> bool:
        """Whether the request nears a limit; one that stores a stream whole goes on as long as Bulker lets it."""
        if self._request is None or self._request.ended:
            return False
        old = time.monotonic() - self._request.opened_at > ROTATE_SECONDS
        return old or (self._request.bytes > ROTATE_BYTES and not (self.replaces or self._appends))

    def add(self, rows: list[Raw]) -> None:
        """Take rows as raw JSON; reject one by one those for which Bulker would refuse the whole request."""
        first = self.account.emitted + 1
        self.account.count_emitted(len(rows))
        if self._cut:
            self.refuse(_WENT_ON, FailureKind.INCOMPLETE)
        if self.closed:
            return
        if self._stream.add_meta:
            rows = with_time(rows)
        block = one_line.join(b"\n", rows)
        if not is_clean(rows, block, any_number=self._any_number):
            rows = [row for number, row in enumerate(rows, first) if self._fits(row, number)]
            block = one_line.join(b"\n", rows)
        if not rows:
            return
        if not self.uncommitted:
            self._since = time.monotonic()
        self._blocks.append(block)
        self._block_rows += len(rows)
        self._block_bytes += len(block) + 1
        if self._block_bytes >= self._send_bytes:
            self.send()

    def reject(self, why: str, number: int | None = None) -> None:
        """Count a record that cannot be sent; `number` is its place in the stream if it is counted as emitted."""
        if number is None:
            self.account.count_emitted(1)
            number = self.account.emitted
        self.account.count_settled(0, 1)
        self.last_refusal = f"record {number} of stream {self.id.key} was refused: {why}"
        self.fail(self.last_refusal, FailureKind.ROWS_REFUSED)

    def mark_gap(self) -> None:
        """Mark that the source has sent more rows since its last state than arrived."""
        self._end_acks(self.account.reached - self.account.since_state)
        self.account.count_gap()

    def fail(self, why: str, kind: FailureKind = FailureKind.INCOMPLETE) -> None:
        """Keep the first reason why the stream is not a plain success."""
        self.verdict = self.verdict.fail(why, kind)

    def fail_by_source(self, why: str, kind: FailureKind) -> None:
        """Keep the source's own first error; it goes before the sidecar's."""
        self.account.on_error()
        self.verdict = self.verdict.fail_by_source(why, kind)

    def refuse(self, why: str, kind: FailureKind) -> None:
        """Take no rows of the stream, and leave the table as it was before the open request."""
        if not self.closed:
            self.fail(why, kind)
            self._give_up()

    def hold_state(self, state: bytes, number: int) -> None:
        """Hold a state until the rows before it are acknowledged; it takes the place of the one before."""
        self.pending = PendingState(state, self.account.reached, number)

    def release_state(self) -> PendingState | None:
        """Return the state that waits, and forget it."""
        pending, self.pending = self.pending, None
        return pending

    def send(self) -> None:
        """Send the gathered rows, opening a request if there is none."""
        if self.closed or self._bulker is None or not self._blocks:
            return
        blocks, rows = self._blocks, self._block_rows
        self._drop_blocks()
        try:
            if self._request is None:
                self._request = self._bulker.open(self._target())
                self.requests += 1
            self._request.send(blocks, rows)
        except BulkerError as error:
            self._close(error)
            return
        self.account.count_sent(rows, sum(map(len, blocks)) + len(blocks))

    def end(self) -> None:
        """End the open request, if there is one; `commit` takes the acknowledgement."""
        self.send()
        if self.closed or self._request is None or self._request.ended:
            return
        try:
            self._request.end()
        except BulkerError as error:
            self._close(error)

    def commit(self) -> bool:
        """End the open request; True once Bulker has acknowledged every row, so that a state may be saved."""
        self.send()
        if self.closed or (self._request is not None and not self._finish(self._request)):
            return False
        self.acked_through = min(self.account.reached, self._gap_at)
        return True

    def begin_again(self) -> None:
        """Take rows again after some were broken off: the source sends the stream from its beginning."""
        self._cut = False

    def abort(self) -> None:
        """Leave the table as it was before the open request; the state that waited for it is dropped.

        What follows the rows that are broken off is only a part, and no state may cover it. A request that has ended
        cannot be broken off: its rows are stored, or Bulker says why not.
        """
        if self._request is not None and self._request.ended and self._finish(self._request):
            self.acked_through = min(self.account.reached, self._gap_at)
        if self.uncommitted:
            self._cut = True
            self._end_acks(self.acked_through)
        self.pending = None
        self._drop_blocks()
        request, self._request = self._request, None
        if request is not None:
            request.abort()
            self._aborted = True

    def _finish(self, request: BulkRequest) -> bool:
        self._request = None
        try:
            ack = request.finish()
        except BulkerError as error:
            self._close(error)
            return False
        self.replaced = self.replaced or self.replaces
        self._mode = WriteMode.BATCH
        self.account.count_settled(ack.stored, max(request.rows - ack.stored, 0))
        if ack != Ack(request.rows, request.rows):
            self._on_difference(request.rows, ack)
        return True

    def _on_difference(self, sent: int, ack: Ack) -> None:
        """Tell rows that the destination refused, and would refuse again, from rows that were lost on their way."""
        lost = max(sent - ack.stored, 0)
        why = f"{sent} rows were sent and {ack.stored} stored"
        if lost and lost == ack.refused:
            why += f": the destination refused the others ({self._redact(ack.why) or 'it does not say why'})"
        elif lost:
            self._end_acks(self.acked_through)
            why += f": {ack.processed} arrived there, and it does not say what became of the others"
        else:
            why += f", of {ack.processed} that arrived there"
        self.fail(why, FailureKind.ROWS_REFUSED)

    def _close(self, error: BulkerError) -> None:
        """Give the stream up: Bulker has rolled the open request back."""
        kind = FailureKind.BULKER_AWAY if isinstance(error, BulkerAway) else FailureKind.BULKER_REFUSED
        self.fail(self._redact(error.message), kind)
        self._give_up()

    def _give_up(self) -> None:
        self.closed = True
        self._end_acks(self.acked_through)
        self.abort()

    def _end_acks(self, position: int) -> None:
        self._gap_at = min(self._gap_at, position)

    def _drop_blocks(self) -> None:
        self._blocks, self._block_rows, self._block_bytes = [], 0, 0

    def _target(self) -> Target:
        stream, header = self._stream, schema.header(self._stream, self._table)
        return Target(self._table, self._mode, schema.keys(stream), header, schema.key_paths(stream))

    def _fits(self, row: Raw, number: int) -> bool:
        why = fault(bytes(row), any_number=self._any_number)
        if why:
            self.reject(self._redact(why), number)
        return not why
