"""The connector's last lines: the reason of a bad end where nothing better is known."""

from collections import deque
from collections.abc import Callable

_KEPT = 12
LINE_CHARACTERS = 2000
"""How much of a line the reason of a failure may quote; the log has more of it."""


class LastLines:
    """Keep the last lines of a log. Their secrets are redacted only once the lines are asked for."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._lines: deque[str] = deque(maxlen=_KEPT)

    def add(self, texts: list[str]) -> None:
        """Keep the last of these lines (at least one)."""
        last = texts[-_KEPT:]
        if max(map(len, last)) > LINE_CHARACTERS:
            last = [short(self._redact(text)) for text in last]
        self._lines.extend(last)

    @property
    def last(self) -> str:
        """The last line; "" without one."""
        return self._redacted[-1] if self._lines else ""

    @property
    def text(self) -> str:
        """All that are kept."""
        return "\n".join(self._redacted).strip()

    @property
    def _redacted(self) -> list[str]:
        return [short(self._redact(text)) for text in self._lines]


def short(text: str) -> str:
    """Return a line as a reason may quote it; redact it first, since half a secret would not be found."""
    return text if len(text) <= LINE_CHARACTERS else f"{text[:LINE_CHARACTERS]} ..."
