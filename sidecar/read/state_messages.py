"""STATE messages of a read, handed to the checkpoints; of unreadable ones whatever can be saved."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw

from common.protocol.catalogs import MISSING, StreamId
from common.protocol.messages import DECODE_ERRORS, Message, is_empty
from common.protocol.states import StateKind, StateMessage, Statistics, StreamState
from sidecar.read.checkpoints import Checkpoints
from sidecar.read.starts import is_shared
from sidecar.read.stream import StreamWriter
from sidecar.read.streams import Streams
from sidecar.source import surrogates
from sidecar.source.decoding import decode
from sidecar.source.diagnostics import SourceDiagnostics
from sidecar.source.salvage import BadLine, Fault

_OUTSIDE = frozenset({"type", "id", "sourceStats", "destinationStats"})
"""Members of a STATE beside the state itself."""
_QUOTED = "it stands behind words, where others have lines to themselves, so that it may be quoted"


class StateMessages:
    """Take the STATE messages of one run; `given` is the content of `--state`."""

    def __init__(
        self, streams: Streams, checkpoints: Checkpoints, diagnostics: SourceDiagnostics, given: bytes
    ) -> None:
        self._streams, self._checkpoints, self._diagnostics = streams, checkpoints, diagnostics
        self._shares = is_shared(given)
        self._quoted: set[StreamWriter] = set()
        """Streams with rows that only a quoted state covers."""
        self._positioned: set[StreamId] = set()
        """Streams that sent a state with content."""
        self.stated = False
        """Whether there was a state at all."""

    def take_line(self, line: BadLine, *, others_alone: bool) -> bool:
        """Take a STATE that is no message on a line of its own, if it can be; return whether that is settled.

        One behind words counts only if no message had a line to itself: else words may quote any state, and the next
        real one covers the same rows. If none comes, `finish` tells.
        """
        if line.fault is not Fault.QUOTED:
            return self._take_unpaired_surrogates(line.state)
        if others_alone:
            self._quoted |= {stream for stream in self._named(line.state) if stream.account.since_state}
        else:
            self.take(Raw(line.state))
        return True

    def finish(self) -> None:
        """Report states that were not saved, and may have been more than a quotation."""
        for stream in self._streams.all:
            if stream in self._quoted:
                self._checkpoints.lose_state(stream, _QUOTED)

    def _named(self, raw: bytes) -> Sequence[StreamWriter]:
        """Return the streams that a state is about: all, if it does not show that."""
        try:
            state = msgspec.json.decode(raw, type=StateMessage)
        except DECODE_ERRORS:
            return self._streams.all
        only = state.kind == StateKind.STREAM and state.stream is not None
        return [self._streams.find(state.stream.stream_descriptor)] if only and state.stream else self._streams.all

    def _take_unpaired_surrogates(self, line: bytes) -> bool:
        """Take an unreadable STATE line if only unpaired surrogates made it so; return whether they did."""
        [message, *more] = decode(surrogates.stand_in(line) + b"\n")
        if not isinstance(message, Message) or more:
            return False
        self.take(message.state, surrogates.restore)
        return True

    def take(self, raw: Raw, restore: Callable[[bytes], bytes] = bytes) -> None:
        """Take one state; `restore` turns its content into what the source sent."""
        try:
            state = msgspec.json.decode(raw, type=StateMessage)
        except DECODE_ERRORS as error:
            self._diagnostics.count_malformed(f"a STATE message that cannot be read ({error})")
            self.miss(raw, "its shape is unknown")
            return
        if state.kind == StateKind.STREAM and state.stream is not None:
            self._take_stream(state.stream, state.statistics, restore)
        elif state.shared and not is_empty(bytes(state.shared[1])):
            key, content = state.shared
            self._shares = True
            self._checkpoints.take_shared(key, restore(bytes(content)), state.statistics)
        else:
            self._on_empty_state(raw, state)
            return
        self.stated = True
        if self._quoted:
            self._quoted = {stream for stream in self._quoted if stream.account.since_state}

    def miss(self, raw: Raw, why: str) -> None:
        """Note a state that cannot be saved, unless it is empty."""
        if _has_content(bytes(raw)):
            self._checkpoints.miss_state(why)

    def _take_stream(self, state: StreamState, counted: Statistics, restore: Callable[[bytes], bytes]) -> None:
        stream, content = self._streams.find(state.stream_descriptor), bytes(state.stream_state)
        empty = is_empty(content)
        if not empty and (twin := self._streams.twin(stream)):
            self._checkpoints.lose_state(stream, f"the catalog has the name {stream.id.name} {twin}")
        if self._is_useless(stream, empty=empty):
            self._checkpoints.count_stream(stream, counted)
        else:
            if not empty:
                self._positioned.add(stream.id)
            self._checkpoints.take_stream(stream, restore(content), counted)

    def _is_useless(self, stream: StreamWriter, *, empty: bool) -> bool:
        """Return whether a state, once saved, would only replace one that the next run needs.

        No run is given that of a full refresh, unless it went on from one. Some sources send it beside GLOBAL ones.
        """
        if stream.incremental:
            return empty and (stream.resumes or stream.id in self._positioned)
        return self._shares and not stream.resumes

    def _on_empty_state(self, raw: Raw, state: StateMessage) -> None:
        """Its count counts; but it is nothing to go on from, so it takes no other's place."""
        if state.shared:
            self._checkpoints.count_shared(state.statistics)
            self.stated = self.stated or state.shared[1] != MISSING
        self._diagnostics.count_malformed("a STATE message without the state of its type", state.type)
        self.miss(raw, "it lacks the state of its type")


def _has_content(raw: bytes) -> bool:
    if raw[:1] not in {b"{", b"["}:
        return False
    try:
        members = msgspec.json.decode(raw, type=dict[str, Raw])
    except DECODE_ERRORS:
        members = {"": Raw(raw)}
    return any(not is_empty(bytes(member)) for name, member in members.items() if name not in _OUTSIDE)
