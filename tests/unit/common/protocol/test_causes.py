"""Of what a connector writes about its failure, the words that explain it."""

import pytest

from common.protocol import causes
from common.protocol.messages import TraceError

STOCK = "Something went wrong in the connector. See the logs for more details."
PYTHON = 'Traceback (most recent call last):\n  File "source.py", line 8, in read\n    url = config["base_url"]\n'
MARKED = PYTHON + "          ~~~~~~^^^^^^^^^^^^\n"
CHAINED = f"{PYTHON}OSError: away\n\nDuring handling of the above exception, another exception occurred:\n\n{PYTHON}"
JAVA = "\tat garden.Check.run(Check.java:12)\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"{PYTHON}KeyError: 'base_url'\n", "KeyError: 'base_url'"),
        (f"'base_url'\n{MARKED}KeyError: 'base_url'", "KeyError: 'base_url'"),
        (f"Reading beds failed:\n{MARKED}KeyError: 'base_url'", "Reading beds failed: KeyError: 'base_url'"),
        (f"{CHAINED}ValueError: two\nlines", "ValueError: two\nlines"),
        (f"{STOCK}\n{PYTHON}ValueError: x", "ValueError: x"),
        (f"java.lang.RuntimeException: failed\n{JAVA}", "java.lang.RuntimeException: failed"),
        (f"no check\na.B: failed\n{JAVA}Caused by: c.D: refused\n{JAVA}\t... 3 more", "no check: c.D: refused"),
        ("two\nlines at noon", "two\nlines at noon"),
        ("Traceback (most recent call last):\ncut", "cut"),
        ("", ""),
    ],
)
def test_the_cause_in_a_traceback(text: str, cause: str) -> None:
    """Python's last line, Java's innermost cause, and what was written before them."""
    assert causes.of_traceback(text) == cause


@pytest.mark.parametrize(
    ("message", "internal", "trace", "sentence"),
    [
        (STOCK, "KeyError: 'base_url'", None, "Something went wrong in the connector: KeyError: 'base_url'"),
        (STOCK, "'base_url'", f"{PYTHON}KeyError: 'base_url'", "Something went wrong in the connector: KeyError: 'base_url'"),
        (STOCK, None, f"{PYTHON}KeyError: 'base_url'", "Something went wrong in the connector: KeyError: 'base_url'"),
        (STOCK, "no such bed", f"{PYTHON}a.AirbyteTracedException: no such bed", "Something went wrong in the connector: no such bed"),
        (STOCK, STOCK, f"{PYTHON}a.AirbyteTracedException: {STOCK}", STOCK),
        (STOCK, None, None, STOCK),
        (f"No way to bed 1: {STOCK}", "wilted", None, "No way to bed 1: Something went wrong in the connector: wilted"),
        ("An unexpected error occurred!", "wilted", None, "An unexpected error occurred: wilted"),
        ("Unknown error", "wilted", None, "Unknown error: wilted"),
        ("An unhandled exception has occurred. See the logs.", "wilted", None, "An unhandled exception has occurred: wilted"),
        ("", "Internal words", f"{PYTHON}ValueError: x", "Internal words"),
        (None, None, f"{PYTHON}ValueError: x", "ValueError: x"),
        (None, None, None, causes.NO_TEXT),
        ("Look into the log for details.", "KeyError: 'x'", None, "Look into the log for details."),
    ],
)  # fmt: skip
def test_an_error_that_explains_nothing_has_its_cause(
    message: object, internal: object, trace: object, sentence: str
) -> None:
    """The CDKs' stock phrase; any other message stays as it is."""
    assert TraceError(message, internal, trace).sentence == sentence


def test_a_long_text_takes_no_time() -> None:
    """No connector can hold the sidecar up with what it writes."""
    text = "a" + " " * 200_000 + STOCK
    assert not causes.is_vague(text)
    assert TraceError(text, "wilted").sentence == text


def test_a_completed_sentence_is_not_completed_twice() -> None:
    """A check that is refused in the very words of the error before it."""
    once = causes.explained(STOCK, "KeyError: 'base_url'")
    assert causes.explained(STOCK, once) == once
