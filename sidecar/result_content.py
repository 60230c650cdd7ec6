"""Which result of spec, check or discover has content, within what all who read it can hold."""

from typing import Any

import msgspec
from msgspec import Raw

from common.errors import Refused
from common.protocol import sizes
from common.protocol.messages import DECODE_ERRORS, ConnectionStatus, Discovered
from common.store.encoding import is_written_out
from sidecar.source import lenient

_CONTENTS: dict[str, msgspec.json.Decoder[Any]] = {
    "SPEC": msgspec.json.Decoder(dict[str, Raw]),
    "CATALOG": msgspec.json.Decoder(Discovered),
    "CONNECTION_STATUS": msgspec.json.Decoder(ConnectionStatus),
}
"""The content without which a result is unusable."""


def usable(kind: str, payload: Raw) -> Raw:
    """Return a result with content; of a check, words for people, without numbers that cannot be kept.

    Raise Refused, or one of DECODE_ERRORS.
    """
    try:
        _refuse_unbounded(payload)
        _CONTENTS[kind].decode(payload)
    except (*DECODE_ERRORS, Refused):
        if kind != "CONNECTION_STATUS" or len(payload) > sizes.RESULT_BYTES:
            raise
        mended = lenient.mended(bytes(payload))
        if not mended:
            raise
        payload = Raw(mended)
        _refuse_unbounded(payload)
        _CONTENTS[kind].decode(payload)
    return payload


def _refuse_unbounded(payload: bytes) -> None:
    """Raise Refused for a result that would take the memory of all who read it: functions, sidecars, Postgres."""
    if len(payload) > sizes.RESULT_BYTES:
        raise Refused(f"it has {len(payload):,} bytes, and at most {sizes.RESULT_BYTES:,} are kept")
    if is_written_out(payload):
        raise Refused("it has numbers such as 1e131071, which a table would hold with all their zeros")


def message_in(payload: Raw) -> str:
    """Return the message of an unusable result; "" if it has none, or is too long to look for one."""
    if len(payload) > sizes.RESULT_BYTES:
        return ""
    try:
        message = msgspec.json.decode(payload, type=dict[str, Any]).get("message")
    except DECODE_ERRORS:
        return ""
    return message.strip() if isinstance(message, str) else ""
