"""Decide which state may be saved when: never before Bulker's 200 for every row it covers.

A stream's request stays open across its states until enough bytes or time have passed; then the newest covered
state is saved. A full refresh stays open to the stream's end, so that the table changes at once. A GLOBAL or LEGACY
state covers every stream, so it waits for all of them; it is held back for good once one of them has lost rows. States
of both kinds are saved in the order in which they came, since each takes the place of the other kind's.

Once a stream is complete, Bulker stores its rows while the next streams are read.

Rows that came after the newest state end in the same request. If the run fails they come again in the next one:
without a key they are then there twice. That is the lesser evil: breaking the request off would lose the rows that
the state does cover, up to 100 MB or 30 s of them.
"""

import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from common.errors import SyncError
from common.failures import FailureKind, of_store
from common.protocol import sizes
from common.protocol.states import Statistics
from sidecar.read.stream import StreamWriter
from sidecar.read.streams import Streams

Save = Callable[[str, bytes, Callable[[SyncError], None]], None]
"""Save one state under its key, now or later; call back with the reason if it never can be saved."""
_TICK_SECONDS = 0.25
_SMALL_STATE = 4096
"""States of up to so many bytes wait unmeasured: some connectors send thousands, of thousands of streams."""
_NAMED = 5
_MOST_ENDED = 4
"""Streams whose requests have ended, and are not acknowledged: each is a connection, and a transaction there."""
_REJECTED = "the source itself rejected records of this stream, and did not send them"
_NOT_SAVED = "its state could not be saved, the next run reads from the one before"
_PAST_GAP = "its state was not saved: rows before it were given up. The next run reads them again"


class _SharedState(Struct, frozen=True):
    """A state of all streams, the run's `number`th; stream n had reached `covers[n]` when it came."""

    key: str
    state: bytes
    covers: list[int]
    number: int


class Checkpoints:
    """Take states as they come and save them once their rows are acknowledged."""

    def __init__(self, streams: Streams, save: Save, *, commit_bytes: int, commit_seconds: float) -> None:
        self.problem = ""
        """The first reason why a state of all streams is not saved, or counted wrong."""
        self._all, self._streams = streams, streams.known
        self._save = save
        self._commit_bytes = commit_bytes
        self._commit_seconds = commit_seconds
        self._shared: _SharedState | None = None
        self._shares = False
        self._taken = 0
        self.rejected = 0
        """How many records the source rejected before a state of all streams, so that it names none."""
        self._shared_since = time.monotonic()
        self._tick_at = 0.0
        self._ended: list[StreamWriter] = []
        """Complete streams whose acknowledgements are to come, the first to end first."""

    def take_stream(self, stream: StreamWriter, state: bytes, counted: Statistics) -> None:
        """Take a STREAM state; `counted` are the source's counts of records since the state before."""
        self.count_stream(stream, counted)
        if stream.closed:
            return
        if stream.past_gap:
            stream.fail(_PAST_GAP, FailureKind.STATE_LOST)
            return
        if why := self._too_large(stream, state):
            stream.fail(f"{_NOT_SAVED}: {why}", FailureKind.STATE_LOST)
            return
        stream.hold_state(state, self._next_number())
        if self._due(stream):
            self.commit(stream)

    def count_stream(self, stream: StreamWriter, counted: Statistics) -> None:
        """Compare the source's count of a stream's records since the state before; refuse those that it rejected."""
        arrived = stream.account.since_state
        if not counted.agrees(arrived):
            stream.fail(_miscount(counted, arrived))
            if _counted(counted) > arrived:
                stream.mark_gap()
        if counted.rejected:
            stream.account.count_rejected(counted.rejected)
            stream.fail(_REJECTED, FailureKind.ROWS_REFUSED)
        stream.account.on_state()

    def take_shared(self, key: str, state: bytes, counted: Statistics) -> None:
        """Take a GLOBAL or LEGACY state; its counts are of all streams together."""
        self.count_shared(counted)
        self._shares = True
        if lossy := [stream for stream in self._streams if stream.past_gap]:
            self._hold_back(lossy)
            return
        covers = [stream.account.reached for stream in self._streams]
        self._shared = _SharedState(key, state, covers, self._next_number())
        if self._shared_due():
            self._commit_shared()

    def count_shared(self, counted: Statistics) -> None:
        """Compare the source's count of all streams' records since the state before."""
        arrived = sum(stream.account.since_state for stream in self._all.all)
        if not counted.agrees(arrived):
            self._add_problem(_miscount(counted, arrived))
            if _counted(counted) > arrived:
                for stream in self._streams:
                    stream.mark_gap()
        self.rejected += counted.rejected
        for stream in self._all.all:
            stream.account.on_state()

    def miss_state(self, why: str) -> None:
        """Note a STATE that cannot be read: no run can resume from it."""
        self._add_problem(f"a STATE message could not be read, so it was not saved: {why}")

    def lose_state(self, stream: StreamWriter, why: str) -> None:
        """Note a state of a stream of which it is unclear whether it is one."""
        self._add_problem(f"the state of {stream.id.key} was not saved: {why}")

    def tick(self) -> None:
        """Commit what is due; call it whenever time has passed."""
        now = time.monotonic()
        if now < self._tick_at:
            return
        self._tick_at = now + _TICK_SECONDS
        self._take_acks()
        for stream in self._streams:
            if stream.must_rotate or (stream.pending is not None and self._due(stream)):
                self.commit(stream)
        if self._shared is not None and self._shared_due():
            self._commit_shared()

    def complete(self, stream: StreamWriter) -> None:
        """End a stream's request now, not at the end of the run: a thousand streams must not hold a thousand open.

        Its acknowledgement, and so its state, is taken when it has come, or when too many wait for theirs.
        """
        stream.end()
        if stream not in self._ended:
            self._ended.append(stream)
        if not stream.awaits_ack:  # it had no rows, or cannot be sent
            self.commit(stream)
        self._take_acks()
        while len(self._ended) > _MOST_ENDED:
            self.commit(self._ended[0])

    def before_rows(self, stream: StreamWriter) -> None:
        """Take a complete stream's acknowledgement: rows that come after all belong to another request."""
        if stream.awaits_ack:
            self.commit(stream)

    def commit(self, stream: StreamWriter) -> None:
        """End a stream's request, if Bulker takes it, and save the state that it covers.

        One that came after a state of all streams waits for that: saved before, it would be replaced by the older one.
        """
        if stream in self._ended:
            self._ended.remove(stream)
        if not stream.commit() or self._is_behind_shared(stream) or (pending := stream.release_state()) is None:
            return
        if stream.acked_through < pending.covers:
            stream.fail(_PAST_GAP, FailureKind.STATE_LOST)
            return
        self._store(stream.id.key, pending.state, [stream])

    def give_up(self, stream: StreamWriter, *, run_continues: bool) -> None:
        """End a stream that will not complete; `run_continues`: other streams still may.

        A full refresh is broken off: the table stays as it was. So is a request of an incremental stream that no
        state covers: its rows come again. Where a state does cover rows, they are committed and it is saved. In a
        first run this replaces the table's old rows by a part, and that is right: the saved state lets the next run
        add the rest, while the old rows belong to a history that was given up. A state of all streams that may still
        come will cover them too.
        """
        if stream.awaits_ack:
            self.commit(stream)
        covered = stream.pending is not None or self._covers(stream) or (run_continues and self._shares)
        if stream.incremental and covered:
            self.commit(stream)
        else:
            stream.abort()

    def finish(self) -> None:
        """End the run: save the last shared state if all streams' rows before it are acknowledged."""
        if self._shared is not None:
            self._commit_shared()

    def _too_large(self, stream: StreamWriter, state: bytes) -> str:
        """Return why a state cannot wait for its rows beside the others that do; "" if it can.

        None of it could be saved, and all of it would be in the sidecar's memory until then.
        """
        if len(state) <= _SMALL_STATE:
            return ""
        others = (one.pending for one in self._streams if one is not stream)
        total = len(state) + sum(len(pending.state) for pending in others if pending)
        return sizes.states_problem(len(state), total)

    def _covers(self, stream: StreamWriter) -> bool:
        """Whether a shared state waits for rows of this stream."""
        if self._shared is None or not stream.selected:
            return False
        return self._shared.covers[self._streams.index(stream)] > stream.acked_through

    def _due(self, stream: StreamWriter) -> bool:
        if stream.refreshing or stream.awaits_ack:
            return False
        enough = stream.open_bytes >= self._commit_bytes or stream.open_seconds >= self._commit_seconds
        return enough or not stream.uncommitted

    def _shared_due(self) -> bool:
        if any(stream.refreshing and not stream.awaits_ack for stream in self._streams):
            return False
        if time.monotonic() - self._shared_since >= self._commit_seconds:
            return True  # where one stream after the other ends, there may always be one that is being stored
        enough = sum(stream.open_bytes for stream in self._streams) >= self._commit_bytes
        return not self._ended and (enough or not any(stream.uncommitted for stream in self._streams))

    def _take_acks(self) -> None:
        for stream in [one for one in self._ended if one.is_acked]:
            self.commit(stream)

    def _is_behind_shared(self, stream: StreamWriter) -> bool:
        shared, pending = self._shared, stream.pending
        return shared is not None and pending is not None and pending.number > shared.number

    def _commit_shared(self) -> None:
        for stream in self._streams:
            self.commit(stream)
        shared, self._shared = self._shared, None
        self._shared_since = time.monotonic()
        if shared is not None:
            self._save_shared(shared)
        for stream in self._streams:
            if stream.pending is not None:
                self.commit(stream)

    def _save_shared(self, shared: _SharedState) -> None:
        covered = zip(self._streams, shared.covers, strict=True)
        if behind := [stream for stream, covers in covered if stream.acked_through < covers]:
            self._hold_back(behind)
        else:
            self._store(shared.key, shared.state, self._streams)

    def _hold_back(self, behind: Sequence[StreamWriter]) -> None:
        names = ", ".join(stream.id.key for stream in behind[:_NAMED])
        names += f" and {len(behind) - _NAMED} more" if len(behind) > _NAMED else ""
        self._add_problem(f"the state of all streams was not saved, because rows of {names} before it are not stored")

    def _store(self, key: str, state: bytes, streams: Sequence[StreamWriter]) -> None:
        def refused(error: SyncError) -> None:
            text = f"{_NOT_SAVED}: {error}"
            kind = of_store(error)
            for stream in streams:
                stream.fail(text, kind if kind is FailureKind.POSTGRES_REFUSED else FailureKind.STATE_LOST)

        self._save(key, state, refused)

    def _next_number(self) -> int:
        self._taken += 1
        return self._taken

    def _add_problem(self, problem: str) -> None:
        self.problem = self.problem or problem


def _counted(counted: Statistics) -> float:
    return counted.sent or 0.0


def _miscount(counted: Statistics, arrived: int) -> str:
    text = f"the source counted {_counted(counted):.15g} records up to its checkpoint, and {arrived} arrived"
    if _counted(counted) <= arrived:
        return text
    return f"{text}: no state from there on is saved, so that the next run reads the missing ones again"
