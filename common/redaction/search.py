"""Find which forms of secrets occur in a text, and mask them.

Of few forms each is searched for itself: many times faster than one regular expression for all. A connector may change
thousands of secrets: of so many, only those are searched of which four characters in the middle occur in the text.
"""

from collections import defaultdict
from collections.abc import Iterable

from common.redaction.forms import COMMON_WORD, LOG_WORDS, SHORTEST, alone, assigned

MASK = "********"
_FEW = 500


class Forms:
    """Forms of secrets in all spellings, the longest first: one may be a part of another."""

    def __init__(self, forms: Iterable[str] = ()) -> None:
        self.ordered = sorted({form for form in forms if len(form) >= SHORTEST}, key=len)[::-1]
        self._by_middle: dict[str, list[int]] = defaultdict(list)
        if len(self.ordered) > _FEW:
            for number, form in enumerate(self.ordered):
                self._by_middle[_middle(form)].append(number)

    def candidates(self, text: str) -> list[str]:
        """Return the forms that may occur in a text, the longest first."""
        if not self._by_middle:
            return self.ordered
        pieces = {text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1)}
        return [self.ordered[number] for number in sorted(self._numbers(pieces))]

    def _numbers(self, pieces: set[str]) -> Iterable[int]:
        return (number for piece in pieces & self._by_middle.keys() for number in self._by_middle[piece])

    def occur(self, text: str) -> bool:
        """Return whether one of them is in a text."""
        return any(form in text for form in self.candidates(text))

    def mask(self, text: str) -> str:
        """Return the text with each of them replaced."""
        for form in self.candidates(text):
            if form in text:
                if COMMON_WORD.fullmatch(form):
                    text = (assigned if form.lower() in LOG_WORDS else alone)(form).sub(MASK, text)
                else:
                    text = text.replace(form, MASK)
        return text


def _middle(form: str) -> str:
    start = (len(form) - SHORTEST) // 2
    return form[start : start + SHORTEST]
