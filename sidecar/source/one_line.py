"""Join payloads by line feeds: none may be within one. JSON has it only between its tokens, where a blank serves."""

from collections.abc import Sequence

from msgspec import Raw


def join(seam: bytes, payloads: Sequence[Raw]) -> bytes:
    """Return payloads (at least one), each without a line feed, with a seam that has one between them."""
    joined = seam.join(payloads)
    # Twice as fast as bytes.count, which looks at each byte.
    if len(joined) - len(joined.replace(b"\n", b"")) < len(payloads):
        return joined
    return seam.join([payload.replace(b"\n", b" ") for payload in map(bytes, payloads)])
