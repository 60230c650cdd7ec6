"""The project's documents, taken apart: sections, tables, console commands, code."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def read(name: str) -> str:
    """A document's text, by its path."""
    return (ROOT / name).read_text(encoding="utf-8")


README = read("README.md")
CONTRIBUTING = read("CONTRIBUTING.md")
TUTORIAL = read("docs/tutorial/first-sync.md")
DECLARE = read("docs/how-to/declare-a-sync.md")
ARCHITECTURE = read("docs/explanation/architecture.md")
CONTRACT = read("docs/reference/contract.md")
ENDPOINTS = read("docs/reference/endpoints.md")
SETTINGS = read("docs/reference/settings.md")
COMMAND_LINE = read("docs/reference/cli.md")

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(text: str, heading: str) -> str:
    """From a second-level heading to the next one."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables' bodies."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rules = {at for at, line in enumerate(lines) if set(line) <= set("|-: ")}
    bodies = [line for at, line in enumerate(lines) if not {at, at + 1} & rules]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in bodies]


def code(text: str, language: str) -> list[str]:
    """The code blocks of one language ("" for those without)."""
    return [block for name, block in _FENCE.findall(text) if name == language]


def console(text: str) -> Iterator[str]:
    """The commands of the console blocks: each from its `$ ` to the next one."""
    for block in code(text, "console"):
        assert block.startswith("$ "), f"a console block starts with a prompt: {block!r}"
        yield from (command.strip() for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:])
