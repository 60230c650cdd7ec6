"""STATE messages to the checkpoints: those that can be read, and of those that cannot, what can be saved of them."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from common.protocol import messages
from common.protocol.catalogs import MISSING
from common.protocol.messages import DECODE_ERRORS, Message, State, StateKind, StreamState
from sidecar.read.checkpoints import Checkpoints
from sidecar.read.streams import Streams
from sidecar.source import surrogates
from sidecar.source.decoding import decode
from sidecar.source.diagnostics import SourceDiagnostics


class StateMessages:
    """Takes the states of one run."""

    def __init__(self, streams: Streams, checkpoints: Checkpoints, diagnostics: SourceDiagnostics) -> None:
        self._streams, self._checkpoints, self._diagnostics = streams, checkpoints, diagnostics
        self.stated = False
        """Whether there was one at all."""

    def take_unpaired_surrogates(self, line: bytes) -> bool:
        """A STATE that could not be read; whether that was for halves of surrogate pairs alone, and it was taken."""
        [message, *more] = decode(surrogates.stand_in(line) + b"\n")
        if not isinstance(message, Message) or more:
            return False
        self.take(message.state, surrogates.restore)
        return True

    def take(self, raw: Raw, restore: Callable[[bytes], bytes] = bytes) -> None:
        """One state; `restore`: what is to be done to a state before it is kept."""
        try:
            state = msgspec.json.decode(raw, type=State)
        except DECODE_ERRORS as error:
            self._diagnostics.count_malformed(f"a STATE message that cannot be read ({error})")
            self.miss(raw, "its shape is unknown")
            return
        if state.kind == StateKind.STREAM and state.stream is not None:
            self._take_stream(state.stream, state.record_count, restore)
        elif state.shared and not messages.is_empty(bytes(state.shared[1])):
            key, content = state.shared
            self._checkpoints.take_shared(key, restore(bytes(content)), state.record_count)
        else:
            self._on_empty_state(raw, state)
            return
        self.stated = True

    def _take_stream(self, told: StreamState, counted: float | None, restore: Callable[[bytes], bytes]) -> None:
        writer, content = self._streams.find(told.stream_descriptor), bytes(told.stream_state)
        if writer.incremental and writer.resumes and messages.is_empty(content):
            # The one that the stream went on from is better than none: from none it would be read all over again.
            self._checkpoints.count_stream(writer, counted)
        else:
            self._checkpoints.take_stream(writer, restore(content), counted)

    def _on_empty_state(self, raw: Raw, state: State) -> None:
        """Its count counts; but it is nothing to go on from, so it takes no other's place."""
        if state.shared:
            self._checkpoints.count_shared(state.record_count)
            self.stated = self.stated or state.shared[1] != MISSING
        self._diagnostics.count_malformed("a STATE message without the state of its type", state.type)
        self.miss(raw, "it lacks the state of its type")

    def miss(self, raw: Raw, why: str) -> None:
        """A state that is not understood, unless there is nothing in it."""
        if _says_something(bytes(raw)):
            self._checkpoints.miss_state(why)


def _says_something(raw: bytes) -> bool:
    if raw[:1] not in {b"{", b"["}:
        return False
    try:
        members = msgspec.json.decode(raw, type=dict[str, Raw])
    except DECODE_ERRORS:
        members = {"": Raw(raw)}
    return any(not messages.is_empty(bytes(member)) for name, member in members.items() if name not in _BESIDE)


_BESIDE = frozenset({"type", "id", "sourceStats", "destinationStats"})
"""What stands in a STATE beside the state itself."""
