"""Blocks of lines to messages: a whole block at once, or line by line if one line of it is bad."""

import io
from collections.abc import Sequence

from common import nesting
from common.protocol.messages import DECODE_ERRORS, Message
from sidecar.source.salvage import BadLine, decode_line, decoder

_LONG_BLOCK_BYTES = 1024 * 1024
"""Larger than any chunk: such a block holds a long line, which is not worth a copy."""


def decode(block: bytes) -> Sequence[Message | BadLine]:
    """Return all messages of a block of whole lines, in order; blank lines are left out.

    A block that is not one message a line is taken line by line, so that the result does not depend on how the output
    was cut into blocks: the decoder itself ignores line ends.
    """
    messages = decode_plain(block)
    return [message for line in block.split(b"\n") for message in decode_line(line)] if messages is None else messages


def decode_plain(block: bytes) -> list[Message] | None:
    """Return the messages of a block of whole lines; None if they are not as many as its lines.

    Where two are glued on one line and another one takes two, that is not seen: a payload may hold line feeds.
    """
    try:
        messages = decoder.decode_lines(block)
    except DECODE_ERRORS:
        messages = []
    return messages if _is_plain(block, len(messages)) else None


def _is_plain(block: bytes, count: int) -> bool:
    """Return whether a block from which `count` messages were decoded is as many lines, none of them too deep."""
    if len(block) <= _LONG_BLOCK_BYTES:
        # Finds line ends many bytes at a time; `count` looks at each byte.
        lines = io.BytesIO(block).readlines()
        return len(lines) == count and not nesting.any_is_deep(block, lines)
    # From line to line, without a copy of each.
    found = end = 0
    while (end := block.find(b"\n", end) + 1) > 0:
        found += 1
    return found == count and block.count(b"[") + block.count(b"{") <= nesting.MAX_DEPTH
