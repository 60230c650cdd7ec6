"""What the user sees: words on standard output, progress and errors on standard error.

Texts that came from a connector or a deployment pass through `visible` and are never taken for markup. With
`--json`, standard output holds JSON alone, one value a line.
"""

import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_FORMATS = "\u200b\u200e\u200f\u061c\u00ad\ufeff\u2028\u2029\u202a-\u202e\u2060-\u206f\ufff9-\ufffb"
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_UNSAFE = re.compile(f"[{_CONTROLS}{_FORMATS}\ud800-\udfff\U000e0000-\U000e007f]")
_UNSAFE_IN_A_LINE = re.compile(f"[\t\n{_UNSAFE.pattern[1:]}")
WIDE = 150
"""Columns of a terminal that can show a list of tasks with everything in it."""
STATE_STYLES = {
    "SUCCESS": "green",
    "PARTIAL": "yellow",
    "FAILED": "red",
    "CANCELLED": "magenta",
    "RUNNING": "cyan",
    "PENDING": "dim",
}


class Grid(NamedTuple):
    """A table before it is drawn: `right` names the columns of numbers, `whole` those that never wrap either."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()


def visible(text: str, *, lines: bool = False) -> str:
    """The text with all that could move the cursor, reorder letters or hide made visible: ␛, ␍, \\u202e.

    `lines` keeps line breaks and tabs, for texts that are shown as a block.
    """
    return (_UNSAFE if lines else _UNSAFE_IN_A_LINE).sub(_picture, text)


class Output:
    """Both streams. `as_json` turns `data` on and `say` and `table` off."""

    def __init__(self, *, as_json: bool = False) -> None:
        for stream in (sys.stdout, sys.stderr):
            # A terminal or a pipe that is not UTF-8 gets escapes, not a UnicodeEncodeError.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # standard streams are text wrappers
        self.as_json = as_json
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    @property
    def is_live(self) -> bool:
        """Whether a display can be redrawn in place."""
        return self.out.is_terminal and not self.out.is_dumb_terminal and not self.as_json

    @property
    def narrow(self) -> bool:
        """Whether a wide table would be squeezed; a pipe has room for everything."""
        return self.out.is_terminal and self.out.width < WIDE

    def print(self, text: str = "", style: str = "") -> None:
        """A text of ours or theirs on standard output, letter for letter, as a block."""
        if not self.as_json:
            self.out.print(Text(visible(text, lines=True), style), soft_wrap=True)

    def render(self, renderable: RenderableType) -> None:
        """Something drawn, on standard output."""
        if not self.as_json:
            self.out.print(renderable, soft_wrap=isinstance(renderable, Text))

    def table(self, grid: Grid) -> None:
        """Drawn on a terminal; in a pipe, aligned columns whose lines never wrap."""
        if self.as_json:
            return
        if self.out.is_terminal:
            self.out.print(rich_table(grid))
            return
        for line in aligned_lines(grid):
            self.out.print(Text(line), soft_wrap=True)

    def note(self, text: str) -> None:
        """Progress and hints, on standard error."""
        self.err.print(Text(visible(text, lines=True), "dim"), soft_wrap=True)

    def error(self, text: str) -> None:
        """Why it cannot go on: on standard error, and with --json as an object on standard output too."""
        self.json(Raw(msgspec.json.encode({"ok": False, "error": text})))
        self.err.print(Text("syncctl: ", "bold red").append(visible(text, lines=True), "default"), soft_wrap=True)

    def json(self, raw: Raw) -> None:
        """One line of JSON on standard output, for --json; the value is the original, to the letter.

        Characters that could disturb a terminal are written as JSON's own escapes, which mean the same.
        """
        if self.as_json:
            line = msgspec.json.format(bytes(raw), indent=-1).decode()
            sys.stdout.write(_UNSAFE.sub(_escape, line) + "\n")
            sys.stdout.flush()


def rich_table(grid: Grid) -> Table:
    """A grid for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for header in grid.headers:
        right = header in grid.right
        table.add_column(
            Text(header), justify="right" if right else "left", overflow="fold", no_wrap=right or header in grid.whole
        )
    for row in grid.rows:
        table.add_row(*(Text(visible(cell), STATE_STYLES.get(cell, "")) for cell in row))
    return table


def aligned_lines(grid: Grid) -> list[str]:
    """A grid as plain lines: two blanks between columns, nothing behind the last."""
    rows = [list(grid.headers), *([visible(cell) for cell in row] for row in grid.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(grid.headers))]
    right = [header in grid.right for header in grid.headers]
    return ["  ".join(_pad(*cell) for cell in zip(row, widths, right, strict=True)).rstrip() for row in rows]


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _console(*, stderr: bool) -> Console:
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return f"\\x{code:02x}" if code < 0x100 else _long(code)


def _long(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape(found: re.Match[str]) -> str:
    data = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))
