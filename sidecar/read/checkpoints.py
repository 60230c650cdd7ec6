"""Which state may be saved when: never before Bulker's 200 for every row it covers.

A stream's request goes on across its states until enough bytes or time have passed; then the newest covered
state is saved. A full refresh goes on to the stream's end, so that the table changes at once. A GLOBAL or LEGACY
state covers every stream, so it waits for all of them; it is held back for good where one of them has lost rows.

Rows that came after the newest state end in the same request. If the run fails they come again in the next one:
without a key they are then there twice. That is the lesser evil: breaking the request off would lose the rows that
the state does cover, up to 100 MB or 30 s of them.
"""

import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from common.failures import FailureKind
from sidecar.read.stream import PendingState, StreamWriter
from sidecar.read.streams import Streams

Save = Callable[[str, bytes, Callable[[str], None]], None]
"""Saves one state under its key, sooner or later; calls back with the reason where it never can."""
_TICK_SECONDS = 0.25
_NAMED = 5
_PAST_GAP = "its state was not saved: rows before it were given up. The next run reads them again"


class _Shared(Struct, frozen=True):
    """A state of all streams: writer n had reached `covers[n]` when it came."""

    key: str
    state: bytes
    covers: list[int]


class Checkpoints:
    """Takes states as they come and saves them when their rows are safe."""

    def __init__(self, streams: Streams, save: Save, *, commit_bytes: int, commit_seconds: float) -> None:
        self.problem = ""
        self._all, self._streams = streams, streams.known
        self._save = save
        self._commit_bytes = commit_bytes
        self._commit_seconds = commit_seconds
        self._shared: _Shared | None = None
        self._shares = False
        self._shared_since = time.monotonic()
        self._tick_at = 0.0

    def take_stream(self, writer: StreamWriter, state: bytes, counted: float | None) -> None:
        """A STREAM state has come; `counted` is what the source says that it emitted since the one before."""
        self.count_stream(writer, counted)
        if writer.closed:
            return
        if writer.past_gap:
            writer.fail(_PAST_GAP, FailureKind.STATE_LOST)
            return
        writer.pending = PendingState(state, writer.reached)
        if self._due(writer):
            self.commit(writer)

    def count_stream(self, writer: StreamWriter, counted: float | None) -> None:
        """What the source says that a stream has emitted since the state before."""
        writer.last_was_state = True
        if counted is not None and counted != writer.since_state:
            writer.fail(_miscount(counted, writer.since_state))
            if counted > writer.since_state:
                writer.mark_gap()
        writer.since_state = 0

    def take_shared(self, key: str, state: bytes, counted: float | None) -> None:
        """A GLOBAL or LEGACY state has come; its count is of all streams together."""
        self.count_shared(counted)
        self._shares = True
        if leaping := [writer for writer in self._streams if writer.past_gap]:
            self._hold_back(leaping)
            return
        self._shared = _Shared(key, state, [writer.reached for writer in self._streams])
        if self._shared_due():
            self._commit_shared()

    def count_shared(self, counted: float | None) -> None:
        """What the source says that all streams together have emitted since the state before."""
        arrived = sum(writer.since_state for writer in self._all.all)
        if counted is not None and counted != arrived:
            self._worry(_miscount(counted, arrived))
            if counted > arrived:
                for writer in self._streams:
                    writer.mark_gap()
        for writer in self._all.all:
            writer.since_state, writer.last_was_state = 0, True

    def miss_state(self, why: str) -> None:
        """A STATE that cannot be read: whatever it covered, nobody can go on from it."""
        self._worry(f"a STATE message could not be read, so it was not saved: {why}")

    def tick(self) -> None:
        """Commits what is due. Call it whenever time has passed."""
        now = time.monotonic()
        if now < self._tick_at:
            return
        self._tick_at = now + _TICK_SECONDS
        for writer in self._streams:
            if writer.must_rotate or (writer.pending is not None and self._due(writer)):
                self.commit(writer)
        if self._shared is not None and self._shared_due():
            self._commit_shared()

    def commit(self, writer: StreamWriter) -> None:
        """Ends a stream's request, if Bulker takes it, and saves the state that it covers."""
        if not writer.commit():
            return
        pending, writer.pending = writer.pending, None
        if pending is None:
            return
        if writer.acked_through < pending.covers:
            writer.fail(_PAST_GAP, FailureKind.STATE_LOST)
            return
        self._store(writer.id.key, pending.state, [writer])

    def give_up(self, writer: StreamWriter, *, goes_on: bool) -> None:
        """A stream will not complete; `goes_on`: others still do.

        A full refresh is broken off: the table stays as it was. So is a request of an incremental stream that no
        state covers: its rows come again. Where a state does cover rows, they are committed and it is saved. In a
        first run this puts a part in the place of the table's old rows, and that is right: the saved state is what
        lets the next run add the rest, while the old rows belong to a history that was given up. A state of all
        streams that may still come will cover them too.
        """
        covered = writer.pending is not None or self._covers(writer) or (goes_on and self._shares)
        if writer.incremental and covered:
            self.commit(writer)
        else:
            writer.pending = None
            writer.abort()

    def finish(self) -> None:
        """The end of the run: the last shared state, if all streams' rows before it are safe."""
        if self._shared is not None:
            self._commit_shared()

    def _covers(self, writer: StreamWriter) -> bool:
        """Whether a shared state waits for rows of this stream, if it is a selected one."""
        if self._shared is None or not writer.selected:
            return False
        return self._shared.covers[self._streams.index(writer)] > writer.acked_through

    def _due(self, writer: StreamWriter) -> bool:
        if writer.replacing and not writer.incremental:
            return False
        enough = writer.open_bytes >= self._commit_bytes or writer.open_seconds >= self._commit_seconds
        return enough or not writer.uncommitted

    def _shared_due(self) -> bool:
        if any(writer.replacing and not writer.incremental for writer in self._streams):
            return False
        enough = sum(writer.open_bytes for writer in self._streams) >= self._commit_bytes
        late = time.monotonic() - self._shared_since >= self._commit_seconds
        return enough or late or not any(writer.uncommitted for writer in self._streams)

    def _commit_shared(self) -> None:
        for writer in self._streams:
            self.commit(writer)
        shared, self._shared = self._shared, None
        self._shared_since = time.monotonic()
        if shared is None:
            return
        if behind := [
            writer for writer, covers in zip(self._streams, shared.covers, strict=True) if writer.acked_through < covers
        ]:
            self._hold_back(behind)
        else:
            self._store(shared.key, shared.state, self._streams)

    def _hold_back(self, behind: Sequence[StreamWriter]) -> None:
        names = ", ".join(writer.id.key for writer in behind[:_NAMED])
        names += f" and {len(behind) - _NAMED} more" if len(behind) > _NAMED else ""
        self._worry(f"the state of all streams was not saved, because rows of {names} before it are not stored")

    def _store(self, key: str, state: bytes, streams: Sequence[StreamWriter]) -> None:
        def refused(why: str) -> None:
            for writer in streams:
                writer.fail(
                    f"its state could not be saved, the next run reads from the one before: {why}",
                    FailureKind.STATE_LOST,
                )

        self._save(key, state, refused)

    def _worry(self, problem: str) -> None:
        self.problem = self.problem or problem


def _miscount(counted: float, arrived: int) -> str:
    text = f"the source counted {counted:.15g} records up to its checkpoint, and {arrived} arrived"
    if counted <= arrived:
        return text
    return f"{text}: no state from there on is saved, so that the next run reads the missing ones again"
