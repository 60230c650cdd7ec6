"""Checks the bodies and names of requests that change saved states."""

import msgspec
from msgspec import Raw

from common.errors import BadRequest
from common.protocol import saved
from common.protocol.saved import SHARED
from common.tasks import bodies

_LONGEST = 1000
_SHOWN = frozenset({"ok", "syncId", "kind", "savedAt", "activeTask", "undo"})
"""What GET shows beside the states: its answer can be sent back as it is."""
_EXPECTED = (
    'expected {"states": {STREAM: STATE, ...}}, as GET answers, or an array of STATE messages, as connectors are given'
)


def check_stream(name: str) -> str:
    """Return the key of a stream, or that of a state of all."""
    if not name or len(name) > _LONGEST or bodies.UNPRINTABLE.search(name):
        raise BadRequest("The stream in the path is not usable: expected its name, or namespace.name.")
    return name


def parse_one(body: bytes, key: str) -> bytes:
    """Return the state that a body is."""
    bodies.check_json(body)
    state = msgspec.json.format(body.strip(), indent=-1)
    saved.check(key, state, key)
    return state


def parse_all(body: bytes) -> dict[str, bytes]:
    """Return the states of a body by key: those of one kind."""
    document = bodies.check_json(body)
    if isinstance(document, list):
        messages = msgspec.json.decode(body, type=list[Raw])
        return {key: msgspec.json.format(state, indent=-1) for key, state in saved.of_messages(messages).items()}
    if not isinstance(document, dict) or not isinstance(document.get("states"), dict):
        raise BadRequest(f"The body is not usable: {_EXPECTED}.")
    if unknown := sorted(document.keys() - _SHOWN - {"states"}):
        raise BadRequest(f"Unknown member {bodies.shown(unknown[0])} of the body: {_EXPECTED}.")
    raws = msgspec.json.decode(msgspec.json.decode(body, type=dict[str, Raw])["states"], type=dict[str, Raw])
    found = {check_stream(key): msgspec.json.format(bytes(raw), indent=-1) for key, raw in raws.items()}
    for key, state in found.items():
        saved.check(key, state, f"states.{key}")
    if len(found) > 1 and (shared := found.keys() & SHARED.keys()):
        raise BadRequest(f"states.{min(shared)}: expected no other beside it, since it is the state of all streams.")
    return found
