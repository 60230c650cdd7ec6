"""syncctl.display.console: what reaches the terminal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from syncctl.display.console import Grid, Output, aligned_lines, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[/] [bold red] [link=x]", "[/] [bold red] [link=x]"),
        (":smile: 한글 🧑‍🚀", ":smile: 한글 🧑‍🚀"),
        ("a\x1b[2J\x07b", "a␛[2J␇b"),
        ("10%\r20%", "10%␍20%"),
        ("x\x7f\x9b31m", "x␡\\x9b31m"),
        ("\u202egpj.exe\u2066\u200b", "\\u202egpj.exe\\u2066\\u200b"),
        ("\ud800\U000e0041", "\\ud800\\U000e0041"),
        ("two\nlines\tand a tab", "two␊lines␉and a tab"),
    ],
)
def test_visible_keeps_letters_and_pictures_controls(text: str, shown: str) -> None:
    """Letters stay as they are; whatever could move, reorder or hide becomes visible."""
    assert visible(text) == shown


def test_visible_keeps_line_breaks_of_a_block() -> None:
    """A block of text keeps its lines, and only its lines."""
    assert visible("a\nb\tc\x0bd\u2028e", lines=True) == "a\nb\tc␋d\\u2028e"


@given(st.text())
def test_visible_text_is_printable(text: str) -> None:
    """No text that has become visible holds a control character, whatever it was."""
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in visible(text))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_escapes_mean_the_same(text: str) -> None:
    """What --json prints is one line that cannot disturb a terminal and parses to the original text."""
    printed = _printed(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(printed) == {"text": text}
    assert visible(printed.removesuffix("\n")) == printed.removesuffix("\n")


def test_json_keeps_digits() -> None:
    """Numbers pass through as they were written."""
    assert _printed('{"n": 9223372036854775808123, "f": 1.10}') == '{"n":9223372036854775808123,"f":1.10}\n'


def test_align_pads_all_but_the_last() -> None:
    """Plain columns line up, numbers to the right, and nothing trails behind the last."""
    grid = Grid(("name", "rows", "reason"), [("a[/]", "5", ""), ("longer", "1,000", "x\ny")], frozenset({"rows"}))
    assert aligned_lines(grid) == ["name     rows  reason", "a[/]        5", "longer  1,000  x␊y"]


def _printed(value: str) -> str:
    import contextlib
    import io

    buffer = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    with contextlib.redirect_stdout(buffer):
        Output(as_json=True).json(Raw(value.encode()))
        buffer.seek(0)
        return buffer.read()
