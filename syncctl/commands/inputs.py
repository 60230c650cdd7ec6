"""JSON from files and standard input, kept as its bytes, so that numbers keep all their digits."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import UnionType

import msgspec
import typer
from msgspec import Raw

from common import nesting
from syncctl.api import models

STDIN = "-"
_BOM = b"\xef\xbb\xbf"
_BYTE = re.compile(r"\(byte (\d+)\)")


def read_object(path: str, option: str) -> Raw:
    """Return the JSON object in a file. Raise typer.BadParameter (exit code 2) if there is none."""
    return _read(path, option, dict, "a JSON object {...}")


def read_state(path: str, option: str) -> Raw:
    """Return the JSON of a saved state: a list of STATE messages, or a legacy object."""
    return _read(path, option, dict | list, "a list of state messages, or one object")


def refuse_two_from_stdin(paths: Iterable[str | None]) -> None:
    """Raise typer.BadParameter if standard input would be read twice."""
    if sum(path == STDIN for path in paths) > 1:
        raise typer.BadParameter("Only one of --config, --manifest, --catalog and --state can be '-' (standard input).")


def _read(path: str, option: str, expected: type | UnionType, description: str) -> Raw:
    name = "Standard input" if path == STDIN else path
    try:
        data = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as exc:
        raise typer.BadParameter(f"Cannot read {path}: {exc.strerror}.", param_hint=option) from exc
    data = data.removeprefix(_BOM)
    try:
        nesting.check(data)
        value = msgspec.json.decode(data)
    except models.DECODE_ERRORS as exc:
        why = "it is not UTF-8" if isinstance(exc, UnicodeDecodeError) else str(exc)
        line = f" on line {data[: int(found[1])].count(10) + 1}" if (found := _BYTE.search(why)) else ""
        raise typer.BadParameter(f"{name} is not valid JSON: {why}{line}.", param_hint=option) from exc
    if not isinstance(value, expected):
        raise typer.BadParameter(f"{name} must hold {description}.", param_hint=option)
    return Raw(data)
