"""Which state may be saved when: never before Bulker's 200 for every row it covers.

A stream's request goes on across its states until enough bytes or time have passed; then the newest covered
state is saved. A request that replaces a whole table goes on to the stream's end, so that the table changes at
once. A GLOBAL or LEGACY state covers every stream.
"""

import time
from collections.abc import Callable, Mapping

from common.airbyte import ABSENT, GLOBAL_STATE_KEY, LEGACY_STATE_KEY, State, StateKind
from common.errors import SyncError
from sidecar.streams import ROTATE_SECONDS, Lane, PendingState

Save = Callable[[str, bytes], None]
"""Saves one state under its key, or raises SyncError."""


class Checkpoints:
    """Takes states as they come and saves them when their rows are safe."""

    def __init__(self, lanes: Mapping[str, Lane], save: Save, *, commit_bytes: int, commit_seconds: float) -> None:
        self.saved = 0
        self.problem = ""
        self._lanes = lanes
        self._save = save
        self._commit_bytes = commit_bytes
        self._commit_seconds = commit_seconds
        self._shared: PendingState | None = None
        self._shared_since = time.monotonic()

    def take(self, state: State, lane: Lane | None) -> None:
        """A STATE has come; `lane` is its stream's, for a STREAM state."""
        kind = state.type or StateKind.LEGACY
        if kind == StateKind.STREAM and state.stream is not None:
            if lane is not None:
                self._take_stream(state, lane)
            return
        self._settle_counts(state)
        if kind == StateKind.GLOBAL:
            self._shared = PendingState(GLOBAL_STATE_KEY, bytes(state.global_))
        elif state.data != ABSENT:
            self._shared = PendingState(LEGACY_STATE_KEY, bytes(state.data))
        self.tick()

    def tick(self) -> None:
        """Commits what is due. Call it whenever time has passed."""
        for lane in self._lanes.values():
            if lane.open_seconds > ROTATE_SECONDS or (lane.pending is not None and self._due(lane)):
                self.commit(lane)
        if self._shared is not None and self._shared_due():
            self._commit_shared()

    def commit(self, lane: Lane) -> bool:
        """Ends a stream's request and saves the state that it covers."""
        if not lane.commit():
            return False
        pending, lane.pending = lane.pending, None
        if pending is not None:
            self._store(pending, lane)
        return True

    def finish(self) -> None:
        """The end of the run: the last shared state, if all streams' rows are safe."""
        if self._shared is not None:
            self._commit_shared()

    def _take_stream(self, state: State, lane: Lane) -> None:
        lane.last_was_state = True
        emitted, lane.since_state = lane.since_state, 0
        counted = state.sourceStats.recordCount if state.sourceStats else None
        if counted is not None and counted != emitted:
            lane.fail(f"the source counted {counted:g} records up to its checkpoint, and {emitted} arrived")
        if lane.dead or state.stream is None:
            return
        lane.pending = PendingState(lane.id.key, bytes(state.stream.stream_state))
        if self._due(lane):
            self.commit(lane)

    def _settle_counts(self, state: State) -> None:
        """A shared state counts the records of all streams together."""
        emitted = sum(lane.since_state for lane in self._lanes.values())
        counted = state.sourceStats.recordCount if state.sourceStats else None
        if counted is not None and counted != emitted:
            self.problem = self.problem or (
                f"the source counted {counted:g} records up to a checkpoint, and {emitted} arrived"
            )
        for lane in self._lanes.values():
            lane.since_state = 0
            lane.last_was_state = True

    def _due(self, lane: Lane) -> bool:
        if lane.replacing and not lane.incremental:
            return False
        enough = lane.open_bytes >= self._commit_bytes or lane.open_seconds >= self._commit_seconds
        return enough or not lane.uncommitted

    def _shared_due(self) -> bool:
        lanes = self._lanes.values()
        if any(lane.replacing and not lane.incremental for lane in lanes):
            return False
        enough = sum(lane.open_bytes for lane in lanes) >= self._commit_bytes
        late = time.monotonic() - self._shared_since >= self._commit_seconds
        return enough or late or not any(lane.uncommitted for lane in lanes)

    def _commit_shared(self) -> None:
        shared, self._shared = self._shared, None
        self._shared_since = time.monotonic()
        safe = [lane.commit() for lane in self._lanes.values() if not _irrelevant(lane)]
        if shared is not None and all(safe):
            self._store(shared, *self._lanes.values())

    def _store(self, pending: PendingState, *lanes: Lane) -> None:
        try:
            self._save(pending.key, pending.state)
            self.saved += 1
        except SyncError as error:
            for lane in lanes:
                lane.fail(f"its state could not be saved, the next run reads from the one before: {error.message}")


def _irrelevant(lane: Lane) -> bool:
    """A stream that sent nothing, or that the catalog does not know, holds no shared state back."""
    return lane.dead and lane.sent == 0 and not lane.touched
