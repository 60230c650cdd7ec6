"""The two streams of the command line: results on standard output; progress, hints and errors on standard error.

Texts from connectors and deployments pass through `visible`, and are never read as markup. With `--json`, standard
output holds JSON alone, one value a line.
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
"""Columns that a list of tasks needs."""
_COMMAND = re.compile("`syncctl (?!serve|demo|secret)")
"""A command of syncctl within a sentence; those named here the plugin does not have."""
STATE_STYLES = {
    "SUCCESS": "green",
    "PARTIAL": "yellow",
    "FAILED": "red",
    "CANCELLED": "magenta",
    "RUNNING": "cyan",
    "PENDING": "dim",
}


_program = "syncctl"


def speak_as(program: str) -> None:
    """Name this program in messages, where they name commands."""
    global _program  # noqa: PLW0603 - one name per process
    _program = program


class Grid(NamedTuple):
    """A table before it is drawn: `right` names the columns of numbers; they and those in `whole` never wrap."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()


def visible(text: str, *, lines: bool = False) -> str:
    r"""Replace characters that move the cursor, reorder letters or hide by pictures: ␛, ␍, \u202e.

    `lines` keeps line breaks and tabs, for a text that is shown as a block.
    """
    return (_UNSAFE if lines else _UNSAFE_IN_A_LINE).sub(_picture, text)


class Output:
    """Standard output and standard error. With `as_json`, standard output shows what `json` gets, and nothing else."""

    def __init__(self, *, as_json: bool = False) -> None:
        for stream in (sys.stdout, sys.stderr):
            # A terminal or a pipe that is not UTF-8 gets escapes, not a UnicodeEncodeError.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # standard streams are text wrappers
        self.as_json = as_json
        self.out, self.err = (
            Console(stderr=stderr, markup=False, highlight=False, emoji=False) for stderr in (False, True)
        )

    @property
    def is_live(self) -> bool:
        """Whether a display can be redrawn in place."""
        return self.out.is_terminal and not self.out.is_dumb_terminal and not self.as_json

    @property
    def narrow(self) -> bool:
        """Whether a wide table would be squeezed; a pipe has room for everything."""
        return self.out.is_terminal and self.out.width < WIDE

    def print(self, text: str = "", style: str = "") -> None:
        """Print a text as a block."""
        self.render(Text(visible(text, lines=True), style))

    def render(self, renderable: RenderableType) -> None:
        """Print a text or something drawn by rich."""
        if not self.as_json:
            self.out.print(renderable, soft_wrap=isinstance(renderable, Text))

    def table(self, grid: Grid) -> None:
        """Draw a table on a terminal; in a pipe, print aligned columns whose lines never wrap."""
        if self.out.is_terminal:
            self.render(rich_table(grid))
        else:
            self.render(Text("\n".join(aligned_lines(grid))))

    def note(self, text: str) -> None:
        """Print progress or a hint to standard error."""
        self.err.print(Text(visible(_own_words(text), lines=True), "dim"), soft_wrap=True)

    def error(self, text: str) -> None:
        """Print an error to standard error, and with --json as an object to standard output too."""
        text = _own_words(text)
        self.refusal(text)
        self.err.print(Text(f"{_program}: ", "bold red").append(visible(text, lines=True), "default"), soft_wrap=True)

    def line(self, text: str) -> None:
        """Print a line to standard error as it is, for editors that follow `file:line:`."""
        self.err.print(Text(visible(text)), soft_wrap=True)

    def refusal(self, text: str) -> None:
        """Print an error as an object to standard output, if --json is given."""
        self.json(Raw(msgspec.json.encode({"ok": False, "error": text})))

    def json(self, raw: Raw) -> None:
        """Print a JSON value on one line if --json is given; characters that could disturb a terminal as escapes."""
        if self.as_json:
            self._write(raw, indent=-1)

    def document(self, raw: Raw) -> None:
        """Print a JSON value that is the result: over several lines, or with --json on one."""
        self._write(raw, indent=-1 if self.as_json else 2)

    def _write(self, raw: Raw, indent: int) -> None:
        text = msgspec.json.format(bytes(raw), indent=indent).decode()
        # A line break within a string is an escape in JSON.
        lines = (_UNSAFE.sub(_json_escape, line) for line in text.split("\n"))
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def rich_table(grid: Grid) -> Table:
    """Return a grid as drawn on a terminal."""
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
    """Return a grid as plain lines: two blanks between columns, none behind the last."""
    rows = [list(grid.headers), *([visible(cell) for cell in row] for row in grid.rows)]
    pads = [
        (str.rjust if header in grid.right else str.ljust, max(len(row[at]) for row in rows))
        for at, header in enumerate(grid.headers)
    ]
    return ["  ".join(pad(cell, width) for cell, (pad, width) in zip(row, pads, strict=True)).rstrip() for row in rows]


def _own_words(text: str) -> str:
    """Return a sentence with the commands that it names as this program's."""
    return _COMMAND.sub(f"`{_program} ", text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return found[0].encode("ascii", "backslashreplace").decode()


def _json_escape(found: re.Match[str]) -> str:
    data = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at : at + 2].hex()}" for at in range(0, len(data), 2))
