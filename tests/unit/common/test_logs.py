"""Log lines: one for each record, which nothing within it can break, or use to steer a terminal."""

import io
import json
import logging

import pytest

from common.logs import JsonFormatter, RedactingFormatter, TextFormatter

HOSTILE = "a\nERROR : forged\r\x1b[2J\x9b31m\x85\u2028b\u2029\u202ec\x7f\x00\u200b\ufeff\ud800\tend"
SHOWN = r"a\nERROR : forged\r\x1b[2J\x9b31m\x85\u2028b\u2029\u202ec\x7f\x00\u200b\ufeff\ud800\tend"
FORMATTERS = [TextFormatter(), JsonFormatter(), RedactingFormatter()]


def _fail() -> None:
    raise ValueError(HOSTILE)


@pytest.fixture
def lines() -> dict[logging.Formatter, str]:
    """What each formatter makes of the same hostile record."""
    try:
        _fail()
    except ValueError as error:
        cause = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "it failed: %s", (HOSTILE,), cause)
    record.pod = HOSTILE
    made = {}
    for formatter in FORMATTERS:
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(formatter)
        handler.emit(record)
        made[formatter] = handler.stream.getvalue()
    return made


@pytest.mark.fault(212)
@pytest.mark.parametrize("formatter", FORMATTERS, ids=lambda formatter: type(formatter).__name__)
def test_a_record_is_one_line_of_printable_text(
    lines: dict[logging.Formatter, str], formatter: logging.Formatter
) -> None:
    """Tracebacks too, which quote what they are about."""
    line = lines[formatter]
    assert line.endswith("\n")
    assert line[:-1].isprintable(), ascii(line)
    assert "ValueError" in line


def test_what_was_there_can_still_be_read(lines: dict[logging.Formatter, str]) -> None:
    """As escapes; the JSON holds the text as it was."""
    assert lines[FORMATTERS[0]].count(SHOWN) == 3, "message, extra, traceback"
    decoded = json.loads(lines[FORMATTERS[1]])
    assert decoded["pod"].encode("utf-8", "replace") == HOSTILE.encode("utf-8", "replace")
    assert lines[FORMATTERS[2]].startswith(f"ERROR : it failed: {SHOWN}\\nTraceback")


def test_other_letters_stay() -> None:
    """Only what steers is escaped."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "d\u00e9j\u00e0\u00a0vu \U0001f33b \\n", (), None)
    assert RedactingFormatter().format(record) == "INFO : d\u00e9j\u00e0\u00a0vu \U0001f33b \\n"


def test_a_secret_over_two_lines_is_masked() -> None:
    """Redaction comes before the escapes, which would hide a key from it."""
    formatter = RedactingFormatter(lambda text: text.replace("BEGIN\nMII\nEND", "***"))
    record = logging.LogRecord("x", logging.INFO, "", 0, "key: BEGIN\nMII\nEND", (), None)
    assert formatter.format(record) == "INFO : key: ***"
