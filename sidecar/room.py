"""Measure states and a changed configuration before they are saved: a later task has to be given all of them."""

from collections.abc import Mapping

from common.errors import TooLarge
from common.protocol import resume, sizes
from common.protocol.states import GLOBAL_STATE_KEY, LEGACY_STATE_KEY

_SHARED = frozenset({GLOBAL_STATE_KEY, LEGACY_STATE_KEY})
_ROOM_BYTES = sizes.ROOM_BYTES - 16 * 1024
"""Less than functions allow: jsonb changes the order of members, and the next catalog may be a little longer."""


class Room:
    """What the next task with this configuration and catalog would be given, as far as this one knows."""

    def __init__(self, config: bytes, catalog: bytes = b"", given: bytes = b"") -> None:
        self._fixed = {"config": config, "catalog": catalog}
        self._states: Mapping[str, bytes] = resume.messages_by_key(given)
        self._spent = sum(map(len, (*self._fixed.values(), *self._states.values())))
        """No less than what all of it takes in a Secret."""

    def take_state(self, key: str, state: bytes) -> None:
        """Count a state in the place of its key's; raise TooLarge, and keep the one before, if it finds no room."""
        # A sync has one live kind.
        others = {} if key in _SHARED else {name: one for name, one in self._states.items() if name not in _SHARED}
        states = others | {key: resume.message_of_key(key, state)}
        total = sum(map(len, states.values()))
        if why := sizes.states_problem(len(state), total):
            raise TooLarge(why)
        spent = self._fit(self._fixed, states, len(states[key]))
        if spent is None:
            raise TooLarge(
                f"it has {len(state):,} bytes, and with this sync's other states, configuration and catalog does not "
                f"fit into a task's Secret of {sizes.SECRET_BYTES:,} bytes, not even compressed: {sizes.SPLIT}"
            )
        self._states, self._spent = states, spent

    def take_config(self, config: bytes) -> None:
        """Count a changed configuration; raise TooLarge, and keep the one before, if it finds no room."""
        if len(config) > sizes.CONFIG_BYTES:
            raise TooLarge(f"it has {len(config):,} bytes, and at most {sizes.CONFIG_BYTES:,} are kept")
        fixed = self._fixed | {"config": config}
        spent = self._fit(fixed, self._states, len(config))
        if spent is None:
            raise TooLarge(
                f"it has {len(config):,} bytes, and with catalog and states does not fit into a task's Secret of "
                f"{sizes.SECRET_BYTES:,} bytes, not even compressed"
            )
        self._fixed, self._spent = fixed, spent

    def _fit(self, fixed: Mapping[str, bytes], states: Mapping[str, bytes], more: int) -> int | None:
        """Return how much a Secret takes, at most, for `more` bytes than before; None if it cannot hold them.

        Compressed only once the bytes since the last time may have filled it: some connectors send thousands of states.
        """
        if self._spent + more <= _ROOM_BYTES:
            return self._spent + more
        parts = (*fixed.values(), b",".join(states.values()))
        spent = sum(min(len(part), len(sizes.pack(part))) for part in parts)
        return spent if spent <= _ROOM_BYTES else None
