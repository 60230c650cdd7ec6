"""The files of declared syncs that a user names: their options, and what is in them."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from syncctl.commands.inputs import STDIN

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_STDIN_NAME = "stdin"

Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", show_default=False, help="Files or folders, as with -f: for a shell's *.yaml."),
]
Filenames = Annotated[
    list[str] | None,
    typer.Option(
        "--filename",
        "-f",
        metavar="FILE",
        show_default=False,
        help="A file, a folder of .yaml, .yml and .json files, or '-' for standard input; may be repeated.",
    ),
]


def read_files(names: Sequence[str]) -> dict[str, bytes]:
    """Return the content of files, and of those in folders, by name. Raise typer.BadParameter."""
    if not names:
        raise typer.BadParameter("Name a file or a folder.", param_hint="-f")
    return {name: data for given in names for name, data in _contents(given)}


def _contents(given: str) -> Iterator[tuple[str, bytes]]:
    from common.syncs.source import MAX_BYTES

    if given == STDIN:
        yield _STDIN_NAME, sys.stdin.buffer.read(MAX_BYTES + 1)
        return
    path = Path(given)
    try:
        paths = (
            sorted(one for one in path.iterdir() if one.suffix in _SUFFIXES and one.is_file())
            if path.is_dir()
            else [path]
        )
        for one in paths:
            with one.open("rb") as file:
                yield str(one), file.read(MAX_BYTES + 1)  # one more shows that it is too large
    except OSError as error:
        raise typer.BadParameter(
            f"Cannot read {error.filename or given}: {error.strerror}.", param_hint="-f"
        ) from error
    if not paths:
        raise typer.BadParameter(f"{given} has no files that end in .yaml, .yml or .json.", param_hint="-f")
