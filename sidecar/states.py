"""STATE messages to the checkpoints: those that can be read, and of those that cannot, what can be saved of them."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from common import airbyte
from common.airbyte import UNREADABLE, Message, State, StateKind
from common.catalogs import ABSENT
from sidecar import surrogates
from sidecar.checkpoints import Checkpoints
from sidecar.connector import Connector
from sidecar.lanes import Lanes
from sidecar.messages import decode


class States:
    """Takes the states of one run."""

    def __init__(self, lanes: Lanes, checkpoints: Checkpoints, connector: Connector) -> None:
        self._lanes, self._checkpoints, self._connector = lanes, checkpoints, connector
        self.stated = False
        """Whether there was one at all."""

    def take_halves(self, line: bytes) -> bool:
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
        except UNREADABLE as error:
            self._connector.odd(f"a STATE message that cannot be read ({error})")
            return
        if state.kind == StateKind.STREAM and state.stream is not None:
            lane = self._lanes.find(state.stream.stream_descriptor)
            self._checkpoints.take_stream(lane, restore(bytes(state.stream.stream_state)), state.record_count)
        elif state.whole and not airbyte.says_nothing(bytes(state.whole[1])):
            key, content = state.whole
            self._checkpoints.take_shared(key, restore(bytes(content)), state.record_count)
        else:
            self._on_empty_state(state)
            return
        self.stated = True

    def _on_empty_state(self, state: State) -> None:
        """Its count counts; but it is nothing to go on from, so it takes no other's place."""
        if state.whole:
            self._checkpoints.count_shared(state.record_count)
            self.stated = self.stated or state.whole[1] != ABSENT
        self._connector.odd("a STATE message without the state of its type", state.type)
