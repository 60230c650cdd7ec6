"""Find the cause in a connector's words: in a traceback, and beside a sentence that only points at the log."""

import re

NO_TEXT = "The connector reported an error without a text."
_TO_THE_LOG = (
    r"\W*(?:(?:please )?(?:see|check|look (?:at|in|into)) (?:the |your )?(?:\w+ )?logs?"
    r"(?: for (?:more |further )?\w+)?\W*)?"
)
_VAGUE = re.compile(
    r"(?:something went wrong|(?:an? )?(?:(?:unexpected|unknown|unhandled|internal) )+(?:server )?(?:error|exception)"
    r"|(?:an? )?(?:(?:unexpected|unknown|unhandled|internal) )*(?:error|exception) (?:has )?(?:occurred|happened))"
    rf"(?: in the (?:connector|source))?{_TO_THE_LOG}"
    rf"|.*\bsomething went wrong in the connector\b{_TO_THE_LOG}",
    re.IGNORECASE | re.DOTALL,
)
_TAIL = re.compile(rf"{_TO_THE_LOG}$", re.IGNORECASE)
_MOST_CHARACTERS = 500
"""Longer texts explain something, and would take the patterns long."""
_NOTHING = frozenset({"", "none", "null", "exception()"})
_QUOTES = "'\"` "
_TRACEBACK = "Traceback (most recent call last):"
_PYTHON_FRAME = '  File "'
_FRAME = re.compile(r"\s+at [^()\s]+.*")
_CAUSED = "Caused by: "
_WRAPPER = "TracedException"
"""An exception of the CDK whose text is the message of another one."""


def is_vague(text: str) -> bool:
    """Return whether a text explains nothing: the stock phrases of the CDKs, an empty one in quotes, None."""
    if len(text) > _MOST_CHARACTERS:
        return False
    return text == NO_TEXT or text.strip(_QUOTES).lower() in _NOTHING or _VAGUE.fullmatch(text.strip()) is not None


def explained(text: str, cause: str) -> str:
    """Return a vague text with its cause, both if there are both."""
    head = _TAIL.sub("", text.strip(_QUOTES), count=1)
    if not cause or is_vague(cause):
        return text or cause
    if head.lower() in _NOTHING or text == NO_TEXT or cause.lower().startswith(head.lower()):
        return cause
    return f"{head}: {cause}"


def of_traceback(text: str) -> str:
    """Return the exception that a traceback ends with (Java's begins with it), with the words before; else the text."""
    if _TRACEBACK in text:
        head, cause = text.partition(_TRACEBACK)[0], _python(text.rpartition(_TRACEBACK)[2])
    else:
        head, cause = _java(text.splitlines())
    head, cause = head.strip(), cause.strip() or text.strip()
    return cause if head in cause or is_vague(head) else f"{head.rstrip(':')}: {cause}"


def of_error(internal: str, stack_trace: str) -> str:
    """Return the cause that an error's other members name; "" if they name none."""
    internal, raised = of_traceback(internal), of_traceback(stack_trace)
    kind, _, words = raised.partition(": ")
    if kind.endswith(_WRAPPER):
        raised = words
    if not internal or is_vague(internal):
        return "" if is_vague(raised) else raised
    # The internal message of a KeyError is only the key.
    return raised if internal in raised and not is_vague(raised) else internal


def _python(trace: str) -> str:
    """Return what follows the last frame."""
    lines = trace.strip("\n").splitlines()
    last = max((number for number, line in enumerate(lines) if line.startswith(_PYTHON_FRAME)), default=-1)
    rest = lines[last + 1 :]
    while len(rest) > 1 and rest[0].startswith("    "):
        rest = rest[1:]
    return "\n".join(rest) if last >= 0 else "".join(lines[-1:])


def _java(lines: list[str]) -> tuple[str, str]:
    """Return what stands before the exception, and the exception; nothing if there are no frames."""
    first = next((number for number, line in enumerate(lines) if number and _FRAME.fullmatch(line)), 0)
    if not first:
        return "", ""
    caused = [line.removeprefix(_CAUSED) for line in lines if line.startswith(_CAUSED)]
    return "\n".join(lines[: first - 1]), (caused or [lines[first - 1]])[-1]
