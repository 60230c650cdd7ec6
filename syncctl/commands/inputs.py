"""JSON from files and standard input, kept as its bytes, so that numbers keep all their digits."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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
    raw, value = _read(path, option)
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{_named(path)} must hold a JSON object {{...}}.", param_hint=option)
    return raw


def read_state(path: str, option: str) -> Raw:
    """Return the JSON of a saved state: a list of STATE messages, or a legacy object."""
    raw, value = _read(path, option)
    if not isinstance(value, dict | list):
        raise typer.BadParameter(
            f"{_named(path)} must hold a list of state messages, or one object.", param_hint=option
        )
    return raw


def refuse_two_from_stdin(paths: Iterable[str | None]) -> None:
    """Raise typer.BadParameter if standard input would be read twice."""
    if sum(path == STDIN for path in paths) > 1:
        raise typer.BadParameter("Only one of --config, --catalog and --state can be '-' (standard input).")


def _read(path: str, option: str) -> tuple[Raw, Any]:
    try:
        data = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as exc:
        raise typer.BadParameter(f"Cannot read {path}: {exc.strerror}.", param_hint=option) from exc
    data = data.removeprefix(_BOM)
    try:
        nesting.check(data)
        return Raw(data), msgspec.json.decode(data)
    except models.DECODE_ERRORS as exc:
        why = "it is not UTF-8" if isinstance(exc, UnicodeDecodeError) else _place(str(exc), data)
        raise typer.BadParameter(f"{_named(path)} is not valid JSON: {why}.", param_hint=option) from exc


def _place(message: str, data: bytes) -> str:
    """Return the decoder's message with a line number instead of a byte."""
    found = _BYTE.search(message)
    if not found:
        return message
    return f"{message} on line {data[: int(found[1])].count(10) + 1}"


def _named(path: str) -> str:
    return "Standard input" if path == STDIN else path
