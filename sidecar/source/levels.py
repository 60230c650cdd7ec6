"""The levels of log lines, and how common logging libraries spell them."""

import re

LEVELS = frozenset({"INFO", "WARN", "ERROR", "DEBUG", "FATAL", "TRACE"})
_SPELLINGS = {
    spelling: level
    for level, spellings in {
        "TRACE": "TRC FINER FINEST",
        "DEBUG": "DBG FINE VERBOSE 10",
        "INFO": "INF INFORMATION INFORMATIONAL 20",
        "WARN": "WARNING WRN 30",
        "ERROR": "ERR SEVERE 40",
        "FATAL": "CRITICAL CRIT FTL PANIC ALERT EMERG EMERGENCY 50",
    }.items()
    for spelling in spellings.split()
}
"""Numbers are those of Python's logging."""
_FIRST_WORD = re.compile(r"[\W\d_]*(?:(?<=\d)T[\d:.,]+Z?[\W\d_]*)?([A-Za-z]+)")
"""Behind brackets and a time."""
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


def level_of(word: object) -> str:
    """Return the level of a word or number, whatever its spelling; "" if it names none."""
    # Of an enumeration's member, such as Level.WARN, the last part.
    text = _COLOURS.sub("", str(word)).strip(" []<>():").rpartition(".")[2].upper()
    return text if text in LEVELS else _SPELLINGS.get(text, "")


def of_line(text: str) -> str:
    """Return the level that the first word of a line of text names; "" if it names none."""
    first = _FIRST_WORD.match(_COLOURS.sub("", text))
    return level_of(first[1]) if first else ""
