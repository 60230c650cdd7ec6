"""Bound the texts beside a task's streams together: its row, written every 3 s, and a page of tasks hold them all.

One text has a bound where it comes to be. A connector with thousands of streams can fail each of them.
"""

from typing import Any

MOST_BYTES = 256 * 1024
_LEAST_BYTES = 40
"""What each may have in any case: of more streams their names alone take longer."""
_TEXTS = ("error", "note")
_CUT = " ..."


def bounded(streams: dict[str, Any]) -> dict[str, Any]:
    """Return the streams' accounts with the longest errors and notes cut, so that all of them fit."""
    sizes = sorted(len(text.encode()) for stream in streams.values() for text in _texts(stream))
    if sum(sizes) <= MOST_BYTES:
        return streams
    limit = max(_share(sizes), _LEAST_BYTES)
    return {key: stream | {name: _short(stream.get(name), limit) for name in _long(stream, limit)}
            for key, stream in streams.items()}  # fmt: skip


def _texts(stream: dict[str, Any]) -> list[str]:
    return [text for name in _TEXTS if isinstance(text := stream.get(name), str) and text]


def _share(sizes: list[int]) -> int:
    """Return to how many bytes texts of these sizes, shortest first, have to be cut: short ones leave room."""
    room = MOST_BYTES
    for at, size in enumerate(sizes):
        if size * (len(sizes) - at) > room:
            return room // (len(sizes) - at)
        room -= size
    return MOST_BYTES


def _long(stream: dict[str, Any], limit: int) -> list[str]:
    return [name for name in _TEXTS if isinstance(stream.get(name), str) and len(stream[name].encode()) > limit]


def _short(text: Any, limit: int) -> str:
    kept = str(text).removesuffix(_CUT).encode()[: limit - len(_CUT)]
    return kept.decode(errors="ignore") + _CUT
